import { type Discv4, discv4 } from '@kumiko/discv4'
import { type Discv5, discv5 } from '@kumiko/discv5'
import { dnsDiscovery } from '@kumiko/dns-discovery'
import { type EthereumNetwork, networks } from '@kumiko/eth'
import type { DiscoveryPart } from '@kumiko/host'
import { parseIp, parseNetList, parseNode } from '@kumiko/identity'
import { KumikoError, type NodeRecord, type Part } from '@kumiko/interface'
import { type MachineUdpSocket, udpSocket } from '@kumiko/udp'
import type { ListenAddr, NodeConfig } from './config/schema.ts'

/** A node's discoveries, to be handed to its Host. */
export interface Discovery {
  readonly parts: readonly Part<DiscoveryPart>[]
  /** The socket of discv4 and discv5: its port is what a gateway has to forward. */
  readonly udp: Pick<MachineUdpSocket, 'local'>
  /** Bootnodes, each once. */
  readonly bootnodes: readonly NodeRecord[]
  /** What runs, once the Host is made. */
  readonly running: readonly (Discv4 | Discv5)[]
  /** How many nodes are known by each that runs: `discv4`, `discv5`. */
  known(): Readonly<Record<string, number>>
}

/** What discovery is made of: discv4 and discv5 on one socket, and DNS trees. */
export interface DiscoveryInit extends Pick<NodeConfig, 'discoveryV4' | 'discoveryV5' | 'netRestrict'> {
  readonly listen: ListenAddr
  readonly bootnodes: readonly (string | NodeRecord)[]
  /** Default: `bootnodes`. */
  readonly bootnodesV5?: readonly (string | NodeRecord)[]
  readonly dnsTrees?: readonly string[]
}

export function discoveryOf(init: DiscoveryInit): Discovery {
  const { listen, bootnodes, bootnodesV5 = bootnodes, dnsTrees = [] } = init
  const restriction = init.netRestrict.length === 0 ? {} : { netRestrict: init.netRestrict.join(',') }
  // As TCP has it, where `::` takes IPv4 as well.
  const udp = udpSocket({ port: listen.port, hosts: listen.ip === '::' ? ['0.0.0.0', '::'] : [listen.ip] })
  const made: (Discv4 | Discv5)[] = []
  const kept =
    <T extends Discv4 | Discv5>(part: Part<T>): Part<T> =>
    (components) => {
      const discovery = part(components)
      made.push(discovery)
      return discovery
    }
  return {
    parts: [
      ...(init.discoveryV4 ? [kept(discv4({ udp, bootnodes, ...restriction }))] : []),
      ...(init.discoveryV5 ? [kept(discv5({ udp, bootnodes: bootnodesV5, ...restriction }))] : []),
      ...(dnsTrees.length > 0 ? [dnsDiscovery({ trees: dnsTrees })] : []),
    ],
    udp,
    bootnodes: distinct([...bootnodes, ...bootnodesV5]),
    running: made,
    known: () => Object.fromEntries(made.map((discovery) => [discovery.name, discovery.known().length])),
  }
}

/** As a configuration has it: what is given goes before what the network has. */
export function configuredDiscovery(config: NodeConfig): Discovery {
  if (config.noDiscovery) return { parts: [], udp: { local: () => undefined }, bootnodes: [], running: [], known: () => ({}) }
  return discoveryOf({ ...config, listen: config.discAddr, ...entryPoints(config) })
}

/** Where a network is entered. */
export function entryPoints(
  given: Pick<NodeConfig, 'network' | 'bootnodes' | 'dnsTrees'>,
): Pick<EthereumNetwork, 'bootnodes' | 'bootnodesV5' | 'dnsTrees'> {
  const named = given.network === undefined ? undefined : networks[given.network]
  const isGiven = given.bootnodes.length > 0
  return {
    bootnodes: isGiven ? given.bootnodes : (named?.bootnodes ?? []),
    bootnodesV5: isGiven ? given.bootnodes : (named?.bootnodesV5 ?? []),
    dnsTrees: given.dnsTrees.length > 0 ? given.dnsTrees : (named?.dnsTrees ?? []),
  }
}

/** @throws KumikoError `node/no-discovery`. */
export function needDiscovery({ noDiscovery = false, discoveryV4, discoveryV5 }: Partial<NodeConfig>): void {
  if (noDiscovery) throw new KumikoError('node/no-discovery', 'discovery is switched off: leave noDiscovery out')
  if (discoveryV4 || discoveryV5) return
  throw new KumikoError('node/no-discovery', 'both discv4 and discv5 are switched off: leave one of them on')
}

/** Tells where bootnodes are given, and all of them are out of the networks that discovery keeps to. Those known by name may be anywhere. */
export function areOutside(bootnodes: readonly NodeRecord[], netRestrict: readonly string[]): boolean {
  if (bootnodes.length === 0 || netRestrict.length === 0) return false
  const inside = parseNetList(netRestrict.join(','))
  return bootnodes.every(({ endpoints }) => endpoints.every(({ host }) => parseIp(host) !== undefined && !inside.contains(host)))
}

function distinct(nodes: readonly (string | NodeRecord)[]): NodeRecord[] {
  const read = nodes.map((node) => (typeof node === 'string' ? parseNode(node) : node))
  return [...new Map(read.map((node) => [node.nodeId, node])).values()]
}
