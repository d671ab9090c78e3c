import { generateKeyPair } from '@libp2p/crypto/keys'
import type { ConnectionLimits, ConnectionProtector, PeerId, PeerInfo, Transport, Upgrader } from '@libp2p/interface'
import { memory } from '@libp2p/memory'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { byteStream } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'
import { bytes, type Components, text } from './stage.ts'

type TransportFactory = (components: Components) => Transport

/** The memory transport, as a relay would offer it: connections that it dials have limits. */
export function limited(limits: ConnectionLimits): TransportFactory {
  return (components) => {
    const inner = memory()(components)
    const limiting = (upgrader: Upgrader): Upgrader =>
      Object.assign(Object.create(upgrader), {
        upgradeOutbound: (maConn: Parameters<Upgrader['upgradeOutbound']>[0], options: Parameters<Upgrader['upgradeOutbound']>[1]) =>
          upgrader.upgradeOutbound(maConn, { ...options, limits }),
      })
    return overridden(inner, { dial: (address, options) => inner.dial(address, { ...options, upgrader: limiting(options.upgrader) }) })
  }
}

/** The memory transport with something done before each dial. */
export function guarded(before: (address: Multiaddr, signal: AbortSignal) => Promise<void>): TransportFactory {
  return (components) => {
    const inner = memory()(components)
    return overridden(inner, {
      dial: async (address, options) => {
        await before(address, options.signal)
        return await inner.dial(address, options)
      },
    })
  }
}

/** Waits until the signal aborts, and throws its reason. */
export async function aborted(signal: AbortSignal): Promise<never> {
  signal.throwIfAborted()
  return await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
}

function overridden(inner: Transport, methods: Pick<Transport, 'dial'>): Transport {
  return Object.assign(Object.create(inner), methods, {
    [Symbol.toStringTag]: inner[Symbol.toStringTag],
    createListener: inner.createListener.bind(inner),
    listenFilter: inner.listenFilter.bind(inner),
    dialFilter: inner.dialFilter.bind(inner),
  })
}

/** A private network whose members say its name first, and go on only if the other says the same. */
export function protector(name: string, seen: string[] = []): () => ConnectionProtector {
  return () => ({
    protect: async (connection) => {
      const greeting = bytes(name.padEnd(8).slice(0, 8))
      const stream = byteStream(connection)
      const [heard] = await Promise.all([stream.read({ bytes: greeting.length }), stream.write(greeting)])
      seen.push(text(heard).trim())
      if (text(heard) !== text(greeting)) throw Object.assign(new Error('another network'), { name: 'OtherNetworkError' })
      return stream.unwrap()
    },
  })
}

/** A peer router that knows the peers given. */
export function router(
  known: readonly PeerInfo[],
  asked: string[] = [],
): () => { findPeer(peer: PeerId): Promise<PeerInfo>; getClosestPeers(): AsyncGenerator<PeerInfo> } {
  return () => ({
    findPeer: async (peer) => {
      asked.push(peer.toString())
      const found = known.find(({ id }) => id.equals(peer))
      if (found === undefined) throw Object.assign(new Error('unknown here'), { name: 'NotFoundError' })
      return found
    },
    getClosestPeers: async function* () {
      yield* known
    },
  })
}

/** A peer that nobody has met. */
export async function stranger(): Promise<PeerId> {
  return peerIdFromPrivateKey(await generateKeyPair('secp256k1'))
}
