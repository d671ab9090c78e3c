import type { Connection, Libp2p, MultiaddrConnection } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { NodeOptions } from './libp2p-parts.ts'

/** As much of a node as `connect` and `memory` use, and nothing around it: each connection is tcp, noise and yamux alone, and nobody is identified. */
export async function createNode({ listen, privateKey }: NodeOptions): Promise<Libp2p> {
  const connections: object[] = []
  const events = new EventTarget()
  const muxers = new Map<string, unknown>()
  const upgrader = {
    getStreamMuxers: () => muxers,
    createInboundAbortSignal: (signal: AbortSignal) => Object.assign(AbortSignal.any([signal]), { clear: () => {} }),
    upgradeInbound: (socket: MultiaddrConnection) => upgrade(socket, false),
    upgradeOutbound: (socket: MultiaddrConnection) => upgrade(socket, true),
  }
  // These modules read no more of their components than this.
  const components = { privateKey, logger: defaultLogger(), upgrader } as never
  const [encrypter, muxer, transport] = [noise()(components), yamux()(), tcp()(components)]
  muxers.set(muxer.protocol, muxer)
  const upgrade = async (socket: MultiaddrConnection, isInitiator: boolean): Promise<Connection> => {
    const secured = await (isInitiator ? encrypter.secureOutbound(socket) : encrypter.secureInbound(socket))
    const streams = muxer.createStreamMuxer(secured.connection)
    connections.push(streams)
    return { streams: streams.streams, close: () => socket.close() } as unknown as Connection
  }
  const listener = transport.createListener({ upgrader: upgrader as never })
  for (const address of listen) await listener.listen(multiaddr(address))
  const node = {
    addEventListener: events.addEventListener.bind(events),
    handle: () => {},
    getMultiaddrs: () => listener.getAddrs(),
    getConnections: () => connections,
    async dial(address: Multiaddr) {
      const connection = await transport.dial(address, { upgrader: upgrader as never, signal: AbortSignal.timeout(10_000) })
      events.dispatchEvent(new Event('peer:identify'))
      return connection
    },
  }
  return node as unknown as Libp2p
}
