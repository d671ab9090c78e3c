import type { CapabilityId } from '@kumiko/interface'
import {
  seeded,
  type VirtualClock,
  type VirtualNetwork,
  type VirtualNetworkOptions,
  type VirtualStream,
  virtualClock,
  virtualNetwork,
} from '@kumiko/testkit'
import { expect } from 'vitest'
import type { QueuedChannel } from '../src/channel.ts'
import { acceptRlpx, type ConnectionOptions, connectRlpx, type RlpxConnection } from '../src/connection.ts'
import { testNode } from './node.ts'

const AT = { host: 'listener', port: 30303 }

/** What is not as by default. */
export interface SetupChanges {
  readonly dialer?: Partial<ConnectionOptions>
  readonly listener?: Partial<ConnectionOptions>
  /** The dialer's. */
  readonly signal?: AbortSignal
}

/** A virtual network on which a dialer meets a listener. */
export class VirtualPair {
  readonly clock: VirtualClock = virtualClock()
  readonly network: VirtualNetwork
  /** Connections that began, in either role, the dialer's first. */
  readonly begun: { dialer?: RlpxConnection; listener?: RlpxConnection } = {}

  constructor(options: Partial<VirtualNetworkOptions> = {}) {
    this.network = virtualNetwork({ clock: this.clock, seeded: seeded(1), ...options })
  }

  /** Begins to set up a connection. */
  start({ dialer, listener, signal }: SetupChanges = {}): { dialed: Promise<RlpxConnection>; accepted: Promise<RlpxConnection> } {
    const accepted = Promise.withResolvers<RlpxConnection>()
    const port = this.network.listen(AT, (stream) => {
      port.close()
      accepted.resolve(acceptRlpx(stream, this.#options('listener', listener)))
    })
    const dialed = this.network
      .connect('dialer', AT)
      .then((stream) => connectRlpx(stream, testNode(2).publicKey, this.#options('dialer', dialer), signal))
    for (const promise of [dialed, accepted.promise]) promise.catch(() => {})
    return { dialed, accepted: accepted.promise }
  }

  /** Sets up a connection; 3 s pass. @returns How it came out at the dialer and at the listener. */
  async attempt(changes: SetupChanges = {}): Promise<[PromiseSettledResult<RlpxConnection>, PromiseSettledResult<RlpxConnection>]> {
    const { accepted, dialed } = this.start(changes)
    await this.clock.advance(3000)
    return await Promise.allSettled([dialed, accepted])
  }

  /** As {@link attempt}, where it must come out well. */
  async open(changes: SetupChanges = {}): Promise<{ dialer: RlpxConnection; listener: RlpxConnection }> {
    const [dialer, listener] = await this.attempt(changes)
    if (dialer.status === 'rejected') throw dialer.reason
    if (listener.status === 'rejected') throw listener.reason
    return { dialer: dialer.value, listener: listener.value }
  }

  /** An inbound connection whose remote is a bare stream in the test's hands. */
  async accept(changes: Partial<ConnectionOptions> = {}): Promise<{ stream: VirtualStream; outcome: Promise<RlpxConnection> }> {
    const accepted = Promise.withResolvers<RlpxConnection>()
    const port = this.network.listen(AT, (stream) => accepted.resolve(acceptRlpx(stream, this.#options('listener', changes))))
    accepted.promise.catch(() => {})
    const connecting = this.network.connect('dialer', AT)
    await this.clock.advance(100)
    port.close()
    return { stream: await connecting, outcome: accepted.promise }
  }

  /** An outbound connection whose remote is a bare stream in the test's hands. */
  async dial(changes: Partial<ConnectionOptions> = {}): Promise<{ stream: VirtualStream; outcome: Promise<RlpxConnection> }> {
    const accepted = Promise.withResolvers<VirtualStream>()
    const port = this.network.listen(AT, accepted.resolve)
    const outcome = this.network
      .connect('dialer', AT)
      .then((stream) => connectRlpx(stream, testNode(2).publicKey, this.#options('dialer', changes)))
    outcome.catch(() => {})
    await this.clock.advance(100)
    port.close()
    return { stream: await accepted.promise, outcome }
  }

  /** Nothing is left once all has ended: no connection, no timer. */
  async expectNothingLeft(): Promise<void> {
    await this.clock.advance(5000)
    await Promise.all(Object.values(this.begun).map((connection) => connection.closed))
    expect([this.network.connections, this.clock.pending]).toEqual([0, 0])
  }

  #options(side: 'dialer' | 'listener', changes: Partial<ConnectionOptions> = {}): ConnectionOptions {
    const onBegin = (connection: RlpxConnection): void => {
      this.begun[side] = connection
    }
    return { session: testNode(side === 'dialer' ? 1 : 2), clock: this.clock, onBegin, ...changes }
  }
}

/** One capability's channel. */
export function channelOf({ channels }: RlpxConnection, name = 'aa'): QueuedChannel {
  const found = channels.find(({ capability }: { capability: CapabilityId }) => capability.name === name)
  if (found === undefined) throw new Error(`no channel ${name}`)
  return found.channel
}
