import type { Millis, NodeId } from '@kumiko/interface'

/** Proofs in all, and of one address, at most. */
export const PROOFS_MAX: { readonly all: number; readonly address: number } = { all: 8192, address: 1024 }

/**
 * Who has proved what, by node and address: that it is there (endpoint proof), or that it knows that we are here. Bounded by
 * {@link PROOFS_MAX}: the least recently given go first, from an address that has too many before any other.
 *
 * @see discv4.md § Endpoint Proof
 */
export class Proofs {
  readonly #ageMaxMs: Millis
  /** When they were given, by address, then by node; both in the order of use. */
  readonly #byIp = new Map<string, Map<NodeId, Millis>>()
  #size = 0

  /** @param ageMaxMs - How long a proof holds. */
  constructor(ageMaxMs: Millis) {
    this.#ageMaxMs = ageMaxMs
  }

  get size(): number {
    return this.#size
  }

  /** A proof was given. */
  add(id: NodeId, ip: string, now: Millis): void {
    const ofIp = this.#byIp.get(ip) ?? new Map<NodeId, Millis>()
    if (!ofIp.delete(id)) this.#size++
    ofIp.set(id, now)
    this.#byIp.delete(ip)
    this.#byIp.set(ip, ofIp)
    if (ofIp.size > PROOFS_MAX.address) this.#dropOldest(ip, ofIp)
    const [oldest] = this.#byIp
    if (this.#size > PROOFS_MAX.all && oldest !== undefined) this.#dropOldest(...oldest)
  }

  /** Tells whether a proof holds. */
  has(id: NodeId, ip: string, now: Millis): boolean {
    const at = this.#byIp.get(ip)?.get(id)
    return at !== undefined && now - at < this.#ageMaxMs
  }

  /** Tells whether anyone at an address has given a proof, however long ago. */
  hasAddress(ip: string): boolean {
    return this.#byIp.has(ip)
  }

  /** A proof turned out to be worth nothing. */
  delete(id: NodeId, ip: string): void {
    const ofIp = this.#byIp.get(ip)
    if (ofIp?.delete(id) === true) this.#size--
    if (ofIp?.size === 0) this.#byIp.delete(ip)
  }

  #dropOldest(ip: string, ofIp: ReadonlyMap<NodeId, Millis>): void {
    const [oldest] = ofIp.keys()
    if (oldest !== undefined) this.delete(oldest, ip)
  }
}
