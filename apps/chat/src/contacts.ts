import type { Millis, Random } from '@kumiko/interface'

/** Calls under way. */
const CALLS_MAX = 8

/** Who is in touch or wanted; beyond it nobody new is taken. */
const CONTACTS_MAX = 512

const RETRY_MIN_MS: Millis = 1_000
const RETRY_MAX_MS: Millis = 60_000

/** Whoever was there for so long is worth calling as often as one that was just found. */
const STEADY_MS: Millis = 60_000

/** Whoever does not want us, or has left, is called again after this time, where it is found again. */
const REFUSED_MS: Millis = 600_000

/** Options of {@link Contacts}. */
export interface ContactsOptions {
  readonly random: Random
  /** After so many calls in a row that fail, a contact is left alone for a while. Infinity: never. */
  readonly failuresMax: number
}

interface Contact {
  state: 'waiting' | 'calling' | 'reached' | 'refused'
  /** When to call; since when it is reached; when a refusal is forgotten. */
  at: Millis
  failures: number
}

/** Whom to call, and when: whoever was found, and whoever was lost. Peers are called again after 1, 2, 4, … 60 s, each up to half as much more. */
export class Contacts {
  readonly #random: Random
  readonly #failuresMax: number
  readonly #contacts = new Map<string, Contact>()

  constructor({ random, failuresMax }: ContactsOptions) {
    this.#random = random
    this.#failuresMax = failuresMax
  }

  /** When `expire` is due; Infinity if never. */
  get deadline(): Millis {
    if (this.#calls() >= CALLS_MAX) return Number.POSITIVE_INFINITY
    return Math.min(Number.POSITIVE_INFINITY, ...this.#waiting().map(([, { at }]) => at))
  }

  /** It is somewhere. */
  found(peer: string, now: Millis): void {
    const known = this.#contacts.get(peer)
    const isNew = known === undefined ? this.#makeRoom() : known.state === 'refused' && known.at <= now
    if (isNew) this.#contacts.set(peer, { state: 'waiting', at: now, failures: 0 })
  }

  /** Whoever called: there is a stream. */
  reached(peer: string, now: Millis): void {
    const known = this.#contacts.get(peer)
    if (known?.state !== 'reached') this.#contacts.set(peer, { state: 'reached', at: now, failures: known?.failures ?? 0 })
  }

  /** The stream is gone, or the call failed. */
  failed(peer: string, now: Millis): void {
    const contact = this.#contacts.get(peer)
    if (contact === undefined || contact.state === 'refused' || contact.state === 'waiting') return
    if (contact.state === 'reached' && now - contact.at >= STEADY_MS) contact.failures = 0
    contact.failures++
    contact.state = 'waiting'
    const delay = Math.min(RETRY_MIN_MS * 2 ** (contact.failures - 1), RETRY_MAX_MS)
    contact.at = now + delay * (1 + this.#random() / 2)
    if (contact.failures > this.#failuresMax) this.refused(peer, now)
  }

  /** It wants no part of us, or has left: unless it calls us, it is left alone for a while. */
  refused(peer: string, now: Millis): void {
    const contact = this.#contacts.get(peer)
    if (contact !== undefined) Object.assign(contact, { state: 'refused', at: now + REFUSED_MS, failures: 0 })
  }

  /** Whom to call now. */
  expire(now: Millis): string[] {
    const due = this.#waiting()
      .filter(([, { at }]) => at <= now)
      .sort(([, one], [, other]) => one.at - other.at)
      .slice(0, Math.max(0, CALLS_MAX - this.#calls()))
    for (const [, contact] of due) contact.state = 'calling'
    return due.map(([peer]) => peer)
  }

  #makeRoom(): boolean {
    if (this.#contacts.size < CONTACTS_MAX) return true
    const [refused] = [...this.#contacts].find(([, { state }]) => state === 'refused') ?? []
    return refused !== undefined && this.#contacts.delete(refused)
  }

  #waiting(): [string, Contact][] {
    return [...this.#contacts].filter(([, { state }]) => state === 'waiting')
  }

  #calls(): number {
    return [...this.#contacts.values()].filter(({ state }) => state === 'calling').length
  }
}
