import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { dcutr } from '@libp2p/dcutr'
import { identify, identifyPush } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'
import { type Kind, start } from './nodes.ts'

/** dcutr takes names for public, and `localhost` leads to where a test may go. */
const announceFilter = (addresses: ReturnType<typeof multiaddr>[]) =>
  addresses.map((address) => multiaddr(address.toString().replace(/^\/ip4\/127\.0\.0\.1\/tcp(?!.*p2p-circuit)/, '/dns4/localhost/tcp')))

const options = (...listen: string[]) => ({
  addresses: { listen, announceFilter },
  transports: [tcp(), circuitRelayTransport()],
  services: { identify: identify(), push: identifyPush(), dcutr: dcutr() },
})

const startRelay = (kind: Kind) => start(kind, { services: { identify: identify(), push: identifyPush(), relay: circuitRelayServer() } })

describe.each([
  ['Host', 'libp2p'],
  ['libp2p', 'Host'],
  ['Host', 'Host'],
] as const)('dcutr between a %s that listens through a relay and a %s that dials', (listenerKind, dialerKind) => {
  test('makes a direct connection of a relayed one', async () => {
    const relay = await startRelay('Host')
    const listener = await start(listenerKind, options('/ip4/127.0.0.1/tcp/0', `${relay.getMultiaddrs()[0]}/p2p-circuit`))
    const relayed = () => listener.getMultiaddrs().filter((address) => address.toString().includes('/p2p-circuit'))
    await expect.poll(() => relayed().length).toBe(1)
    const dialing = await start(dialerKind, options('/ip4/127.0.0.1/tcp/0'))
    const connection = await dialing.dial(relayed())
    expect(connection.direct).toBe(false)
    await expect.poll(() => dialing.getConnections(listener.peerId).map(({ direct }) => direct)).toEqual([true])
    await expect
      .poll(() => listener.getConnections(dialing.peerId).map(({ direct, limits }) => [direct, limits]))
      .toEqual([[true, undefined]])
    await expect.poll(() => connection.status).toBe('closed')
  })
})
