import type { NodeEndpoint } from '@kumiko/interface'
import { type Component, type Multiaddr, multiaddr, registry } from '@multiformats/multiaddr'
import { isDnsName } from './enode.ts'
import { normalIp } from './ip.ts'
import { publicKeyOfText } from './peer-id.ts'

/** The multiaddr protocol `rlpx`: in the range that multicodec leaves to private use. It has no value. */
export const RLPX_CODE = 0x300e10

/**
 * Teaches `@multiformats/multiaddr` the protocol `rlpx`. Everything here that reads or writes such addresses calls it; who handles them
 * otherwise calls it first. Idempotent.
 */
export function registerRlpx(): void {
  if (hasProtocol('rlpx')) return
  registry.addProtocol({ code: RLPX_CODE, name: 'rlpx', size: 0 })
}

/** What an address that RLPx can use says. */
export interface RlpxMultiaddr {
  /** An IP address in canonical form or a DNS name; undefined in `/p2p/…` alone. */
  readonly host?: string
  /** 0–65535; 0 only to listen on any port. Undefined where `host` is. */
  readonly tcp?: number
  /** Whether it has the component `rlpx`. */
  readonly isRlpx: boolean
  /** Compressed, 33 bytes. */
  readonly publicKey?: Uint8Array
}

/**
 * Reads `/(ip4|ip6|dns|dns4|dns6)/…/tcp/…[/rlpx][/p2p/16Uiu2…]` and `/p2p/16Uiu2…`.
 *
 * @returns Undefined for any other address, and for a PeerId that is not of a secp256k1 key.
 */
export function readRlpxMultiaddr(address: Multiaddr): RlpxMultiaddr | undefined {
  const rest = address.getComponents()
  const place = takePlace(rest)
  if (place === undefined) return undefined
  const isRlpx = rest[0]?.code === RLPX_CODE
  if (isRlpx) rest.shift()
  const peer = rest[0]?.name === 'p2p' ? rest.shift() : undefined
  const publicKey = peer?.value === undefined ? undefined : publicKeyOfText(peer.value)
  if (rest.length > 0 || (peer !== undefined && publicKey === undefined)) return undefined
  if (place.host === undefined && (isRlpx || peer === undefined)) return undefined
  return { ...place, isRlpx, ...(publicKey === undefined ? {} : { publicKey }) }
}

/**
 * The address of an endpoint: `/…/tcp/…/rlpx[/p2p/…]`. DNS names become `/dns/…`, which asks for both IP families.
 *
 * @param peerId - The text of a PeerId.
 * @returns Undefined where the endpoint takes no TCP connections, or its host is neither an IP address nor a DNS name. The zone of a link-local
 * address is left out: it means something to one machine only.
 */
export function rlpxMultiaddr({ host, tcp }: NodeEndpoint, peerId?: string): Multiaddr | undefined {
  if (tcp === undefined) return undefined
  registerRlpx()
  const ip = normalIp(host.includes(':') ? host.replace(/%.*$/, '') : host)
  if (ip === undefined && !isDnsName(host)) return undefined
  const kind = ip === undefined ? 'dns' : ip.includes(':') ? 'ip6' : 'ip4'
  return multiaddr(`/${kind}/${ip ?? host}/tcp/${tcp}/rlpx${peerId === undefined ? '' : `/p2p/${peerId}`}`)
}

function hasProtocol(name: string): boolean {
  try {
    registry.getProtocol(name)
    return true
  } catch {
    return false
  }
}

/** Takes host and port off the front; gives neither, and takes nothing, where a PeerId is in front. */
function takePlace(components: Component[]): { host?: string; tcp?: number } | undefined {
  if (components[0]?.name === 'p2p') return {}
  const [place, port] = components.splice(0, 2)
  const host = place?.value
  if (host === undefined || port?.name !== 'tcp') return undefined
  const isIp = place?.name === 'ip4' || place?.name === 'ip6'
  const isDns = place?.name === 'dns' || place?.name === 'dns4' || place?.name === 'dns6'
  const name = isIp ? normalIp(host) : isDns && isDnsName(host) ? host : undefined
  return name === undefined ? undefined : { host: name, tcp: Number(port.value) }
}
