// The child process of @kumiko/interop's startJsLibp2p2Peer: one node of js-libp2p 2.10, driven by lines of JSON like the others.
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { readLibp2pArguments } from '@kumiko/interop/libp2p-arguments'
import { type Bytes, type DhtFace, type Libp2pFace, STREAMS_MAX, serveLibp2p } from '@kumiko/interop/libp2p-commands'
import { identify, identifyPush } from '@libp2p/identify'
import type { PeerId, Stream } from '@libp2p/interface'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { peerIdFromString } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'

const { listen = [], dht } = readLibp2pArguments()

const node = await createLibp2p({
  addresses: { listen: [...listen] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionManager: { inboundConnectionThreshold: 1000 }, // its default refuses the sixth within a second
  services: {
    identify: identify(),
    identifyPush: identifyPush(),
    ping: ping(),
    // Where it is not asked for, it serves a network of its own.
    dht: kadDHT({
      protocol: `${dht ?? '/kumiko-alone'}/kad/1.0.0`,
      clientMode: dht === undefined,
      peerInfoMapper: passthroughMapper,
      validators: { kumiko: async () => {} },
      selectors: { kumiko: () => 0 },
      allowQueryWithZeroPeers: true,
      initialQuerySelfInterval: 100,
    }),
  },
})

const face: Libp2pFace = {
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
      await node.dialProtocol(peerIdFromString(peer), protocol, { signal, runOnLimitedConnection: true, maxOutboundStreams: STREAMS_MAX }),
    ),
  handle: async (protocol, serve) =>
    await node.handle(
      protocol,
      ({ stream, connection }) => {
        serve(bytesOf(stream), connection.remotePeer.toString()).catch((error: Error) => stream.abort(error))
      },
      { runOnLimitedConnection: true, maxInboundStreams: STREAMS_MAX, maxOutboundStreams: STREAMS_MAX },
    ),
  reserve: async () => {
    throw new Error('js-libp2p 2.10 is here without circuit relay')
  },
  dht: dht === undefined ? undefined : dhtFace(),
  pubsub: undefined,
  stop: async () => await node.stop(),
}
await serveLibp2p(face)

/** A stream here is a source and a sink. */
function bytesOf(stream: Stream): Bytes {
  const feed = new PassThrough()
  const sunk = stream.sink(feed).catch((error: Error) => void feed.destroy(error))
  feed.on('error', () => {}) // told by `send`
  return {
    send: async (data) => {
      if (feed.errored !== null) throw feed.errored
      if (!feed.write(data)) await once(feed, 'drain')
    },
    closeWrite: async () => {
      feed.end()
      await sunk
    },
    reset: () => stream.abort(new Error('reset by the test')),
    async *[Symbol.asyncIterator]() {
      for await (const data of stream.source) yield data.subarray()
    },
  }
}

/** What the routing table has, though its type does not say so. */
interface Buckets {
  readonly routingTable: { readonly kb: { toIterable(): Iterable<{ readonly peerId: PeerId }> } }
}

function dhtFace(): DhtFace {
  const { contentRouting, peerRouting } = node
  return {
    routingTable: () => [...(node.services.dht as unknown as Buckets).routingTable.kb.toIterable()].map(({ peerId }) => peerId.toString()),
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
