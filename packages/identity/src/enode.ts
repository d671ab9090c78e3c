import { KumikoError } from '@kumiko/interface'
import { curve } from './curve.ts'
import { fromHex, toHex } from './hex.ts'
import { normalIp } from './ip.ts'

/** What an enode URL says. */
export interface Enode {
  /** Compressed, 33 bytes; a point of the curve. */
  readonly publicKey: Uint8Array
  /** An IP address without brackets, in canonical form, or a DNS name; undefined in an incomplete URL. */
  readonly host?: string
  /** 1–65535; undefined for 0 or none. */
  readonly tcp?: number
  /** 1–65535, the same as `tcp` where the URL has no `discport`; undefined for 0 or none. */
  readonly udp?: number
}

/**
 * Reads an enode URL: `enode://<128 hex digits>@<host>:<tcp>[?discport=<udp>]`, where the host is an IPv4 address, an IPv6 address in
 * brackets or a DNS name; or an incomplete one, which ends behind the digits.
 *
 * @throws KumikoError `identity/bad-enode`.
 * @see devp2p/enode.md; go-ethereum p2p/enode, "v4" URLs
 */
export function parseEnode(text: string): Enode {
  const parts = /^enode:\/\/([^@/?#]*)(?:@(\[[^\]]*\]|[^:/?#]*)(?::([^/?#]*))?\/?(?:\?([^#]*))?)?$/.exec(text)
  if (parts === null) throw badEnode(text, 'want enode://<128 hex digits>@<host>:<port>')
  const [, key = '', host, port = '', query] = parts
  const publicKey = keyOf(text, key)
  if (host === undefined) return { publicKey }
  const tcp = portOf(text, 'port', port)
  const discport = new URLSearchParams(query).get('discport') ?? ''
  const udp = discport === '' ? tcp : portOf(text, 'discport in query', discport)
  return { publicKey, host: hostOf(text, host), ...(tcp === 0 ? {} : { tcp }), ...(udp === 0 ? {} : { udp }) }
}

/** Writes an enode URL; incomplete where there is no host. */
export function formatEnode({ publicKey, host, tcp = 0, udp = 0 }: Enode): string {
  const url = `enode://${toHex(curve.expand(publicKey) ?? publicKey)}`
  if (host === undefined) return url
  return `${url}@${host.includes(':') ? `[${host}]` : host}:${tcp}${udp === tcp ? '' : `?discport=${udp}`}`
}

function keyOf(text: string, hex: string): Uint8Array {
  const bytes = fromHex(hex)
  if (bytes?.length !== 64) throw badEnode(text, 'invalid public key, want 128 hex digits')
  if (!curve.isPublicKey(bytes)) throw badEnode(text, 'invalid public key, not a point of secp256k1')
  return curve.compress(bytes)
}

function portOf(text: string, name: string, port: string): number {
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535) throw badEnode(text, `invalid ${name}, want 0–65535`)
  return Number(port)
}

function hostOf(text: string, host: string): string {
  const isBracketed = host.startsWith('[')
  const ip = normalIp(isBracketed ? host.slice(1, -1) : host)
  if (ip !== undefined && isBracketed === host.includes(':')) return ip
  if (ip === undefined && isDnsName(host)) return host
  throw badEnode(text, 'invalid host, want an IPv4 address, an IPv6 address in brackets, or a DNS name')
}

/** Letters, digits, `-` and `_`, at most 63 a label and 253 in all; not all digits at the end, since that is an IP address gone wrong. */
export function isDnsName(host: string): boolean {
  const labels = host.replace(/\.$/, '').split('.')
  return host.length <= 254 && labels.every((label) => /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/i.test(label)) && !/^\d+$/.test(labels.at(-1) ?? '')
}

function badEnode(text: string, why: string): KumikoError {
  const enode = text.slice(0, 200)
  return new KumikoError('identity/bad-enode', `bad enode URL "${enode}": ${why}`, { context: { enode } })
}
