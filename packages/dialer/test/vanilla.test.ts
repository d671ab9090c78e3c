import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { type PeerDiscoveryEvents, type PeerDiscoveryProvider, type PeerInfo, peerDiscoverySymbol } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { TypedEventEmitter } from 'main-event'
import { expect, onTestFinished, test } from 'vitest'
import { type DialerPart, dialer } from '../src/dialer.ts'
import type { DialerOptions } from '../src/options.ts'

/** A discovery that finds one peer a moment after the start. */
class Finds extends TypedEventEmitter<PeerDiscoveryEvents> implements PeerDiscoveryProvider {
  readonly #found: PeerInfo

  constructor(found: PeerInfo) {
    super()
    this.#found = found
  }

  get [peerDiscoverySymbol](): this {
    return this
  }

  start(): void {
    setTimeout(() => this.safeDispatchEvent('peer', { detail: this.#found }), 10)
  }

  stop(): void {}
}

/** A vanilla js-libp2p node with our dialer as a service. */
async function vanilla(options: DialerOptions = {}, found: readonly PeerInfo[] = []): Promise<Libp2p<{ dialer: DialerPart }>> {
  const node = await createLibp2p({
    peerDiscovery: found.map((each) => () => new Finds(each)),
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { dialer: dialer(options) },
  })
  onTestFinished(async () => await node.stop())
  return node
}

function firstAddress(node: Libp2p): string {
  return node.getMultiaddrs()[0]?.toString() ?? ''
}

test('a vanilla node keeps a static node connected, and dials through us', async () => {
  const remote = await vanilla()
  const node = await vanilla({ static: [firstAddress(remote)] })
  await expect.poll(() => node.getConnections(remote.peerId)).toHaveLength(1)
  await expect.poll(() => node.services.dialer.status()).toMatchObject({ dialing: 0, static: 1, history: 1 })
  const [open] = node.getConnections()
  expect(await node.services.dialer.dial(remote.peerId, { protocol: '/ipfs/id/1.0.0' })).toBe(open)
})

test('a vanilla node dials what its discoveries find, as far as peers are wanted', async () => {
  const [one, two] = [await vanilla(), await vanilla()]
  const found = [one, two].map((each) => ({ id: each.peerId, multiaddrs: each.getMultiaddrs() }))
  const without = await vanilla({}, found)
  const node = await vanilla({ autoDial: { wanted: 1 } }, found)
  await expect.poll(() => node.getConnections()).toHaveLength(1)
  await expect.poll(() => without.peerStore.has(one.peerId)).toBe(true)
  expect(without.getConnections()).toHaveLength(0)
})

test('a silent address does not keep a vanilla node waiting', async () => {
  const remote = await vanilla()
  const node = await vanilla()
  const mute = createServer().listen(0, '127.0.0.1')
  await once(mute, 'listening')
  const { port } = mute.address() as AddressInfo
  const silent = multiaddr(`/ip4/127.0.0.1/tcp/${port}/p2p/${remote.peerId}`)
  const connection = await node.services.dialer.dial([silent, multiaddr(firstAddress(remote))])
  expect(connection.remotePeer.equals(remote.peerId)).toBe(true)
  mute.close()
})

test('the addresses of a dial that fails are told with their errors', async () => {
  const remote = await vanilla()
  const gone = firstAddress(remote)
  await remote.stop()
  const node = await vanilla()
  await expect(node.services.dialer.dial(gone)).rejects.toMatchObject({
    code: 'dialer/failed',
    cause: { errors: [{ code: 'dialer/address-failed', context: { address: gone } }] },
  })
})
