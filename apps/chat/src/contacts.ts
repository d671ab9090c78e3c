import type { Millis, Random } from '@kumiko/interface'

/** Calls under way. */
const CALLS_MAX = 8

/** Who is in touch or wanted; beyond it nobody new is taken. */
const CONTACTS_MAX = 512

/** Calls to peers that never answered: so many at once. Whoever says where a peer is may name anybody's addresses. */
const STRANGERS_BURST = 64

/** Such calls after that. */
const STRANGERS_PER_SECOND = 0.5

/** As many calls to a stranger may fail before it is left alone. */
const STRANGER_FAILURES_MAX = 3

/** And to whoever has answered once. */
const FRIEND_FAILURES_MAX = 8

const RETRY_MIN_MS: Millis = 1_000
const RETRY_MAX_MS: Millis = 60_000

/** Whoever was there for so long is worth calling as often as one that was just found. */
const STEADY_MS: Millis = 60_000

/** Whoever does not want us, or has left, is called again after this time, where it is found again. */
const REFUSED_MS: Millis = 600_000

/** Options of {@link Contacts}. */
export interface ContactsOptions {
  readonly random: Random
  /** Our user names them: they are called without a bound, and for ever. */
  readonly areNamed?: boolean
}

interface Contact {
  state: 'waiting' | 'calling' | 'reached' | 'refused'
  /** When to call; since when it is reached; when a refusal is forgotten. */
  at: Millis
  failures: number
  /** There was a stream once, or our user named it. */
  isFriend: boolean
}

/**
 * Whom to call, and when: whoever was found, and whoever was lost. Peers are called again after 1, 2, 4, … 60 s, each up to half as much more;
 * strangers fewer times, and not too many of them.
 */
export class Contacts {
  readonly #random: Random
  readonly #areNamed: boolean
  readonly #contacts = new Map<string, Contact>()
  /** Calls to strangers that may be made, as of `#countedAt`. */
  #strangers = STRANGERS_BURST
  #countedAt: Millis | undefined

  constructor({ random, areNamed = false }: ContactsOptions) {
    this.#random = random
    this.#areNamed = areNamed
  }

  /** When `expire` is due; Infinity if never. */
  get deadline(): Millis {
    if (this.#calls() >= CALLS_MAX) return Number.POSITIVE_INFINITY
    const strangersAt = this.#strangersAt()
    return Math.min(Number.POSITIVE_INFINITY, ...this.#waiting().map(([, { at, isFriend }]) => (isFriend ? at : Math.max(at, strangersAt))))
  }

  /** It is somewhere. */
  found(peer: string, now: Millis): void {
    const known = this.#contacts.get(peer)
    const isNew = known === undefined ? this.#makeRoom(this.#areNamed) : known.state === 'refused' && known.at <= now
    if (isNew) this.#contacts.set(peer, { state: 'waiting', at: now, failures: 0, isFriend: known?.isFriend ?? this.#areNamed })
  }

  /** Whoever called: there is a stream. */
  reached(peer: string, now: Millis): void {
    const known = this.#contacts.get(peer)
    if (known?.state === 'reached' || (known === undefined && !this.#makeRoom(true))) return
    this.#contacts.set(peer, { state: 'reached', at: now, failures: known?.failures ?? 0, isFriend: true })
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
    const failuresMax = contact.isFriend ? FRIEND_FAILURES_MAX : STRANGER_FAILURES_MAX
    if (!this.#areNamed && contact.failures > failuresMax) this.refused(peer, now)
  }

  /** It wants no part of us, or has left: unless it calls us, it is left alone for a while. */
  refused(peer: string, now: Millis): void {
    const contact = this.#contacts.get(peer)
    if (contact !== undefined) Object.assign(contact, { state: 'refused', at: now + REFUSED_MS, failures: 0 })
  }

  /** Whom to call now. */
  expire(now: Millis): string[] {
    this.#count(now)
    const due = this.#waiting()
      .filter(([, { at }]) => at <= now)
      .sort(([, one], [, other]) => Number(other.isFriend) - Number(one.isFriend) || one.failures - other.failures || one.at - other.at)
    const free = CALLS_MAX - this.#calls()
    const called: string[] = []
    for (const [peer, contact] of due) {
      if (called.length >= free) break
      if (!contact.isFriend && this.#strangers < 1) break
      if (!contact.isFriend) this.#strangers--
      contact.state = 'calling'
      called.push(peer)
    }
    return called
  }

  #count(now: Millis): void {
    const gained = ((now - (this.#countedAt ?? now)) * STRANGERS_PER_SECOND) / 1000
    this.#strangers = Math.min(STRANGERS_BURST, this.#strangers + gained)
    this.#countedAt = now
  }

  /** When one more stranger may be called. */
  #strangersAt(): Millis {
    if (this.#strangers >= 1 || this.#countedAt === undefined) return Number.NEGATIVE_INFINITY
    return this.#countedAt + Math.ceil(((1 - this.#strangers) * 1000) / STRANGERS_PER_SECOND)
  }

  /** Whoever does not want us goes first, then strangers that do not answer. */
  #makeRoom(isForFriend: boolean): boolean {
    if (this.#contacts.size < CONTACTS_MAX) return true
    const all = [...this.#contacts]
    const [worst] = all
      .filter(([, { state, failures, isFriend }]) => state === 'waiting' && (failures > 0 || (isForFriend && !isFriend)))
      .sort(([, one], [, other]) => Number(one.isFriend) - Number(other.isFriend) || other.failures - one.failures)
    const [gone] = all.find(([, { state }]) => state === 'refused') ?? worst ?? []
    return gone !== undefined && this.#contacts.delete(gone)
  }

  #waiting(): [string, Contact][] {
    return [...this.#contacts].filter(([, { state }]) => state === 'waiting')
  }

  #calls(): number {
    return [...this.#contacts.values()].filter(({ state }) => state === 'calling').length
  }
}
