import { formatIp } from '@kumiko/identity'
import type { Fault, UdpEndpoint } from '@kumiko/interface'

const REQUEST = 0x0001
const SUCCESS = 0x0101
const FAILURE = 0x0111
const MAGIC = 0x2112_a442
const HEADER_BYTES = 20
const MAPPED_ADDRESS = 0x0001
const ERROR_CODE = 0x0009
const XOR_MAPPED_ADDRESS = 0x0020
/** The length of a transaction's id. RFC 8489 § 5 */
export const TRANSACTION_BYTES = 12

/** Asks a server how it sees us. RFC 8489 § 5, 6.1 */
export function encodeStunRequest(transaction: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, REQUEST)
  view.setUint32(4, MAGIC)
  bytes.set(transaction.subarray(0, TRANSACTION_BYTES), 8)
  return bytes
}

/**
 * Reads the answer to a request.
 *
 * @returns How the server sees us; `nat/bad-packet` for what is no answer to this request, `nat/refused` where the server says so.
 * @see RFC 8489 § 5, 14.1, 14.2, 14.8
 */
export function decodeStun(bytes: Uint8Array, transaction: Uint8Array): UdpEndpoint | Fault {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length < HEADER_BYTES || view.getUint32(4) !== MAGIC || view.getUint16(2) + HEADER_BYTES !== bytes.length) return bad('no STUN')
  if (transaction.some((byte, i) => bytes[8 + i] !== byte)) return bad('another transaction')
  const type = view.getUint16(0)
  if (type !== SUCCESS && type !== FAILURE) return bad(`type ${type}`)
  const attributes = attributesOf(bytes, view)
  if (type === FAILURE) {
    const error = attributes.get(ERROR_CODE)
    return {
      fault: 'nat/refused',
      detail: `STUN: error ${error === undefined ? '' : ((error[2] ?? 0) & 7) * 100 + (error[3] ?? 0)}`.trim(),
    }
  }
  const xored = attributes.get(XOR_MAPPED_ADDRESS)
  const plain = attributes.get(MAPPED_ADDRESS)
  const mask = bytes.subarray(4, HEADER_BYTES)
  return (
    (xored === undefined ? undefined : endpointOf(xored, mask)) ??
    (plain === undefined ? undefined : endpointOf(plain, new Uint8Array(16))) ??
    bad('no address')
  )
}

/** The first of each type; at most as many as fit. */
function attributesOf(bytes: Uint8Array, view: DataView): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>()
  for (let at = HEADER_BYTES; at + 4 <= bytes.length; ) {
    const [type, length] = [view.getUint16(at), view.getUint16(at + 2)]
    const value = bytes.subarray(at + 4, at + 4 + length)
    if (value.length === length && !found.has(type)) found.set(type, value)
    at += 4 + Math.ceil(length / 4) * 4
  }
  return found
}

/** @param mask - 16 bytes; its first two also mask the port. */
function endpointOf(value: Uint8Array, mask: Uint8Array): UdpEndpoint | undefined {
  const ipBytes = value[1] === 1 ? 4 : value[1] === 2 ? 16 : 0
  if (ipBytes === 0 || value.length !== 4 + ipBytes) return undefined
  const plain = value.map((byte, i) => byte ^ (mask[i < 4 ? i - 2 : i - 4] ?? 0))
  const port = ((plain[2] ?? 0) << 8) | (plain[3] ?? 0)
  return port === 0 ? undefined : { ip: formatIp(plain.subarray(4)), port }
}

function bad(why: string): Fault {
  return { fault: 'nat/bad-packet', detail: `STUN: ${why}` }
}
