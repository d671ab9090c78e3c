import { createHash } from 'node:crypto'
import { connectionManager } from '@kumiko/connection-manager'
import { createHost } from '@kumiko/host'
import { createIdentity, curve, generateSecretKey } from '@kumiko/identity'
import {
  type Channel,
  type DisconnectReason,
  disconnectCode,
  disconnectReason,
  type Host,
  isFault,
  KumikoError,
  type Peer,
} from '@kumiko/interface'
import { type RlpxOptions, rlpx } from '@kumiko/rlpx'
import { EventLog } from './event-log.ts'
import type { ForeignEvent, ForeignEventOf } from './foreign-event.ts'
import { ECHO, ECHOED, type ForeignPeer, type ForeignPeerOptions, type SendOptions, SINK } from './foreign-peer.ts'
import { payload } from './payload.ts'

/** What all peers can do, ours and those of others. */
export type AnyPeer = Pick<ForeignPeer, 'id' | 'enode' | 'dial' | 'send' | 'disconnect' | 'next' | 'stats'>

/** How to start a Host of ours. */
export interface OurPeerOptions extends ForeignPeerOptions {
  readonly timing?: RlpxOptions['timing']
  /** Default 1, so that a slot that is not given back shows with the next connection. */
  readonly maxPendingPeers?: number
}

interface Link {
  readonly peer: Peer
  readonly channel: Channel
}

/** A Host of ours that behaves as a {@link ForeignPeer} does. */
export class OurPeer implements AnyPeer, AsyncDisposable {
  readonly host: Host
  readonly events: EventLog<ForeignEvent>
  readonly #links: Set<Link>
  readonly #sunk: Map<string, { count: number; bytes: number }>

  /** Use {@link startOurPeer}. */
  constructor(host: Host, state: State) {
    this.host = host
    this.events = state.events
    this.#links = state.links
    this.#sunk = state.sunk
  }

  get enode(): string {
    return this.host.identity.enode
  }

  get id(): string {
    return idIn(this.enode)
  }

  /** Connects. @throws What the dialer throws. */
  async dial(enode: string): Promise<string> {
    await this.host.dial(enode)
    return idIn(enode)
  }

  async send({ cap, code, size, seed = 0, count = 1, peer }: SendOptions): Promise<void> {
    const { channel } = await this.#link(cap, peer)
    for (let index = 0; index < count; index++) if (!channel.send(code, payload(seed + index, size))) await channel.drain()
  }

  async disconnect(reason: number, peer?: string): Promise<void> {
    const link = await this.#link(undefined, peer)
    link.peer.disconnect(disconnectReason(reason) ?? 'requested')
  }

  async stats(): Promise<Readonly<Record<string, { readonly count: number; readonly bytes: number }>>> {
    return Object.fromEntries(this.#sunk)
  }

  async next<Name extends ForeignEvent['event']>(name: Name, timeoutMs?: number): Promise<ForeignEventOf<Name>> {
    const isNext = (event: ForeignEvent): event is ForeignEventOf<Name> => event.event === name
    return await this.events.waitFor(isNext, timeoutMs, `our '${name}'`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host.stop()
  }

  /** Waits a little: capabilities of a new peer start one after another. */
  async #link(cap: string | undefined, peer: string | undefined): Promise<Link> {
    for (let round = 0; round < 200; round++) {
      const link = [...this.#links].find(
        (each) => (cap ?? each.channel.capability.name) === each.channel.capability.name && (peer ?? idOf(each.peer)) === idOf(each.peer),
      )
      if (link !== undefined) return link
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    throw new Error(`we have no peer ${peer} with capability ${cap}`)
  }
}

interface State {
  readonly events: EventLog<ForeignEvent>
  readonly links: Set<Link>
  readonly sunk: Map<string, { count: number; bytes: number }>
}

/** Starts a Host on 127.0.0.1 that serves what foreign peers serve. */
export async function startOurPeer(options: OurPeerOptions = {}): Promise<OurPeer> {
  const { capabilities = [{ name: 'kecho', version: 1, length: 4 }], key, maxPeers = 50, maxPendingPeers = 1, client, timing } = options
  const state: State = { events: new EventLog(), links: new Set(), sunk: new Map() }
  const run = (channel: Channel, peer: Peer): Promise<void> => serve(state, { channel, peer })
  const host = await createHost({
    identity: await createIdentity({ secretKey: key === undefined ? generateSecretKey() : new Uint8Array(Buffer.from(key, 'hex')) }),
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0/rlpx'] },
    transports: [
      rlpx({
        capabilities: capabilities.map((capability) => ({ ...capability, run })),
        ...(client === undefined ? {} : { clientId: client }),
        ...(timing === undefined ? {} : { timing }),
      }),
    ],
    connectionManager: connectionManager({ maxPeers, maxPendingPeers }),
    start: true,
  })
  return new OurPeer(host, state)
}

async function serve({ events, links, sunk }: State, link: Link): Promise<void> {
  const { channel, peer } = link
  const cap = channel.capability.name
  const isFirst = ![...links].some((other) => other.peer === peer)
  links.add(link)
  if (isFirst) tell(events, peer)
  for await (const { code, payload: data } of channel) {
    if (code === SINK) {
      const { count, bytes } = sunk.get(cap) ?? { count: 0, bytes: 0 }
      sunk.set(cap, { count: count + 1, bytes: bytes + data.length })
      continue
    }
    const sha256 = createHash('sha256').update(data).digest('hex')
    events.push({ event: 'message', peer: idOf(peer), cap, code, size: data.length, sha256 })
    if (code === ECHO && !channel.send(ECHOED, data)) await channel.drain()
  }
  links.delete(link)
}

function tell(events: EventLog<ForeignEvent>, peer: Peer): void {
  events.push({
    event: 'added',
    peer: idOf(peer),
    client: peer.clientId,
    inbound: peer.direction === 'inbound',
    caps: peer.capabilities.map(({ name, version }) => `${name}/${version}`),
    remote: `${peer.remote.host}:${peer.remote.port}`,
  })
  peer.signal.addEventListener('abort', () => events.push({ event: 'dropped', peer: idOf(peer), ...endOf(peer.signal.reason) }))
}

function endOf(error: unknown): { readonly requested: boolean; readonly reason?: number; readonly error?: string } {
  if (!(error instanceof KumikoError)) return { requested: false, error: String(error) }
  const { by, reason, fault } = error.context
  return {
    requested: by === 'remote',
    ...(typeof reason === 'string' ? { reason: disconnectCode(reason as DisconnectReason) } : {}),
    ...(isFault(fault) ? { error: fault.fault } : {}),
  }
}

/** 128 hex digits, as in enode URLs. */
function idOf({ publicKey }: Peer): string {
  return Buffer.from(curve.expand(publicKey) ?? []).toString('hex')
}

function idIn(enode: string): string {
  return enode.slice('enode://'.length, 'enode://'.length + 128)
}
