import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { type GossipSub, gossipsub } from '@libp2p/gossipsub'
import { identify, identifyPush } from '@libp2p/identify'
import type { Libp2p, PeerId, Stream } from '@libp2p/interface'
import type { TransportManager } from '@libp2p/interface-internal'
import { kadDHT, passthroughMapper, type SingleKadDHT } from '@libp2p/kad-dht'
import { noise } from '@libp2p/noise'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import type { Libp2pPeerOptions, RelayLimits } from './libp2p-arguments.ts'
import { STREAMS_MAX } from './libp2p-commands.ts'
import type { Bytes, DhtFace, Libp2pFace, PubsubFace } from './libp2p-face.ts'
import { loadQuic } from './quic.ts'

/** A node of js-libp2p 3.x or a Host of ours, made of {@link libp2pParts}. */
export type Libp2p3 = Pick<
  Libp2p<{ ping: Ping; dht?: SingleKadDHT; pubsub?: GossipSub }>,
  | 'peerId'
  | 'dial'
  | 'dialProtocol'
  | 'handle'
  | 'hangUp'
  | 'stop'
  | 'getConnections'
  | 'getMultiaddrs'
  | 'getProtocols'
  | 'peerStore'
  | 'contentRouting'
  | 'peerRouting'
  | 'services'
> & { readonly components: { readonly transportManager: TransportManager } }

/** js-libp2p's modules, for one node of 3.x or for a Host. */
export async function libp2pParts({ listen = ['/ip4/127.0.0.1/tcp/0'], security = ['noise'], dht, pubsub, relay }: Libp2pPeerOptions) {
  const quic = await loadQuic()
  const services = {
    identify: identify(),
    identifyPush: identifyPush(),
    ping: ping(),
    ...(dht === undefined ? {} : { dht: dhtOf(dht) }),
    ...(pubsub ? { pubsub: gossipsub({ allowPublishToZeroTopicPeers: true, heartbeatInterval: 300 }) } : {}),
    ...(relay === undefined ? {} : { relay: relayOf(relay) }),
  }
  return {
    addresses: { listen: [...listen] },
    transports: [tcp(), webSockets(), circuitRelayTransport(), ...(quic === undefined ? [] : [quic.quic()])],
    connectionEncrypters: security.map((name) => (name === 'tls' ? tls() : noise())),
    streamMuxers: [yamux()],
    services,
  }
}

/** A DHT that takes every address, loopback too, and any value under `/kumiko`. It asks others at once, not after its usual second. */
function dhtOf(prefix: string) {
  return kadDHT({
    protocol: `${prefix}/kad/1.0.0`,
    clientMode: false,
    peerInfoMapper: passthroughMapper,
    validators: { kumiko: async () => {} },
    selectors: { kumiko: () => 0 },
    allowQueryWithZeroPeers: true,
    initialQuerySelfInterval: 100,
  })
}

function relayOf({ bytes, ms, reservations }: RelayLimits) {
  return circuitRelayServer({
    reservations: {
      applyDefaultLimit: bytes !== undefined || ms !== undefined,
      ...(bytes === undefined ? {} : { defaultDataLimit: BigInt(bytes) }),
      ...(ms === undefined ? {} : { defaultDurationLimit: ms }),
      ...(reservations === undefined ? {} : { maxReservations: reservations }),
    },
  })
}

/** What {@link Libp2pCommands} needs of a node of 3.x or a Host. */
export function faceOf(node: Libp2p3): Libp2pFace {
  const { dht, pubsub } = node.services
  return {
    peer: node.peerId.toString(),
    addresses: () => node.getMultiaddrs().map(String),
    protocols: () => node.getProtocols(),
    dial: async (address, signal) => (await node.dial(multiaddr(address), { signal })).remotePeer.toString(),
    connections: () =>
      node.getConnections().map(({ remotePeer, remoteAddr, direction, encryption, multiplexer, limits }) => ({
        peer: remotePeer.toString(),
        address: remoteAddr.toString(),
        direction,
        security: encryption ?? '',
        muxer: multiplexer ?? '',
        limited: limits !== undefined,
      })),
    known: async (peer) => {
      const id = peerIdFromString(peer)
      if (!(await node.peerStore.has(id))) return { protocols: [], addresses: [], agent: '' }
      const { protocols, addresses, metadata } = await node.peerStore.get(id)
      const agent = Buffer.from(metadata.get('AgentVersion') ?? []).toString()
      return { protocols, addresses: addresses.map(({ multiaddr: address }) => address.toString()), agent }
    },
    hangUp: async (peer) => await node.hangUp(peerIdFromString(peer)),
    ping: async (peer, signal) => await node.services.ping.ping(peerIdFromString(peer), { signal }),
    open: async (peer, protocol, signal) =>
      bytesOf(
        await node.dialProtocol(peerIdFromString(peer), protocol, {
          signal,
          runOnLimitedConnection: true,
          maxOutboundStreams: STREAMS_MAX,
        }),
      ),
    handle: async (protocol, serve) =>
      await node.handle(
        protocol,
        (stream, connection) => {
          serve(bytesOf(stream), connection.remotePeer.toString()).catch((error: Error) => stream.abort(error))
        },
        { runOnLimitedConnection: true, maxInboundStreams: STREAMS_MAX, maxOutboundStreams: STREAMS_MAX },
      ),
    reserve: async (address, signal) => await reserve(node, address, signal),
    dht: dht === undefined ? undefined : dhtFaceOf(node, dht),
    pubsub: pubsub === undefined ? undefined : pubsubFaceOf(pubsub),
    stop: async () => {
      await node.stop()
    },
  }
}

function bytesOf(stream: Stream): Bytes {
  return {
    send: async (data) => {
      if (!stream.send(data)) await stream.onDrain()
    },
    closeWrite: async () => await stream.close(),
    reset: () => stream.abort(new Error('reset by the test')),
    [Symbol.asyncIterator]: () => chunksOf(stream)[Symbol.asyncIterator](),
  }
}

/**
 * What comes, to the end. js-libp2p's own iteration waits for ever where the remote's end has come before it begins, as with go-libp2p, which
 * sends the protocol, the data and the end at once; the stream then calls itself ended, though there are data to be read.
 */
function chunksOf(stream: Stream): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: (controller) => {
      const end = (): void => {
        if (stream.status === 'reset' || stream.status === 'aborted') controller.error(new Error(`the stream was ${stream.status}`))
        else controller.close()
      }
      if (stream.readableEnded && stream.readBufferLength === 0) return end()
      const isLate = stream.readableEnded
      stream.addEventListener('end', end, { once: true })
      stream.addEventListener('close', ({ error }) => error === undefined || controller.error(error))
      stream.addEventListener('message', ({ data }) => {
        controller.enqueue(data.subarray())
        if (isLate) end()
      })
    },
    cancel: () => stream.abort(new Error('nobody reads any more')),
  })
}

/** Listens at a relay until its address is told. */
async function reserve(node: Libp2p3, address: string, signal: AbortSignal): Promise<string> {
  const relayed = `${address}/p2p-circuit`
  signal.throwIfAborted()
  await node.components.transportManager.listen([multiaddr(relayed)])
  const listened = node.getMultiaddrs().find((each) => each.toString().startsWith(relayed))
  return listened?.toString() ?? `${relayed}/p2p/${node.peerId}`
}

/** What the routing table has, though its type does not say so. */
interface Buckets {
  readonly kb: { toIterable(): Iterable<{ readonly peerId: PeerId }> }
}

function dhtFaceOf({ contentRouting, peerRouting }: Libp2p3, dht: SingleKadDHT): DhtFace {
  return {
    routingTable: () => [...(dht.routingTable as unknown as Buckets).kb.toIterable()].map(({ peerId }) => peerId.toString()),
    provide: async (key, signal) => await contentRouting.provide(await keyOf(key), { signal }),
    findProviders: async function* (key, signal) {
      for await (const { id } of contentRouting.findProviders(await keyOf(key), { signal })) yield id.toString()
    },
    findPeer: async (peer, signal) => (await peerRouting.findPeer(peerIdFromString(peer), { signal })).multiaddrs.map(String),
    put: async (key, value, signal) => await contentRouting.put(Buffer.from(key), value, { signal }),
    get: async (key, signal) => await contentRouting.get(Buffer.from(key), { signal }),
  }
}

async function keyOf(text: string): Promise<CID> {
  return CID.createV1(raw.code, await sha256.digest(Buffer.from(text)))
}

function pubsubFaceOf(pubsub: GossipSub): PubsubFace {
  return {
    join: (topic, tell) => {
      pubsub.addEventListener('gossipsub:message', ({ detail: { msg, propagationSource } }) => {
        if (msg.topic !== topic || msg.type !== 'signed') return
        tell({
          event: 'published',
          topic,
          text: Buffer.from(msg.data).toString(),
          from: msg.from.toString(),
          by: propagationSource.toString(),
        })
      })
      pubsub.subscribe(topic)
    },
    publish: async (topic, data) => void (await pubsub.publish(topic, data)),
    subscribers: (topic) => pubsub.getSubscribers(topic).map(String),
  }
}
