import { registerRlpx } from '@kumiko/identity'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, it } from 'vitest'
import { ownPorts, PORTS_MAX, portsAt } from './ports.ts'

registerRlpx()

const written = (listening: readonly string[], udp?: string, localIp?: string): string[] => {
  const [ip = '', port] = udp?.split(':') ?? []
  const ports = ownPorts(
    listening.map((text) => multiaddr(text)),
    udp === undefined ? undefined : { ip, port: Number(port) },
  )
  return portsAt(ports, localIp).map((own) => `${own.use} ${own.protocol} ${own.ip}:${own.port}`)
}

it('are those of RLPx, discovery and libp2p, in this order', () => {
  const listening = ['/ip4/192.168.1.5/tcp/4001', '/ip4/192.168.1.5/udp/4001/quic-v1', '/ip4/0.0.0.0/tcp/30303/rlpx']
  expect(written(listening, '0.0.0.0:30304')).toEqual([
    'rlpx tcp 0.0.0.0:30303',
    'discovery udp 0.0.0.0:30304',
    'libp2p tcp 192.168.1.5:4001',
    'libp2p udp 192.168.1.5:4001',
  ])
})

it('are none on loopback, on an address that the world reaches, in IPv6, or without a port', () => {
  const listening = [
    '/ip4/127.0.0.1/tcp/30303/rlpx',
    '/ip4/8.8.8.8/tcp/30303/rlpx',
    '/ip6/::/tcp/30303/rlpx',
    '/ip4/169.254.1.1/tcp/1',
    '/memory/1',
    '/dns4/example.org/tcp/1',
    '/ip4/10.0.0.1/tcp/0',
  ]
  expect(written(listening, '127.0.0.1:30303')).toEqual([])
})

it('are those only that the packets of the gateway reach', () => {
  const listening = ['/ip4/192.168.1.5/tcp/1', '/ip4/10.0.0.5/tcp/2', '/ip4/0.0.0.0/tcp/3']
  expect(written(listening, undefined, '10.0.0.5')).toEqual(['libp2p tcp 10.0.0.5:2', 'libp2p tcp 0.0.0.0:3'])
})

it(`are ${PORTS_MAX} at most`, () => {
  expect(written(Array.from({ length: 100 }, (_, i) => `/ip4/10.0.0.1/tcp/${i + 1}`))).toHaveLength(PORTS_MAX)
})
