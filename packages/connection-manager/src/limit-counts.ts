import type { AdmissionLimits } from '@kumiko/interface'
import type { SlotRequest } from './slots.ts'

/** One count that a connection is in: the limit that bounds it, and the count's key. */
export interface Counted {
  readonly name: keyof AdmissionLimits
  readonly key: string
  /** What bounds it now. */
  readonly limit: number | undefined
}

/** Admitted connections by what the limits count: `inbound`, `rlpx`, `perIp 10.0.0.1` … One that is zero has no entry. */
export class LimitCounts {
  readonly #counts = new Map<string, number>()

  /** Connections in a count. */
  of(key: string): number {
    return this.#counts.get(key) ?? 0
  }

  add(counted: readonly Counted[]): void {
    for (const { key } of counted) this.#counts.set(key, this.of(key) + 1)
  }

  remove(counted: readonly Counted[]): void {
    for (const { key } of counted) {
      const left = this.of(key) - 1
      if (left > 0) this.#counts.set(key, left)
      else this.#counts.delete(key)
    }
  }
}

/** What a connection counts as, beside `perPeer`. Of the libp2p stack, streams count by protocol, and not connections. */
export function countedAs(
  { direction, stack, ip, subnet }: SlotRequest,
  protocols: readonly string[],
  limits: Readonly<AdmissionLimits>,
): Counted[] {
  const counted: Counted[] = [
    { name: 'total', key: 'total', limit: limits.total },
    { name: direction, key: direction, limit: limits[direction] },
    { name: stack, key: stack, limit: limits[stack] },
  ]
  if (ip !== undefined) counted.push({ name: 'perIp', key: `perIp ${ip}`, limit: limits.perIp })
  if (subnet !== undefined) counted.push({ name: 'perSubnet', key: `perSubnet ${subnet}`, limit: limits.perSubnet })
  if (stack === 'libp2p') return counted
  for (const protocol of new Set(protocols)) {
    counted.push({ name: 'perProtocol', key: `perProtocol ${protocol}`, limit: protocolLimit(limits, protocol) })
  }
  return counted
}

/** The bound on a protocol. A capability may be named without its slash: `eth/69`. */
export function protocolLimit({ perProtocol }: Readonly<AdmissionLimits>, protocol: string): number | undefined {
  if (perProtocol === undefined) return undefined
  const name = Object.hasOwn(perProtocol, protocol) ? protocol : protocol.replace(/^\//, '')
  return Object.hasOwn(perProtocol, name) ? perProtocol[name] : undefined
}
