import { formatIp, parseIp } from '@kumiko/identity'
import type { Fault } from '@kumiko/interface'

const VERSION = 2
const ANSWER = 0x80
const OPCODES = { announce: 0, map: 1 } as const
const HEADER_BYTES = 24
const MAP_BYTES = 36
/** RFC 6887 § 7 */
const PACKET_BYTES_MAX = 1100
/** IANA protocol numbers */
const PROTOCOLS = { tcp: 6, udp: 17 } as const
/** The length of a mapping's nonce. RFC 6887 § 11.1 */
export const NONCE_BYTES = 12

/** RFC 6887 § 7.4 */
const RESULTS = [
  'success',
  'unsupported version',
  'not authorized',
  'malformed request',
  'unsupported opcode',
  'unsupported option',
  'malformed option',
  'network failure',
  'no resources',
  'unsupported protocol',
  'quota exceeded',
  'cannot provide external',
  'address mismatch',
  'excessive remote peers',
]

/** What a PCP server is asked to map. */
export interface PcpMapRequest {
  /** Our address as the server sees it; another is refused. */
  readonly clientIp: string
  /** 12 bytes; whoever knows it may renew and remove the mapping. */
  readonly nonce: Uint8Array
  readonly protocol: 'tcp' | 'udp'
  readonly internalPort: number
  /** Wanted; 0: any. */
  readonly externalPort: number
  /** Seconds; 0 removes the mapping. */
  readonly lifetimeS: number
}

/** What a PCP server answers. */
export type PcpAnswer =
  | { readonly about: 'announce' }
  | {
      readonly about: 'map'
      /** 12 bytes. */
      readonly nonce: Uint8Array
      readonly internalPort: number
      readonly externalPort: number
      readonly externalIp: string
      /** Seconds. */
      readonly lifetimeS: number
    }

/** Asks whether there is a PCP server. RFC 6887 § 14.1 */
export function encodePcpAnnounce(clientIp: string): Uint8Array {
  return header('announce', 0, clientIp, 0)
}

/** Asks for a mapping, or its end. RFC 6887 § 11.1 */
export function encodePcpMap({ clientIp, nonce, protocol, internalPort, externalPort, lifetimeS }: PcpMapRequest): Uint8Array {
  const bytes = header('map', lifetimeS, clientIp, MAP_BYTES)
  const view = new DataView(bytes.buffer)
  bytes.set(nonce.subarray(0, NONCE_BYTES), HEADER_BYTES)
  view.setUint8(36, PROTOCOLS[protocol])
  view.setUint16(40, internalPort)
  view.setUint16(42, externalPort)
  // Any address, in the form that says IPv4. RFC 6887 § 11.1
  bytes.set(mapped('0.0.0.0'), 44)
  return bytes
}

/**
 * Reads an answer. RFC 6887 § 7.2, 11.1
 *
 * @returns `nat/bad-packet` for what is no answer, `nat/unsupported-version` and `nat/refused` where the server says so. A server that knows NAT-PMP
 * only answers in its form: that is `nat/unsupported-version`, too.
 */
export function decodePcp(bytes: Uint8Array): PcpAnswer | Fault {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length < 4 || (view.getUint8(1) & ANSWER) === 0) return { fault: 'nat/bad-packet', detail: 'PCP: no answer' }
  if (view.getUint8(0) !== VERSION) return { fault: 'nat/unsupported-version', detail: `PCP: version ${view.getUint8(0)}` }
  const result = view.getUint8(3)
  if (result === 1) return { fault: 'nat/unsupported-version', detail: 'PCP: version 2 is not spoken' }
  if (bytes.length < HEADER_BYTES || bytes.length > PACKET_BYTES_MAX || bytes.length % 4 !== 0) {
    return { fault: 'nat/bad-packet', detail: `PCP: ${bytes.length} bytes` }
  }
  if (result !== 0) return { fault: 'nat/refused', detail: `PCP: ${RESULTS[result] ?? `result ${result}`}` }
  const opcode = view.getUint8(1) & ~ANSWER
  if (opcode === OPCODES.announce) return { about: 'announce' }
  if (opcode !== OPCODES.map || bytes.length < HEADER_BYTES + MAP_BYTES) return { fault: 'nat/bad-packet', detail: `PCP: opcode ${opcode}` }
  return {
    about: 'map',
    nonce: bytes.slice(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES),
    internalPort: view.getUint16(40),
    externalPort: view.getUint16(42),
    externalIp: formatIp(bytes.subarray(44, 60)),
    lifetimeS: view.getUint32(4),
  }
}

function header(opcode: keyof typeof OPCODES, lifetimeS: number, clientIp: string, restBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES + restBytes)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, VERSION)
  view.setUint8(1, OPCODES[opcode])
  view.setUint32(4, lifetimeS)
  bytes.set(mapped(clientIp), 8)
  return bytes
}

/** 16 bytes; IPv4 as IPv4-mapped IPv6. RFC 6887 § 5 */
function mapped(ip: string): Uint8Array {
  const bytes = parseIp(ip) ?? new Uint8Array(4)
  if (bytes.length === 16) return bytes
  const all = new Uint8Array(16).fill(0xff, 10, 12)
  all.set(bytes, 12)
  return all
}
