import { virtualClock } from '@kumiko/testkit'
import type { Libp2pEvents, Listener, ListenerEvents, Transport } from '@libp2p/interface'
import { FaultTolerance, TypedEventEmitter, transportSymbol } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { TransportManager } from './transport-manager.ts'

/** Listens on TCP, unless the system is said to refuse the address. */
class FakeListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  readonly #refusals: Readonly<Record<string, string>>
  readonly #ready: Promise<void> | undefined
  #address: Multiaddr | undefined

  constructor(refusals: Readonly<Record<string, string>>, ready?: Promise<void>) {
    super()
    this.#refusals = refusals
    this.#ready = ready
  }

  async listen(address: Multiaddr): Promise<void> {
    await this.#ready
    const code = this.#refusals[address.toString()]
    if (code !== undefined) throw Object.assign(new Error(code), { code })
    this.#address = address
    this.safeDispatchEvent('listening')
  }

  getAddrs(): Multiaddr[] {
    return this.#address === undefined ? [] : [this.#address]
  }

  updateAnnounceAddrs(): void {}

  async close(): Promise<void> {
    this.#address = undefined
    this.safeDispatchEvent('close')
  }
}

function manager(
  refusals: Readonly<Record<string, string>>,
  faultTolerance?: FaultTolerance,
  createListener = () => new FakeListener(refusals),
): TransportManager {
  const transport: Transport = {
    [transportSymbol]: true,
    [Symbol.toStringTag]: 'fake',
    createListener,
    dialFilter: () => [],
    listenFilter: (addresses) => addresses.filter((address) => address.toString().includes('/tcp/')),
    dial: async () => {
      throw new Error('it dials nobody')
    },
  }
  const components = { events: new TypedEventEmitter<Libp2pEvents>(), logger: defaultLogger(), clock: virtualClock() }
  // Of its components, only these are used to listen.
  const made = new TransportManager(components as never, faultTolerance === undefined ? {} : { faultTolerance })
  made.add(transport)
  return made
}

const V4 = '/ip4/127.0.0.1/tcp/1'
const V6 = '/ip6/::1/tcp/1'
const listenOn = (of: TransportManager, ...addresses: string[]) => of.listen(addresses.map((address) => multiaddr(address)))
const heldBy = (of: TransportManager): string[] => of.getAddrs().map(String)

test('a machine without IPv6 listens on the others', async () => {
  const lacking = manager({ [V6]: 'EADDRNOTAVAIL' })
  await listenOn(lacking, V4, V6)
  expect([heldBy(lacking), lacking.getListeners().length]).toEqual([[V4], 1])
  await expect(listenOn(manager({ [V6]: 'EADDRNOTAVAIL' }), V6)).rejects.toMatchObject({ code: 'host/listen-failed' })
})

test.each([
  ['IPv6', V6, 'EADDRINUSE'],
  ['IPv4', V4, 'EADDRNOTAVAIL'],
])('what fails on %s otherwise is fatal, and closes the others', async (_, address, errno) => {
  const failing = manager({ [address]: errno })
  await expect(listenOn(failing, V4, V6)).rejects.toMatchObject({ code: 'host/listen-failed', context: { address, errno } })
  expect(failing.getListeners()).toEqual([])
})

test('where faults are tolerated, all that can be listened on is, be it nothing', async () => {
  const tolerant = manager({ [V4]: 'EADDRINUSE' }, FaultTolerance.NO_FATAL)
  await listenOn(tolerant, V4, V6, '/ip4/127.0.0.1/udp/1')
  expect([heldBy(tolerant), tolerant.getListeners().length]).toEqual([[V6], 1])
  const nothing = manager({ [V4]: 'EADDRINUSE' }, FaultTolerance.NO_FATAL)
  await listenOn(nothing, V4)
  expect(nothing.getListeners()).toEqual([])
})

test('a listener that comes up after a stop is closed', async () => {
  const { promise: ready, resolve } = Promise.withResolvers<void>()
  const listener = new FakeListener({}, ready)
  const stopped = manager({}, undefined, () => listener)
  const listening = listenOn(stopped, V4)
  await stopped.stop()
  resolve()
  await listening
  expect([listener.getAddrs(), stopped.getListeners()]).toEqual([[], []])
})
