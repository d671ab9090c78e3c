import { connectionManager, netRestrict } from '@kumiko/connection-manager'
import { dialer } from '@kumiko/dialer'
import { createHost } from '@kumiko/host'
import { parseNode } from '@kumiko/identity'
import type { Capability, Host, Part } from '@kumiko/interface'
import { type Nat, type NatComponents, nat } from '@kumiko/nat'
import { rlpx } from '@kumiko/rlpx'
import { VERSION } from '@kumiko/terminal'
import type { DataFolder } from '@kumiko/terminal/data-folder'
import { noise } from '@libp2p/noise'
import { yamux } from '@libp2p/yamux'
import { echo } from './capabilities/echo.ts'
import { pingPong } from './capabilities/ping-pong.ts'
import type { ListenAddr, NodeConfig } from './config/schema.ts'
import { configuredDiscovery, type Discovery, needDiscovery } from './discovery.ts'
import { libp2pSide, type NodeServices } from './libp2p.ts'

const CAPABILITIES: Readonly<Record<NodeConfig['capabilities'][number], () => Capability>> = { echo, pingpong: pingPong }

/** A node put together. */
export interface Composed {
  readonly host: Host<Partial<NodeServices>>
  readonly discovery: Discovery
}

type Folder = Pick<DataFolder, 'identity' | 'datastore'>

/** Puts a node together. Nothing runs before `host.start()`. */
export async function compose(config: NodeConfig, { identity, datastore }: Folder): Promise<Composed> {
  const { maxPeers, maxPendingPeers, dialRatio, noDial, netRestrict: networks } = config
  const discovery = configuredDiscovery(config)
  const libp2p = libp2pSide(config)
  const host = await createHost<NodeServices>({
    identity,
    datastore,
    nodeInfo: { name: config.name, version: VERSION },
    addresses: { listen: [rlpxAddress(config.listenAddr), ...config.libp2p.listen] },
    transports: [rlpx({ capabilities: config.capabilities.map((name) => CAPABILITIES[name]()) }), ...libp2p.transports],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    discovery: [...discovery.parts, ...libp2p.discovery],
    dialer: dialer({
      static: config.staticNodes,
      bootnodes: config.bootnodes.filter((text) => parseNode(text).addresses.length > 0),
      dialRatio,
      noDial,
      ...(networks.length === 0 ? {} : { netRestrict: networks }),
    }),
    connectionManager: connectionManager({
      maxPeers,
      maxPendingPeers,
      trusted: config.trustedNodes,
      filters: networks.length === 0 ? [] : [netRestrict(networks)],
    }),
    services: { ...libp2p.services, nat: natOf(config, discovery) },
  })
  return { host, discovery }
}

/** Puts a bootnode together: it is found, tells of others, and takes no connections. @throws KumikoError `node/no-discovery`. */
export async function composeBootnode(config: NodeConfig, { identity, datastore }: Folder): Promise<Composed> {
  needDiscovery(config)
  const discovery = configuredDiscovery(config)
  const services = { nat: natOf(config, discovery) }
  const host = await createHost({ identity, datastore, discovery: discovery.parts, dialer: dialer({ noDial: true }), services })
  return { host, discovery }
}

function natOf({ nat: how }: NodeConfig, { udp }: Discovery): Part<Nat, NatComponents> {
  return nat({ how, udp })
}

function rlpxAddress({ ip, port }: ListenAddr): string {
  return `/${ip.includes(':') ? 'ip6' : 'ip4'}/${ip}/tcp/${port}/rlpx`
}
