import { autoNAT } from '@libp2p/autonat'
import { identify } from '@libp2p/identify'
import type { Connection, Libp2p, Stream, Transport } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'
import { connect, KINDS, start, startHost } from './nodes.ts'

const PROTOCOL = '/libp2p/autonat/1.0.0'
/** A public address that a router forwards to us. Nothing is sent there: see {@link forwarded}. */
const PUBLIC_IP = '9.1.1.1'
const [OK, DIAL_REFUSED] = [0, 101]

const services = () => ({ identify: identify(), autonat: autoNAT({ startupDelay: 60_000 }) })

/** TCP in a network whose router forwards {@link PUBLIC_IP} to loopback: connections there show the public address. */
function forwarded(): ReturnType<typeof tcp> {
  return (components) => {
    const transport: Transport = tcp()(components)
    const dial = transport.dial.bind(transport)
    transport.dial = async (address, { upgrader, ...options }): Promise<Connection> => {
      const shown: Pick<typeof upgrader, 'upgradeOutbound'> = {
        upgradeOutbound: (maConn, rest) => upgrader.upgradeOutbound(Object.assign(maConn, { remoteAddr: address }), rest),
      }
      return await dial(multiaddr(address.toString().replace(PUBLIC_IP, '127.0.0.1')), { ...options, upgrader: { ...upgrader, ...shown } })
    }
    return transport
  }
}

const tcpPort = (node: Libp2p): number => Number(node.getMultiaddrs()[0]?.getComponents()[1]?.value)
const publicAddresses = (addresses: readonly Multiaddr[]): string[] =>
  addresses.map(String).filter((address) => address.includes(PUBLIC_IP))

/** A field of a protobuf message that is bytes; all lengths here are below 128. */
const field = (number: number, bytes: Iterable<number>): number[] => [number * 8 + 2, [...bytes].length, ...bytes]
const framed = (message: readonly number[]): Uint8Array => Uint8Array.of(message.length, ...message)

async function read(stream: Stream): Promise<number[]> {
  for await (const data of stream) return [...data.subarray()]
  return []
}

describe.each(KINDS)('autonat with a %s', (kind) => {
  /**
   * The module's own server finds the connection that it is asked over, and closes that: no node of js-libp2p has ever been answered `OK`. So the
   * other serves by hand what go-libp2p does: it dials anew.
   */
  test('we ask, and tell of our public address once the other has dialed it', async () => {
    const ours = await startHost({ services: services() })
    const theirs = await start(kind, { transports: [forwarded()], services: { identify: identify() } })
    const address = multiaddr(`/ip4/${PUBLIC_IP}/tcp/${tcpPort(ours)}`)
    const asked: number[][] = []
    await theirs.handle(PROTOCOL, async (stream) => {
      asked.push(await read(stream))
      const dialed = await theirs.dial(address.encapsulate(`/p2p/${ours.peerId}`), { force: true })
      stream.send(framed([8, 1, ...field(3, [8, OK, ...field(3, address.bytes)])]))
      await Promise.all([stream.close(), dialed.close()])
    })
    ours.components.addressManager.addPublicAddressMapping('127.0.0.1', tcpPort(ours), PUBLIC_IP, tcpPort(ours))
    expect(publicAddresses(ours.getMultiaddrs())).toEqual([])
    await connect(theirs, ours)
    const told = `${address}/p2p/${ours.peerId}`
    await expect.poll(() => publicAddresses(ours.getMultiaddrs())).toEqual([told])
    expect(asked).toEqual([
      [...framed([8, 0, ...field(2, field(1, [...field(1, ours.peerId.toMultihash().bytes), ...field(2, address.bytes)]))])],
    ])
    await expect.poll(() => ours.identity.record.node.addresses.map(String)).toEqual([told])
  })

  test('we serve, and refuse to dial what is private', async () => {
    const ours = await startHost({ services: services() })
    const theirs = await start(kind, { services: { identify: identify() } })
    await connect(theirs, ours)
    const stream = await theirs.dialProtocol(ours.peerId, PROTOCOL)
    const place = multiaddr('/ip4/127.0.0.1/tcp/1').bytes
    stream.send(framed([8, 0, ...field(2, field(1, [...field(1, theirs.peerId.toMultihash().bytes), ...field(2, place)]))]))
    const [, ...answer] = await read(stream)
    expect(answer.slice(0, 6)).toEqual([8, 1, 3 * 8 + 2, answer.length - 4, 8, DIAL_REFUSED])
    await stream.close()
  })
})
