import { createIdentity, registerRlpx } from '@kumiko/identity'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { multiaddrsOf } from './libp2p-ports.ts'

registerRlpx()

/** Where a node that tells these addresses besides 1.2.3.4:30303 is connected to, its PeerId left out. */
async function addressesFor(hasRlpx: boolean, ...told: string[]): Promise<string[]> {
  const { record, peerId } = await createIdentity()
  record.setStaticIp(4, '1.2.3.4')
  record.setPorts(4, { tcp: 30303, udp: 30303 })
  record.setMultiaddrs(told.map((text) => multiaddr(text)))
  const transportManager = { getAddrs: () => [], listenTransportForMultiaddr: () => (hasRlpx ? ({} as never) : undefined) }
  return multiaddrsOf(record.node, { transportManager }).map((address) => address.toString().replace(`/p2p/${peerId}`, ''))
}

test('a node with RLPx is told all', async () => {
  expect(await addressesFor(true, '/ip4/1.2.3.4/tcp/4001')).toEqual(['/ip4/1.2.3.4/tcp/30303/rlpx', '/ip4/1.2.3.4/tcp/4001'])
})

test('without RLPx, who tells nothing else listens for libp2p at its endpoint', async () => {
  expect(await addressesFor(false)).toEqual(['/ip4/1.2.3.4/tcp/30303'])
})

test('so does who tells of what the endpoint cannot say', async () => {
  const wss = '/dns4/a.example/tcp/443/tls/ws'
  expect(await addressesFor(false, wss)).toEqual([wss, '/ip4/1.2.3.4/tcp/30303'])
  expect(await addressesFor(false, wss, '/dns4/a.example/tcp/30303')).toEqual([wss, '/dns4/a.example/tcp/30303', '/ip4/1.2.3.4/tcp/30303'])
  expect(await addressesFor(false, '/ip4/1.2.3.4/tcp/30303')).toEqual(['/ip4/1.2.3.4/tcp/30303'])
})

test('who tells of plain TCP at another port has RLPx at its endpoint', async () => {
  expect(await addressesFor(false, '/ip4/1.2.3.4/tcp/4001')).toEqual(['/ip4/1.2.3.4/tcp/4001'])
})
