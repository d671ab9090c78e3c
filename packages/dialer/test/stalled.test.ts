import type { Millis } from '@kumiko/interface'
import { virtualNetwork } from '@kumiko/testkit'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import type { Connect } from '../src/connect.ts'
import { dialer } from '../src/dialer.ts'
import { FakeNode } from './fake-node.ts'
import { peer } from './nodes.ts'

const LATENCY_MS = 40
const STAGGER_MS = 250

/**
 * Dials a peer whose addresses are these, over a virtual network on which nothing passes to or from 8.0.0.0/8: packets to it are lost, nobody
 * says that it is not there. Tells how long it took.
 */
async function dialOver(hosts: readonly string[]): Promise<Millis> {
  const fake = new FakeNode()
  const network = virtualNetwork({ clock: fake.clock, latencyMs: LATENCY_MS })
  for (const host of hosts) network.listen({ host, port: 4001 }, () => {})
  network.partition(
    ['local'],
    hosts.filter((host) => host.startsWith('8.')),
  )
  const connect: Connect = async (address, { signal }) => {
    const [ip] = address.getComponents()
    await network.connect('local', { host: ip?.value ?? '', port: 4001 }, { signal })
    return fake.open(peer(1), address, 'outbound')
  }
  const part = dialer({ connect })(fake.components())
  part.start()
  const startedAt = fake.clock.now()
  const dialed = part.dial(hosts.map((host) => multiaddr(`/ip4/${host}/tcp/4001/p2p/${peer(1)}`))).then(() => fake.clock.now() - startedAt)
  dialed.catch(() => {})
  await fake.clock.advance(20_000)
  const tookMs = await dialed
  expect(network.connections).toBe(1)
  await part.stop()
  return tookMs
}

test('one stalled and one good address: connected within the stagger plus a round trip (js-libp2p: 6.08 s)', async () => {
  expect(await dialOver(['8.0.0.1', '9.0.0.1'])).toBe(STAGGER_MS + 2 * LATENCY_MS)
})

test('two stalled and one good address: connected within two staggers plus a round trip (js-libp2p: fails after 10.00 s)', async () => {
  expect(await dialOver(['8.0.0.1', '8.0.0.2', '9.0.0.1'])).toBe(2 * STAGGER_MS + 2 * LATENCY_MS)
})

test('nine stalled and one good address: connected within four staggers plus a round trip', async () => {
  const stalled = Array.from({ length: 9 }, (_, i) => `8.0.0.${i}`)
  expect(await dialOver([...stalled, '9.0.0.1'])).toBe(4 * STAGGER_MS + 2 * LATENCY_MS)
})

test('a good address alone: a round trip', async () => {
  expect(await dialOver(['9.0.0.1'])).toBe(2 * LATENCY_MS)
})
