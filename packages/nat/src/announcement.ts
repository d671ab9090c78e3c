import { isIPv6 } from 'node:net'
import { ipScope, type NetList, parseNetList, stackOf } from '@kumiko/identity'
import type { LocalRecord, Millis } from '@kumiko/interface'
import type { AddressManager, TransportManager } from '@libp2p/interface-internal'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { OwnPort } from './ports.ts'

/** A port, and where the world reaches it. */
export interface PublicPort extends OwnPort {
  readonly externalIp: string
  readonly externalPort: number
  /** From now. */
  readonly lifetimeMs: Millis
}

/** Who is told. */
export interface AnnouncementComponents {
  readonly addressManager: AddressManager
  readonly transportManager: TransportManager
  /** Undefined in a node that has no record. */
  readonly record: LocalRecord | undefined
}

/** A year: what never ends is confirmed for as long. */
const CONFIRMED_MAX_MS: Millis = 365 * 86_400_000

/** Carriers' own NAT. RFC 6598 */
const SHARED: NetList = parseNetList('100.64.0.0/10')

/** Tells whether the world reaches an address: one from inside of another NAT is of no use to anybody. */
export function isPublic(ip: string): boolean {
  return ipScope(ip) === 4 && !SHARED.contains(ip)
}

/** What our node tells of its address outside, in the node record and in libp2p's addresses; and how that is taken back. */
export class Announcement {
  readonly #components: AnnouncementComponents
  #ip: string | undefined
  /** As told to the address manager; as many as there are ports. */
  #told: readonly PublicPort[] = []
  #tcp: PublicPort | undefined
  #udp: PublicPort | undefined

  constructor(components: AnnouncementComponents) {
    this.#components = components
  }

  /** What is told now. */
  get ip(): string | undefined {
    return this.#ip
  }

  /** Tells of these, and of nothing that was told before. @param ip - Undefined where it is not known. */
  tell(ip: string | undefined, ports: readonly PublicPort[]): void {
    const isIp4 = ip !== undefined && !isIPv6(ip)
    this.#tcp = this.#tellPort('tcp', this.#tcp, isIp4 ? ports.find(({ use }) => use === 'rlpx') : undefined)
    this.#udp = this.#tellPort('udp', this.#udp, isIp4 ? ports.find(({ use }) => use === 'discovery') : undefined)
    this.#tellIp(ip)
    this.#tellAddresses(ports.filter(({ use }) => use === 'libp2p'))
  }

  /** An address that the user announces is left as it is. */
  #tellIp(ip: string | undefined): void {
    const { record, addressManager } = this.#components
    const family = (text: string) => (isIPv6(text) ? 6 : 4)
    const isAnnounced = (of: string): boolean => addressManager.getAnnounceAddrs().some((address) => isRlpxOn(address, family(of)))
    if (this.#ip !== undefined && this.#ip !== ip && !isAnnounced(this.#ip)) record?.setStaticIp(family(this.#ip), undefined)
    if (ip !== undefined && !isAnnounced(ip)) record?.setStaticIp(family(ip), ip)
    this.#ip = ip
  }

  /** The record has the port outside; when that is taken back the one inside, unless somebody else has changed it. */
  #tellPort(protocol: 'tcp' | 'udp', before: PublicPort | undefined, now: PublicPort | undefined): PublicPort | undefined {
    const { record } = this.#components
    if (record === undefined) return now
    if (now !== undefined && !this.#isAnnounced(protocol)) record.setPorts(4, { [protocol]: now.externalPort })
    else if (before !== undefined && told(record, protocol) === before.externalPort) record.setPorts(4, { [protocol]: before.port })
    return now
  }

  #isAnnounced(protocol: 'tcp' | 'udp'): boolean {
    return protocol === 'tcp' && this.#components.addressManager.getAnnounceAddrs().some((address) => isRlpxOn(address, 4))
  }

  #tellAddresses(ports: readonly PublicPort[]): void {
    const { addressManager } = this.#components
    for (const old of this.#told) if (!ports.some((port) => isSame(port, old))) this.#forget(old)
    for (const port of ports) {
      addressManager.addPublicAddressMapping(port.ip, port.port, port.externalIp, port.externalPort, port.protocol)
      for (const address of this.#outside(port)) {
        addressManager.confirmObservedAddr(address, { type: 'ip-mapping', ttl: Math.min(port.lifetimeMs, CONFIRMED_MAX_MS) })
      }
    }
    this.#told = [...ports]
  }

  #forget({ ip, port, externalIp, externalPort, protocol }: PublicPort): void {
    this.#components.addressManager.removePublicAddressMapping(ip, port, externalIp, externalPort, protocol)
  }

  /** The addresses that the address manager makes of a mapping. */
  #outside({ ip, port, protocol, externalIp, externalPort }: PublicPort): Multiaddr[] {
    return this.#components.transportManager.getAddrs().flatMap((address) => {
      const [first, second, ...rest] = address.getComponents()
      if (first?.value !== ip || second?.name !== protocol || second.value !== String(port) || stackOf(address) === 'rlpx') return []
      const tail = rest.map(({ name, value }) => (value === undefined ? `/${name}` : `/${name}/${value}`)).join('')
      return [multiaddr(`/ip${isIPv6(externalIp) ? 6 : 4}/${externalIp}/${protocol}/${externalPort}${tail}`)]
    })
  }
}

function isRlpxOn(address: Multiaddr, family: 4 | 6): boolean {
  return stackOf(address) === 'rlpx' && address.getComponents()[0]?.name === (family === 4 ? 'ip4' : 'ip6')
}

/** The IPv4 port that a record has now. */
function told({ node }: LocalRecord, protocol: 'tcp' | 'udp'): number | undefined {
  return node.endpoints.find(({ host }) => host.includes('.'))?.[protocol]
}

function isSame(a: PublicPort, b: PublicPort): boolean {
  return (
    a.ip === b.ip && a.port === b.port && a.protocol === b.protocol && a.externalIp === b.externalIp && a.externalPort === b.externalPort
  )
}
