import { identify, identifyPush } from '@libp2p/identify'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'
import { heard, KINDS, start, startHost } from './nodes.ts'

const services = () => ({ identify: identify(), push: identifyPush({ debounce: 10 }) })

describe.each(KINDS)('identify with a %s', (kind) => {
  test('both tell who they are, what they serve and where, and sign it', async () => {
    const [ours, theirs] = [await startHost({ services: services() }), await start(kind, { services: services() })]
    const both = [heard(ours, 'peer:identify'), heard(theirs, 'peer:identify')]
    await ours.dial(theirs.getMultiaddrs())
    for (const [index, node] of [theirs, ours].entries()) {
      const told = await both[index]
      const places = node.getMultiaddrs().map((address) => address.toString().replace(/\/p2p\/.*/, ''))
      expect(told?.peerId.equals(node.peerId)).toBe(true)
      expect(told?.protocols.toSorted()).toEqual(node.getProtocols().toSorted())
      expect([told?.listenAddrs.map(String), told?.signedPeerRecord?.addresses.map(String)]).toEqual([places, places])
    }
    expect((await ours.services.identify.identify(ours.getConnections()[0] ?? expect.fail())).peerId.equals(theirs.peerId)).toBe(true)
  })

  test('what changes is pushed, both ways', async () => {
    const [ours, theirs] = [await startHost({ services: services() }), await start(kind, { services: services() })]
    const both = [heard(ours, 'peer:identify'), heard(theirs, 'peer:identify')]
    await theirs.dial(ours.getMultiaddrs())
    await Promise.all(both)
    await ours.handle('/ours/1', () => {})
    await theirs.handle('/theirs/1', () => {})
    await expect.poll(async () => (await theirs.peerStore.get(ours.peerId)).protocols).toContain('/ours/1')
    await expect.poll(async () => (await ours.peerStore.get(theirs.peerId)).protocols).toContain('/theirs/1')
    await ours.unhandle('/ours/1')
    await expect.poll(async () => (await theirs.peerStore.get(ours.peerId)).protocols).not.toContain('/ours/1')
    await ours.components.transportManager.listen([multiaddr('/ip4/127.0.0.1/tcp/0')])
    await expect.poll(async () => (await theirs.peerStore.get(ours.peerId)).addresses.length).toBe(2)
  })
})
