import { isIPv6 } from 'node:net'
import { normalIp } from '@kumiko/identity'
import { KumikoError, type UdpEndpoint } from '@kumiko/interface'

/** How our address seen from outside is learned, and ports are mapped. */
export type NatMethod =
  | { readonly how: 'none' }
  /** The first that answers of UPnP, PCP and NAT-PMP. */
  | { readonly how: 'any' }
  | { readonly how: 'upnp' }
  /** Without `gateway`: the default gateway, or those that are likely. */
  | { readonly how: 'pmp' | 'pcp'; readonly gateway?: string }
  /** The address only: nothing is mapped. Without `server`: public ones. */
  | { readonly how: 'stun'; readonly server?: StunServer }
  /** An address that is known. */
  | { readonly how: 'extip'; readonly ip: string }

/** A STUN server: a name or an address, and a port. */
export interface StunServer {
  /** Without brackets. */
  readonly host: string
  readonly port: UdpEndpoint['port']
}

/** RFC 8489 § 8 */
const STUN_PORT = 3478

const FORMS = 'none, any, upnp, pmp, pmp:IP, pcp, pcp:IP, stun, stun:HOST:PORT or extip:IP'

const ALIASES: Readonly<Record<string, NatMethod['how']>> = {
  '': 'none',
  none: 'none',
  off: 'none',
  any: 'any',
  auto: 'any',
  on: 'any',
  upnp: 'upnp',
  pmp: 'pmp',
  natpmp: 'pmp',
  'nat-pmp': 'pmp',
  pcp: 'pcp',
  stun: 'stun',
  extip: 'extip',
  ip: 'extip',
}

/**
 * Reads what go-ethereum's `--nat` takes, its aliases included, and `pcp`. Case does not matter.
 *
 * @throws KumikoError `nat/bad-method`, with the forms that there are.
 */
export function parseNat(text: string): NatMethod {
  const colon = text.indexOf(':')
  const name = (colon < 0 ? text : text.slice(0, colon)).trim().toLowerCase()
  const argument = colon < 0 ? undefined : text.slice(colon + 1).trim()
  const how = Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined
  if (how === undefined) throw badMethod(text, `want ${FORMS}`)
  if (how === 'extip') return { how, ip: ipOf(text, argument, 'extip') }
  if (how === 'pmp' || how === 'pcp') return argument === undefined ? { how } : { how, gateway: gatewayOf(text, argument, how) }
  if (how === 'stun') return argument === undefined ? { how } : { how, server: serverOf(text, argument) }
  if (argument !== undefined) throw badMethod(text, `${how} takes nothing after it`)
  return { how }
}

/** The text that {@link parseNat} reads, in its shortest form. */
export function formatNat(method: NatMethod): string {
  if (method.how === 'extip') return `extip:${method.ip}`
  if ('gateway' in method && method.gateway !== undefined) return `${method.how}:${method.gateway}`
  if (method.how !== 'stun' || method.server === undefined) return method.how
  const { host, port } = method.server
  return `stun:${host.includes(':') ? `[${host}]` : host}:${port}`
}

function ipOf(text: string, argument: string | undefined, how: string): string {
  const ip = normalIp(argument ?? '')
  if (ip === undefined) throw badMethod(text, `want an IP address, as in ${how}:203.0.113.7`)
  return ip
}

function gatewayOf(text: string, argument: string, how: string): string {
  const ip = normalIp(argument)
  if (ip === undefined || isIPv6(ip)) throw badMethod(text, `want the gateway's IPv4 address, as in ${how}:192.168.1.1`)
  return ip
}

/** `host`, `host:port`, `[ip6]` or `[ip6]:port`. */
function serverOf(text: string, argument: string): StunServer {
  const [, bracketed, plain = '', digits] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(argument) ?? []
  const port = digits === undefined ? STUN_PORT : Number(digits)
  const isHost = bracketed === undefined ? /^[a-z0-9_]([a-z0-9._-]{0,252})$/i.test(plain) : isIPv6(bracketed)
  if (!isHost || port < 1 || port > 65_535) throw badMethod(text, 'want a STUN server, as in stun:stun.example.org:3478')
  return { host: bracketed ?? plain, port }
}

function badMethod(text: string, want: string): KumikoError {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text
  return new KumikoError('nat/bad-method', `bad NAT method "${shown}": ${want}`, { context: { nat: shown } })
}
