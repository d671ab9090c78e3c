import { BoundedMap, type Millis } from '@kumiko/interface'

/** An endpoint of ours as others see it. */
export interface SeenEndpoint {
  /** In canonical form. */
  readonly ip: string
  readonly udp: number
}

/** Options of {@link IpTracker}. The defaults are go-ethereum's. */
export interface IpTrackerOptions {
  /** So many remotes must agree: 10. */
  readonly statementsMin?: number
  /** How long a statement counts: 5 minutes. */
  readonly windowMs?: Millis
  /** How long a contact counts: 10 minutes. */
  readonly contactWindowMs?: Millis
}

/** Remotes remembered, for statements and for contacts each; the oldest goes first. */
const REMOTES_MAX = 1024

/**
 * Predicts our own external endpoint from what remotes say of it, and whether a full-cone NAT is in front of us. A remote counts once,
 * with its latest statement. Times must not go back.
 *
 * @see go-ethereum p2p/netutil, IPTracker
 */
export class IpTracker {
  readonly #statementsMin: number
  readonly #windowMs: Millis
  readonly #contactWindowMs: Millis
  /** By remote, oldest first; at most {@link REMOTES_MAX}. */
  readonly #statements = new Map<string, SeenEndpoint & { readonly at: Millis }>()
  /** How many statements there are for each endpoint, by its text. */
  readonly #votes = new Map<string, { readonly endpoint: SeenEndpoint; count: number }>()
  readonly #contacts = new BoundedMap<string, { readonly at: Millis }>(REMOTES_MAX)

  constructor({ statementsMin = 10, windowMs = 300_000, contactWindowMs = 600_000 }: IpTrackerOptions = {}) {
    this.#statementsMin = statementsMin
    this.#windowMs = windowMs
    this.#contactWindowMs = contactWindowMs
  }

  /** A remote says which endpoint of ours it sees. @param remote - Its IP address. */
  addStatement(remote: string, { ip, udp }: SeenEndpoint, now: Millis): void {
    this.#retract(remote)
    const key = `${ip} ${udp}`
    const vote = this.#votes.get(key) ?? { endpoint: { ip, udp }, count: 0 }
    vote.count++
    this.#votes.set(key, vote)
    this.#statements.set(remote, { ip, udp, at: now })
    const [oldest] = this.#statements.keys()
    if (this.#statements.size > REMOTES_MAX && oldest !== undefined) this.#retract(oldest)
  }

  /** We sent to a remote. @param remote - Its IP address. */
  addContact(remote: string, now: Millis): void {
    this.#contacts.set(remote, { at: now })
  }

  /** The endpoint that most remotes agree on; undefined where too few do. */
  predictEndpoint(now: Millis): SeenEndpoint | undefined {
    this.#dropStatements(now)
    let best: SeenEndpoint | undefined
    let most = this.#statementsMin - 1
    for (const { endpoint, count } of this.#votes.values()) if (count > most) [best, most] = [endpoint, count]
    return best
  }

  /** Tells whether a remote reached us that we had not sent to before. */
  predictFullCone(now: Millis): boolean {
    this.#dropStatements(now)
    dropBefore(this.#contacts, now - this.#contactWindowMs)
    for (const [remote, { at }] of this.#statements) {
      const contact = this.#contacts.get(remote)
      if (contact === undefined || contact.at > at) return true
    }
    return false
  }

  /** They are in the order of time. */
  #dropStatements(now: Millis): void {
    for (const [remote, { at }] of this.#statements) {
      if (at >= now - this.#windowMs) return
      this.#retract(remote)
    }
  }

  #retract(remote: string): void {
    const said = this.#statements.get(remote)
    if (said === undefined) return
    this.#statements.delete(remote)
    const key = `${said.ip} ${said.udp}`
    const vote = this.#votes.get(key)
    if (vote !== undefined && --vote.count === 0) this.#votes.delete(key)
  }
}

/** The map is in the order of time. */
function dropBefore(map: Map<string, { readonly at: Millis }>, cutoff: Millis): void {
  for (const [key, { at }] of map) {
    if (at >= cutoff) return
    map.delete(key)
  }
}
