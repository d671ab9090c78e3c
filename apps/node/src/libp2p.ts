import type { DiscoveryPart } from '@kumiko/host'
import { ipOf, isLan } from '@kumiko/identity'
import type { HostComponents, Part } from '@kumiko/interface'
import type { Nat } from '@kumiko/nat'
import { bootstrap } from '@libp2p/bootstrap'
import { type CircuitRelayService, circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { type Identify, type IdentifyPush, identify, identifyPush } from '@libp2p/identify'
import type { PeerInfo, Transport } from '@libp2p/interface'
import { type KadDHT, kadDHT, passthroughMapper, removePrivateAddressesMapper } from '@libp2p/kad-dht'
import { mdns } from '@libp2p/mdns'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import type { NodeConfig } from './config/schema.ts'

/** What a node offers by name. */
export type NodeServices = {
  readonly identify: Identify
  readonly ping: Ping
  readonly nat: Nat
  readonly identifyPush?: IdentifyPush
  readonly dht?: KadDHT
  readonly relay?: CircuitRelayService
}

type NodeComponents = HostComponents & NodeServices
type ServiceParts = { readonly [K in keyof NodeServices]: Part<NodeServices[K], NodeComponents> }

/** The libp2p side of a node, to be handed to its Host. */
export interface Libp2pSide {
  readonly transports: readonly Part<Transport>[]
  readonly discovery: readonly Part<DiscoveryPart>[]
  readonly services: Omit<ServiceParts, 'nat'>
}

/** Without `--libp2p` a node dials libp2p's peers where it is told to, says who it is, and answers pings; with it there are all of the rest. */
export function libp2pSide({ libp2p }: NodeConfig): Libp2pSide {
  const { isEnabled, bootstrap: entries, dht, mdns: hasMdns, relay } = libp2p
  const basics = { identify: identify(), ping: ping() }
  if (!isEnabled) return { transports: [tcp()], discovery: [], services: basics }
  return {
    transports: [tcp(), webSockets(), circuitRelayTransport()],
    discovery: [...(entries.length > 0 ? [bootstrap({ list: [...entries] })] : []), ...(hasMdns ? [mdns()] : [])],
    services: {
      ...basics,
      identifyPush: identifyPush(),
      ...(dht === 'none' ? {} : { dht: dhtOf(dht) }),
      ...(relay ? { relay: circuitRelayServer() } : {}),
    },
  }
}

/** On the open network nobody is told of addresses that lead into somebody's own; within one there are no others. */
function dhtOf(mode: 'client' | 'server'): Part<KadDHT, NodeComponents> {
  return (components) => {
    const peerInfoMapper = (peer: PeerInfo): PeerInfo => (isPublic(components) ? removePrivateAddressesMapper : passthroughMapper)(peer)
    return kadDHT({ clientMode: mode === 'client', allowQueryWithZeroPeers: true, peerInfoMapper })(components)
  }
}

function isPublic({ addressManager }: HostComponents): boolean {
  return addressManager.getAddresses().some((address) => {
    const ip = ipOf(address)
    return ip !== undefined && !isLan(ip)
  })
}
