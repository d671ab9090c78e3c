import { formatIp } from '@kumiko/identity'
import type { Fault } from '@kumiko/interface'

/** NAT-PMP and PCP listen here. RFC 6886 § 1.1, RFC 6887 § 19.1 */
export const PMP_PORT = 5351

const VERSION = 0
const EXTERNAL_IP = 0
const MAP = { udp: 1, tcp: 2 } as const
const ANSWER = 128

/** RFC 6886 § 3.5 */
const RESULTS = ['success', 'unsupported version', 'not authorized', 'network failure', 'out of resources', 'unsupported opcode']

/** What a NAT-PMP gateway answers. */
export type PmpAnswer =
  | { readonly about: 'external-ip'; readonly externalIp: string }
  | {
      readonly about: 'tcp' | 'udp'
      readonly internalPort: number
      /** 0 where the mapping was removed. */
      readonly externalPort: number
      /** Seconds; 0 where the mapping was removed. */
      readonly lifetimeS: number
    }

/** Asks for the external address. RFC 6886 § 3.2 */
export function encodePmpAddressRequest(): Uint8Array {
  return Uint8Array.of(VERSION, EXTERNAL_IP)
}

/**
 * Asks for a mapping, or its end. RFC 6886 § 3.3
 *
 * @param externalPort - Wanted; 0: any.
 * @param lifetimeS - 0 ends the mapping; then `externalPort` must be 0.
 */
export function encodePmpMapRequest(protocol: 'tcp' | 'udp', internalPort: number, externalPort: number, lifetimeS: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(12))
  view.setUint8(0, VERSION)
  view.setUint8(1, MAP[protocol])
  view.setUint16(4, internalPort)
  view.setUint16(6, externalPort)
  view.setUint32(8, lifetimeS)
  return new Uint8Array(view.buffer)
}

/**
 * Reads an answer. RFC 6886 § 3.2, 3.3, 3.5
 *
 * @returns `nat/bad-packet` for what is no answer, `nat/unsupported-version` and `nat/refused` where the gateway says so.
 */
export function decodePmp(bytes: Uint8Array): PmpAnswer | Fault {
  if (bytes.length < 4) return { fault: 'nat/bad-packet', detail: `NAT-PMP: ${bytes.length} bytes` }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const opcode = view.getUint8(1) - ANSWER
  const result = view.getUint16(2)
  if (opcode < 0) return { fault: 'nat/bad-packet', detail: 'NAT-PMP: no answer' }
  if (view.getUint8(0) !== VERSION || result === 1)
    return { fault: 'nat/unsupported-version', detail: `NAT-PMP: version ${view.getUint8(0)}` }
  if (result !== 0) return { fault: 'nat/refused', detail: `NAT-PMP: ${RESULTS[result] ?? `result ${result}`}` }
  if (opcode === EXTERNAL_IP && bytes.length >= 12) return { about: 'external-ip', externalIp: formatIp(bytes.subarray(8, 12)) }
  if ((opcode === MAP.udp || opcode === MAP.tcp) && bytes.length >= 16) {
    return {
      about: opcode === MAP.udp ? 'udp' : 'tcp',
      internalPort: view.getUint16(8),
      externalPort: view.getUint16(10),
      lifetimeS: view.getUint32(12),
    }
  }
  return { fault: 'nat/bad-packet', detail: `NAT-PMP: opcode ${opcode}, ${bytes.length} bytes` }
}
