import type { Millis, NodeId } from '@kumiko/interface'
import { networkOf } from '@kumiko/kademlia'

/** Proofs in all, and of one address, at most; an IPv6 address counts as its /64. */
export const PROOFS_MAX: { readonly all: number; readonly address: number } = { all: 8192, address: 1024 }

/**
 * Who has proved what, by node and address: that it is there (endpoint proof), or that it knows that we are here. Bounded by
 * {@link PROOFS_MAX}: the least recently given go first, from an address that has too many before any other.
 *
 * @see discv4.md § Endpoint Proof
 */
export class Proofs {
  readonly #ageMaxMs: Millis
  /** When they were given, by network, then by node and address; both in the order of use. */
  readonly #byNetwork = new Map<string, Map<string, Millis>>()
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
    const network = networkOf(ip)
    const ofNetwork = this.#byNetwork.get(network) ?? new Map<string, Millis>()
    const key = keyOf(id, ip)
    if (!ofNetwork.delete(key)) this.#size++
    ofNetwork.set(key, now)
    this.#byNetwork.delete(network)
    this.#byNetwork.set(network, ofNetwork)
    if (ofNetwork.size > PROOFS_MAX.address) this.#dropOldest(network, ofNetwork)
    const [oldest] = this.#byNetwork
    if (this.#size > PROOFS_MAX.all && oldest !== undefined) this.#dropOldest(...oldest)
  }

  /** Tells whether a proof holds. */
  has(id: NodeId, ip: string, now: Millis): boolean {
    const at = this.#byNetwork.get(networkOf(ip))?.get(keyOf(id, ip))
    return at !== undefined && now - at < this.#ageMaxMs
  }

  /** Tells whether anyone at an address, or in its /64, has given a proof, however long ago. */
  hasAddress(ip: string): boolean {
    return this.#byNetwork.has(networkOf(ip))
  }

  /** A proof turned out to be worth nothing. */
  delete(id: NodeId, ip: string): void {
    this.#drop(networkOf(ip), keyOf(id, ip))
  }

  #dropOldest(network: string, ofNetwork: ReadonlyMap<string, Millis>): void {
    const [oldest] = ofNetwork.keys()
    if (oldest !== undefined) this.#drop(network, oldest)
  }

  #drop(network: string, key: string): void {
    const ofNetwork = this.#byNetwork.get(network)
    if (ofNetwork?.delete(key) === true) this.#size--
    if (ofNetwork?.size === 0) this.#byNetwork.delete(network)
  }
}

function keyOf(id: NodeId, ip: string): string {
  return `${id}@${ip}`
}
