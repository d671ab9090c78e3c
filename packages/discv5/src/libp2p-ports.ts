import { isRelayed, rlpxMultiaddr, stackOf } from '@kumiko/identity'
import type { IpFamily, LocalRecord, NodeEndpoint, NodeRecord } from '@kumiko/interface'
import type { Libp2pEvents, TypedEventTarget } from '@libp2p/interface'
import type { TransportManager } from '@libp2p/interface-internal'
import { CODE_IP4, CODE_IP6, CODE_P2P, CODE_TCP, type Multiaddr, multiaddr } from '@multiformats/multiaddr'

/** What is needed to know where libp2p listens. */
export interface Libp2pPortsComponents {
  readonly transportManager: Pick<TransportManager, 'getAddrs' | 'listenTransportForMultiaddr'>
  readonly events: TypedEventTarget<Libp2pEvents>
}

/**
 * What `tcp` means in records. In a node with RLPx it is RLPx's port, as on Ethereum's execution layer; the Host keeps ours. In one without, it is
 * libp2p's, as on the consensus layer: then nodes that are found have `/tcp` addresses, and this keeps our own record.
 */
export class Libp2pPorts {
  readonly #components: Libp2pPortsComponents
  readonly #record: LocalRecord
  #families: ReadonlySet<IpFamily> = new Set()
  readonly #changed = (): void => this.#update()

  constructor(components: Libp2pPortsComponents, record: LocalRecord) {
    this.#components = components
    this.#record = record
  }

  start(): void {
    this.#components.events.addEventListener('transport:listening', this.#changed)
    this.#components.events.addEventListener('transport:close', this.#changed)
    this.#update()
  }

  stop(): void {
    this.#components.events.removeEventListener('transport:listening', this.#changed)
    this.#components.events.removeEventListener('transport:close', this.#changed)
    if (hasRlpx(this.#components)) return
    for (const family of this.#families) this.#record.setPorts(family, { tcp: undefined })
    this.#families = new Set()
  }

  #update(): void {
    if (hasRlpx(this.#components)) return
    const ports = portsOf(this.#components.transportManager.getAddrs())
    for (const family of new Set([...this.#families, ...ports.keys()])) this.#record.setPorts(family, { tcp: ports.get(family) })
    this.#families = new Set(ports.keys())
  }
}

/**
 * Where to connect to a node: where RLPx is there, by all that it tells; else by libp2p's addresses and by plain TCP at its endpoints. Who tells of
 * plain TCP at other ports only has something else at that one: RLPx.
 */
export function multiaddrsOf(node: NodeRecord, components: Pick<Libp2pPortsComponents, 'transportManager'>): Multiaddr[] {
  if (hasRlpx(components)) return [...node.addresses]
  const told = node.addresses.filter((address) => stackOf(address) === 'libp2p')
  const ports = new Set(told.flatMap((address) => plainTcp(address)?.port ?? []))
  const endpoints = node.endpoints.filter(({ tcp }) => tcp !== undefined && (ports.size === 0 || ports.has(tcp)))
  const all = [...told, ...endpoints.flatMap((endpoint) => tcpMultiaddr(endpoint, node.peerId.toString()) ?? [])]
  return [...new Map(all.map((address) => [address.toString(), address])).values()]
}

/** Asked each time: parts may be made in any order. */
function hasRlpx({ transportManager }: Pick<Libp2pPortsComponents, 'transportManager'>): boolean {
  const probe = rlpxMultiaddr({ host: '127.0.0.1', tcp: 1 })
  return probe !== undefined && transportManager.listenTransportForMultiaddr(probe) !== undefined
}

function tcpMultiaddr({ host, tcp }: NodeEndpoint, peerId: string): Multiaddr | undefined {
  return tcp === undefined ? undefined : multiaddr(`/${host.includes(':') ? 'ip6' : 'ip4'}/${host}/tcp/${tcp}/p2p/${peerId}`)
}

/** The first plain TCP port of each family. */
function portsOf(addresses: readonly Multiaddr[]): Map<IpFamily, number> {
  const ports = new Map<IpFamily, number>()
  for (const address of addresses) {
    const { family, port } = plainTcp(address) ?? {}
    if (family !== undefined && port !== undefined && !ports.has(family)) ports.set(family, port)
  }
  return ports
}

/** The port of an address that is nothing but TCP; its family is undefined for a name. */
function plainTcp(address: Multiaddr): { readonly family: IpFamily | undefined; readonly port: number } | undefined {
  const [host, tcp, rest] = address.getComponents()
  const isPlain = tcp?.code === CODE_TCP && (rest === undefined || rest.code === CODE_P2P)
  if (!isPlain || isRelayed(address) || stackOf(address) !== 'libp2p') return undefined
  return { family: host?.code === CODE_IP4 ? 4 : host?.code === CODE_IP6 ? 6 : undefined, port: Number(tcp.value) }
}
