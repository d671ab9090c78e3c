import type { Fault, Millis } from '@kumiko/interface'

/** A port that is to be reached from outside. */
export interface PortRequest {
  readonly protocol: 'tcp' | 'udp'
  readonly internalPort: number
  /** Wanted; the gateway may give another. */
  readonly externalPort: number
  /** 12 bytes, the same for all requests of this port: they prove to a PCP server that the mapping is ours. */
  readonly nonce: Uint8Array
}

/** What a gateway gave. */
export interface Mapping {
  readonly externalPort: number
  /** Told by those gateways that tell it with each mapping. */
  readonly externalIp?: string
  /** From now; `Infinity` where nothing ends. */
  readonly lifetimeMs: Millis
}

/** Something between us and the world: a router, or the knowledge of our address alone. Nothing here rejects but for an aborted signal. */
export interface Gateway {
  /** For the log: `NAT-PMP 192.168.1.1`. */
  readonly name: string
  /** Our address as the gateway sees it; undefined where any of our addresses may be meant. */
  readonly localIp: string | undefined
  /** @returns Undefined where it is told with each mapping. */
  externalIp(signal: AbortSignal): Promise<string | undefined | Fault>
  map(request: PortRequest, signal: AbortSignal): Promise<Mapping | Fault>
  /** Best effort. */
  unmap(request: PortRequest, signal: AbortSignal): Promise<void>
}

/** How long a mapping is asked for: soon gone after we were killed. */
export const LEASE_S = 1200
