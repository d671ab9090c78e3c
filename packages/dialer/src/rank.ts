import { ipOf, isLan, isRelayed } from '@kumiko/identity'
import type { Millis } from '@kumiko/interface'
import type { Address, AddressSorter } from '@libp2p/interface'

/** An address of a peer, as libp2p's peer store gives it, and what dials have told of it. */
export interface KnownAddress extends Address {
  /** When it last led to its peer. Undefined: not as far as is known. */
  readonly lastSuccess?: Millis | undefined
  /** It is in back-off: tried when nothing else is left. */
  readonly hasFailedLately?: boolean | undefined
}

/** An address, and when it is tried. */
export interface ScheduledAddress extends KnownAddress {
  /** Counted from the start of the race; sooner where one before it fails. */
  readonly delayMs: Millis
}

/**
 * Says in which order the addresses of one peer are tried, and when each is. Must be pure. What it leaves out is not tried; what it returns is
 * sorted by delay.
 */
export type Rank = (addresses: readonly KnownAddress[]) => readonly ScheduledAddress[]

/** What the ranking goes by. */
export interface RankOptions {
  /** Between two addresses. Default 250. @see RFC 8305 § 5 */
  readonly staggerMs?: Millis
}

/** As in go-libp2p: one in the same network answers soon, or not at all. */
const PRIVATE_STAGGER_MS: Millis = 30

/** Direct addresses behind are tried together with the last of these, so that a relay's turn comes. */
const STAGGERS_MAX = 4

/** A relay waits so many staggers after the last direct address, as does what failed lately: 500 ms in go-libp2p. */
const LAST_RESORT_STAGGERS = 2

/** Best first. What runs over UDP needs fewer round trips; WebRTC needs the most. */
const TRANSPORTS = [
  ['quic-v1', 'quic'],
  ['webtransport'],
  ['tcp', 'rlpx'],
  ['ws', 'wss'],
  ['webrtc-direct', 'webrtc'],
] as const satisfies readonly (readonly string[])[]

/** Decided by the last of these names in an address: `/udp/1/quic-v1/webtransport` is WebTransport. */
const TRANSPORT_RANKS: ReadonlyMap<string, number> = new Map(TRANSPORTS.flatMap((names, rank) => names.map((name) => [name, rank])))

/** IPv6 first. */
const FAMILY_RANKS: Readonly<Record<string, number>> = { ip6: 0, dns6: 0, ip4: 1, dns4: 1 }
const OTHER_FAMILY = 2

/**
 * The addresses of one peer in the order in which they are to be tried, each with its delay:
 *
 * 1. those that have led to the peer before, the latest first; then public ones; then private ones, 30 ms apart
 * 2. relays, half a second after the last direct one
 * 3. what failed lately, half a second after all others
 *
 * and within each, in this order: certified before uncertified; QUIC, WebTransport, TCP, WebSocket, WebRTC, others; IPv6 first, then the
 * families by turns; as in the input. What comes twice is dropped.
 *
 * @see RFC 8305 § 4, and go-libp2p's default dial ranker (go-libp2p issue 1785)
 */
export function rankAddresses(addresses: readonly KnownAddress[], { staggerMs = 250 }: RankOptions = {}): ScheduledAddress[] {
  const scheduled: ScheduledAddress[] = []
  let previous: Placed | undefined
  let delayMs = 0
  for (const placed of inOrder(distinct(addresses))) {
    if (previous !== undefined) delayMs = nextDelay(delayMs, previous, placed, staggerMs)
    scheduled.push({ ...placed.known, delayMs })
    previous = placed
  }
  return scheduled
}

/**
 * Makes a ranking of a comparison: js-libp2p's `addressSorter`. Addresses are tried `staggerMs` one after another.
 *
 * @param sorter - As for `Array.sort`.
 */
export function rankBySorter(sorter: AddressSorter, { staggerMs = 250 }: RankOptions = {}): Rank {
  return (addresses) =>
    distinct(addresses)
      .sort(sorter)
      .map((known, index) => ({ ...known, delayMs: index * staggerMs }))
}

/** An address with what decides its place. */
interface Placed {
  readonly known: KnownAddress
  readonly isPrivate: boolean
  /** 0: direct, 1: through a relay, 2: failed lately. */
  readonly resort: number
  /** Compared one number after another; no two addresses have the same. */
  readonly place: readonly number[]
}

function inOrder(addresses: readonly KnownAddress[]): Placed[] {
  const turns = new Map<string, number>()
  const placed = addresses.map((known) => place(known, turns))
  return placed.sort((a, b) => compare(a.place, b.place))
}

/** @param turns - How many there are already of each kind, by kind. */
function place(known: KnownAddress, turns: Map<string, number>): Placed {
  const { multiaddr, isCertified, lastSuccess, hasFailedLately = false } = known
  const ip = ipOf(multiaddr)
  const isPrivate = ip !== undefined && isLan(ip)
  const names = multiaddr.getComponents().map(({ name }) => name)
  const family = FAMILY_RANKS[names[0] ?? ''] ?? OTHER_FAMILY
  const transport = TRANSPORT_RANKS.get(names.findLast((name) => TRANSPORT_RANKS.has(name)) ?? '') ?? TRANSPORTS.length
  const resort = hasFailedLately ? 2 : isRelayed(multiaddr) ? 1 : 0
  const kind = [resort, -(lastSuccess ?? 0), Number(isPrivate), Number(!isCertified), transport]
  const key = [...kind, family].join()
  const turn = turns.get(key) ?? 0
  turns.set(key, turn + 1)
  return { known, isPrivate, resort, place: [...kind, turn, family] }
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [index, left] of a.entries()) {
    const right = b[index] ?? 0
    if (left !== right) return left - right
  }
  return 0
}

function nextDelay(delayMs: Millis, previous: Placed, next: Placed, staggerMs: Millis): Millis {
  if (next.resort > previous.resort) return delayMs + LAST_RESORT_STAGGERS * staggerMs
  if (next.resort > 0) return delayMs + staggerMs
  const stepMs = previous.isPrivate && next.isPrivate ? Math.min(PRIVATE_STAGGER_MS, staggerMs) : staggerMs
  return Math.min(delayMs + stepMs, STAGGERS_MAX * staggerMs)
}

/** Each address once; certified if it is so anywhere. */
function distinct(addresses: readonly KnownAddress[]): KnownAddress[] {
  const found = new Map<string, KnownAddress>()
  for (const known of addresses) {
    const text = known.multiaddr.toString()
    const other = found.get(text)
    if (other === undefined) found.set(text, known)
    else if (known.isCertified && !other.isCertified) found.set(text, { ...other, isCertified: true })
  }
  return [...found.values()]
}
