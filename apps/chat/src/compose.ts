import { networkInterfaces } from 'node:os'
import { connectionManager } from '@kumiko/connection-manager'
import { dialer } from '@kumiko/dialer'
import { createHost } from '@kumiko/host'
import type { Host, Identity, Part } from '@kumiko/interface'
import type { NodeDb } from '@kumiko/node-db'
import { VERSION } from '@kumiko/terminal'
import { identify } from '@libp2p/identify'
import type { PeerDiscovery, PeerInfo } from '@libp2p/interface'
import { type KadDHTComponents, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { type MulticastDNSComponents, mdns } from '@libp2p/mdns'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import type { Multiaddr } from '@multiformats/multiaddr'
import { type Chat, type ChatComponents, type ChatEvent, chat, DHT_PROTOCOL } from './chat.ts'
import type { Past } from './room.ts'

/** What the command line says. */
export interface ChatConfig {
  readonly rendezvous: string
  /** Default: a free port of all addresses. */
  readonly listen?: readonly string[]
  readonly bootstrap: readonly Multiaddr[]
  readonly protocol: string
  readonly name?: string
  readonly hasMdns: boolean
  readonly dataDir?: string
  readonly isJson: boolean
}

/** What is kept from an earlier run. */
export interface Kept {
  readonly identity: Identity
  readonly datastore: NodeDb
  readonly past: Past
}

/** A node that chats. */
export type ChatHost = Host<{ chat: Chat; dht: unknown; identify: unknown; ping: unknown }>

/** Only chats of ours answer to it: not every libp2p node of the network is of interest. */
const MDNS_TAG = '_kumiko-chat._udp.local'

/**
 * Providers that a lookup takes: of the k of a DHT it takes no more, and one who left without a word is there for a day. Also the neighbours that
 * are told of us.
 */
const K = 64

/** Peers connected at once: a chat is for a room full of people. */
const PEERS_MAX = 160

/** Friends behind one address come one after another. */
const THROTTLE_MS = 1_000

/** Puts a node together that dials nobody but those it is told of, and whom they know. Nothing runs before `host.start()`. */
export async function composeChat(config: ChatConfig, kept: Kept | undefined, tell: (event: ChatEvent) => void): Promise<ChatHost> {
  let host: ChatHost | undefined
  const { rendezvous, protocol, bootstrap, name, hasMdns, listen = everywhere() } = config
  host = await createHost({
    ...(kept === undefined ? {} : { identity: kept.identity, datastore: kept.datastore }),
    nodeInfo: { name: 'kumiko-chat', version: VERSION, userAgent: `kumiko-chat/${VERSION}` },
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    peerDiscovery: hasMdns ? [localNetwork((peer) => host?.services.chat.found(peer))] : [],
    dialer: dialer(),
    connectionManager: connectionManager({ maxPeers: PEERS_MAX, inboundThrottleMs: THROTTLE_MS }),
    services: {
      identify: identify(),
      ping: ping(),
      dht: dht(),
      chat: (components: ChatComponents) =>
        chat({
          rendezvous,
          protocol,
          bootstrap,
          tell,
          ...(name === undefined ? {} : { name }),
          ...(kept === undefined ? {} : { past: kept.past }),
        })(components),
    },
  })
  return host
}

/** All of us serve it, so that it outlives whoever we began with; addresses of private networks are as good as others. */
function dht(): (components: KadDHTComponents) => ReturnType<ReturnType<typeof kadDHT>> {
  return kadDHT({
    protocol: DHT_PROTOCOL,
    clientMode: false,
    kBucketSize: K,
    peerInfoMapper: passthroughMapper,
    allowQueryWithZeroPeers: true,
  })
}

function localNetwork(found: (peer: PeerInfo) => void): Part<PeerDiscovery, MulticastDNSComponents> {
  return (components) => {
    const discovery = mdns({ serviceTag: MDNS_TAG })(components)
    discovery.addEventListener('peer', ({ detail }) => found(detail))
    return discovery
  }
}

/** A machine without IPv6 cannot listen there. */
function everywhere(): string[] {
  const hasIpv6 = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ family }) => family === 'IPv6'))
  return ['/ip4/0.0.0.0/tcp/0', ...(hasIpv6 ? ['/ip6/::/tcp/0'] : [])]
}
