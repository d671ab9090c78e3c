import { formatIp, type IpNetwork, ipBytes } from '@kumiko/identity'
import type { Millis } from '@kumiko/interface'

/** How many bans are kept at most; beyond, the one that ends first goes. */
const ENTRIES_MAX = 16_384

/** A ban that holds. */
export interface Ban {
  /** When it ends; `Infinity`: never. */
  readonly until: Millis
  /** For a person. */
  readonly detail?: string | undefined
}

/** Whom we refuse, and until when. Holds no timer: what has ended is forgotten when it is asked for or when there is no room. */
export class Bans {
  readonly #entriesMax: number
  readonly #entries = new Map<string, Ban>()
  /** How many bans there are by `4/24`: only these prefix lengths are looked up. */
  readonly #lengths = new Map<string, { readonly ipLength: number; readonly prefixBits: number; count: number }>()

  /** @param entriesMax - Bans kept at most. */
  constructor(entriesMax: number = ENTRIES_MAX) {
    this.#entriesMax = entriesMax
  }

  /** Bans kept, ended ones that were not asked for since among them. */
  get size(): number {
    return this.#entries.size
  }

  /** Bans, or replaces the ban. @param target - A peer id's text, or a network. */
  add(target: string | IpNetwork, ban: Ban, now: Millis): void {
    const key = keyOf(target)
    this.#delete(key)
    if (ban.until <= now) return
    if (this.#entries.size >= this.#entriesMax) this.#makeRoom(now)
    this.#entries.set(key, ban)
    if (typeof target !== 'string') this.#countLength(target)
  }

  /** Bans, unless a ban is known, which is newer. */
  addOlder(target: string | IpNetwork, ban: Ban, now: Millis): void {
    if (this.#get(keyOf(target), now) === undefined) this.add(target, ban, now)
  }

  /** Bans that hold. @returns Each with its target's text: a peer id, or `10.0.0.0/8`. */
  list(now: Millis): (Ban & { readonly target: string })[] {
    return [...this.#entries].flatMap(([key, ban]) => (ban.until > now ? [{ ...ban, target: targetText(key) }] : []))
  }

  /** Lifts a ban; tells whether there was one. A network must be the one that was banned, not a part of it. */
  remove(target: string | IpNetwork, now: Millis): boolean {
    const key = keyOf(target)
    const isBanned = this.#get(key, now) !== undefined
    this.#delete(key)
    return isBanned
  }

  /** The ban on a peer. */
  peer(peerId: string, now: Millis): Ban | undefined {
    return this.#get(keyOf(peerId), now)
  }

  /** The ban on a network that an address is in. Costs one look for each prefix length in use. */
  ip(ip: string, now: Millis): Ban | undefined {
    const bytes = ipBytes(ip)
    if (bytes === undefined) return undefined
    for (const { ipLength, prefixBits } of [...this.#lengths.values()]) {
      const ban = ipLength === bytes.length ? this.#get(keyOf({ ip: bytes, prefixBits }), now) : undefined
      if (ban !== undefined) return ban
    }
    return undefined
  }

  #get(key: string, now: Millis): Ban | undefined {
    const ban = this.#entries.get(key)
    if (ban === undefined || ban.until > now) return ban
    this.#delete(key)
    return undefined
  }

  #delete(key: string): void {
    if (!this.#entries.delete(key) || key.startsWith('peer ')) return
    const [, length = ''] = key.split(' ')
    const entry = this.#lengths.get(length)
    if (entry === undefined) return
    entry.count--
    if (entry.count === 0) this.#lengths.delete(length)
  }

  #countLength({ ip, prefixBits }: IpNetwork): void {
    const length = `${ip.length}/${prefixBits}`
    const entry = this.#lengths.get(length) ?? { ipLength: ip.length, prefixBits, count: 0 }
    entry.count++
    this.#lengths.set(length, entry)
  }

  /** Forgets all that has ended, and if nothing has, what ends first. */
  #makeRoom(now: Millis): void {
    let first: { readonly key: string; readonly until: Millis } | undefined
    for (const [key, { until }] of this.#entries) {
      if (until <= now) this.#delete(key)
      else if (first === undefined || until < first.until) first = { key, until }
    }
    if (first !== undefined && this.#entries.size >= this.#entriesMax) this.#delete(first.key)
  }
}

/** `peer 16Uiu2…`, or `net 4/24 10.0.0.0` with the bits beyond the prefix cleared. */
function keyOf(target: string | IpNetwork): string {
  return typeof target === 'string' ? `peer ${target}` : `net ${target.ip.length}/${target.prefixBits} ${formatIp(networkIp(target))}`
}

function targetText(key: string): string {
  const [kind, length = '', ip] = key.split(' ')
  return kind === 'peer' ? length : `${ip}/${length.split('/')[1]}`
}

/** A network's first address. */
export function networkIp({ ip, prefixBits }: IpNetwork): Uint8Array {
  return ip.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, prefixBits - 8 * i))))
}
