import { stackOf } from '@kumiko/identity'
import type { IpFamily, LocalRecord } from '@kumiko/interface'
import type { Libp2pEvents, TypedEventTarget } from '@libp2p/interface'
import type { TransportManager } from '@libp2p/interface-internal'
import type { Multiaddr } from '@multiformats/multiaddr'

/** What the record's endpoint needs. */
export interface RecordEndpointComponents {
  readonly identity: { readonly record: LocalRecord }
  readonly transportManager: TransportManager
  readonly events: TypedEventTarget<Libp2pEvents>
}

/** Where an RLPx address listens. */
interface RlpxEndpoint {
  readonly family: IpFamily
  readonly ip: string
  readonly tcp: number
}

const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::'])
/** What go-ethereum falls back to. */
const LOOPBACK = '127.0.0.1'

/**
 * Keeps our node record in step with the RLPx listeners: the port that was really taken, and the IP as a fallback until a better one is known.
 * An announced `/ip…/tcp/…/rlpx` is believed instead.
 */
export class RecordEndpoint {
  readonly #components: RecordEndpointComponents
  readonly #announced: readonly RlpxEndpoint[]
  #families: ReadonlySet<IpFamily> = new Set()
  readonly #changed = (): void => this.#update()

  /** @param announce - Addresses to announce, of any stack; only RLPx's are heeded. */
  constructor(components: RecordEndpointComponents, announce: readonly Multiaddr[]) {
    this.#components = components
    this.#announced = endpoints(announce)
  }

  start(): void {
    this.#components.events.addEventListener('transport:listening', this.#changed)
    this.#components.events.addEventListener('transport:close', this.#changed)
  }

  /** Who is about to go leaves its record as it is: discovery, which tells it, goes after the listeners. */
  beforeStop(): void {
    this.#components.events.removeEventListener('transport:listening', this.#changed)
    this.#components.events.removeEventListener('transport:close', this.#changed)
  }

  stop(): void {}

  #update(): void {
    const listening = endpoints(this.#components.transportManager.getAddrs())
    const families = new Set(listening.flatMap((endpoint) => (isDualStack(endpoint) ? ([4, 6] as const) : [endpoint.family])))
    for (const family of this.#families) if (!families.has(family)) this.#components.identity.record.setPorts(family, { tcp: undefined })
    for (const family of families) this.#setFamily(family, listening)
    this.#families = families
  }

  #setFamily(family: IpFamily, listening: readonly RlpxEndpoint[]): void {
    const { record } = this.#components.identity
    const announced = this.#announced.find((endpoint) => endpoint.family === family)
    const bound = listening.find((endpoint) => endpoint.family === family) ?? listening.find(isDualStack)
    if (announced !== undefined) record.setStaticIp(family, announced.ip)
    else if (bound !== undefined && !WILDCARDS.has(bound.ip)) record.setFallback(family, bound.ip)
    else if (family === 4) record.setFallback(family, LOOPBACK)
    record.setPorts(family, { tcp: (announced ?? bound)?.tcp })
  }
}

/** The system takes IPv4 connections at `[::]`, too. go-ethereum, which always listens there, tells the one port. */
function isDualStack({ ip }: RlpxEndpoint): boolean {
  return ip === '::'
}

function endpoints(addresses: readonly Multiaddr[]): RlpxEndpoint[] {
  return addresses.flatMap((address) => {
    const [ip, tcp] = address.getComponents()
    if (stackOf(address) !== 'rlpx' || ip?.value === undefined || tcp?.name !== 'tcp') return []
    if (ip.name !== 'ip4' && ip.name !== 'ip6') return []
    return [{ family: ip.name === 'ip4' ? 4 : 6, ip: ip.value, tcp: Number(tcp.value) }]
  })
}
