import { ipOf, isLan } from '@kumiko/identity'
import type { Millis, Random } from '@kumiko/interface'
import type { Peer } from '@libp2p/interface'
import { type Candidate, type PeerKey, peerKey } from './candidate.ts'

/** How many peers are to be connected. What is not given is not looked after. */
export interface AutoDialOptions {
  /** Peers in all, whatever they serve and whoever dialed. */
  readonly wanted?: number
  /** Peers with each of these tags. */
  readonly perTag?: Readonly<Record<string, number>>
  /** Peers that serve each of these libp2p protocols. */
  readonly perProtocol?: Readonly<Record<string, number>>
  /** How often it is looked whether enough are. Default 10,000; also soon after a peer came, went or became known. */
  readonly intervalMs?: Millis
}

/** What of a peer store's entry decides whether the peer is dialed. */
export type KnownPeer = Pick<Peer, 'id' | 'addresses' | 'tags' | 'protocols'>

/** Peers that are missing, and who would do, best first. */
export interface PeerWant {
  readonly missing: number
  readonly candidates: readonly Candidate[]
}

/** Candidates for one want at most, and at each look, which bounds how many are dialed a second; those behind have their turn at the next. */
const CANDIDATES_MAX = 16

/** So many of them may share a public IP: whoever fills the peer store must not have us call one place all the time, nor be all our peers. */
const PER_IP_MAX = 2

/** One thing that is wanted, and how far a peer has it: 2 yes, 1 perhaps, 0 no. */
interface Goal {
  readonly count: number
  readonly fit: (peer: KnownPeer) => 0 | 1 | 2
}

/** Tells whether peers are missing, of those that are connected. */
export function isLacking(options: AutoDialOptions, connected: readonly KnownPeer[]): boolean {
  return goalsOf(options).some((goal) => missing(goal, connected) > 0)
}

/**
 * What is missing, and who would do: those with the highest tags first, by chance where they are equal. Of a protocol, those that are known to
 * serve it go before those of which nothing is known.
 *
 * @param others - Known, not connected, and fit to be dialed.
 * @param random - Decides among equals.
 */
export function choosePeers(
  options: AutoDialOptions,
  connected: readonly KnownPeer[],
  others: readonly KnownPeer[],
  random: Random,
): PeerWant[] {
  const ordered = others
    .map((peer) => ({ peer, value: sumOfTags(peer), chance: random() }))
    .sort((a, b) => b.value - a.value || a.chance - b.chance)
  const wants = goalsOf(options).map((goal) => {
    const fitting = [2, 1].flatMap((fit) => ordered.filter(({ peer }) => goal.fit(peer) === fit))
    return { missing: missing(goal, connected), candidates: spread(fitting.map(({ peer }) => peer)).map(candidateOf) }
  })
  return wants.filter((want) => want.missing > 0)
}

/** The first ones, as far as their places are not those of others before them. */
function spread(peers: readonly KnownPeer[]): KnownPeer[] {
  const counts = new Map<string, number>()
  const chosen: KnownPeer[] = []
  for (const peer of peers) {
    if (chosen.length >= CANDIDATES_MAX) break
    const ips = publicIpsOf(peer)
    if (ips.some((ip) => (counts.get(ip) ?? 0) >= PER_IP_MAX)) continue
    for (const ip of ips) counts.set(ip, (counts.get(ip) ?? 0) + 1)
    chosen.push(peer)
  }
  return chosen
}

function publicIpsOf({ addresses }: KnownPeer): string[] {
  const ips = addresses.map(({ multiaddr }) => ipOf(multiaddr)).filter((ip) => ip !== undefined)
  return [...new Set(ips)].filter((ip) => !isLan(ip))
}

/** A peer of the peer store, as it is dialed. */
export function candidateOf({ id, addresses }: Pick<Peer, 'id' | 'addresses'>): Candidate {
  return { peerId: id, addresses: addresses.map(({ multiaddr }) => multiaddr) }
}

/** The particular before the general: a peer with a tag is also one of all. */
function goalsOf({ wanted = 0, perTag = {}, perProtocol = {} }: AutoDialOptions): Goal[] {
  const tags = Object.entries(perTag).map(([tag, count]): Goal => ({ count, fit: ({ tags: has }) => (has.has(tag) ? 2 : 0) }))
  const protocols = Object.entries(perProtocol).map(
    ([protocol, count]): Goal => ({ count, fit: ({ protocols: serves }) => (serves.includes(protocol) ? 2 : serves.length === 0 ? 1 : 0) }),
  )
  return [...tags, ...protocols, { count: wanted, fit: () => 2 }]
}

function missing({ count, fit }: Goal, connected: readonly KnownPeer[]): number {
  return count - connected.filter((peer) => fit(peer) === 2).length
}

function sumOfTags({ tags }: KnownPeer): number {
  return tags.values().reduce((sum, { value }) => sum + value, 0)
}

/** The peers that are dialed because some are missing. Holds the last list, and those that were dialed by it. */
export class AutoDial {
  #wants: { readonly missing: number; readonly members: ReadonlySet<PeerKey>; readonly queue: Candidate[] }[] = []
  /** Being dialed. As many as there are slots. */
  readonly #dialing = new Set<PeerKey>()
  /** Connected since the last list was made. */
  readonly #gained = new Set<PeerKey>()

  /** Takes the place of the last list. */
  want(wants: readonly PeerWant[]): void {
    this.#gained.clear()
    this.#wants = wants.map((want) => ({
      missing: want.missing,
      members: new Set(want.candidates.map(({ peerId }) => peerKey(peerId))),
      queue: [...want.candidates],
    }))
  }

  /** The next to be dialed. Undefined where enough are, or none of those that are known will do. */
  next(mayDial: (candidate: Candidate) => boolean): Candidate | undefined {
    for (const want of this.#wants) {
      const onTheWay = [...this.#dialing, ...this.#gained].filter((peer) => want.members.has(peer)).length
      if (onTheWay >= want.missing) continue
      for (let candidate = want.queue.shift(); candidate !== undefined; candidate = want.queue.shift()) {
        if (mayDial(candidate)) return candidate
      }
    }
    return undefined
  }

  began(peer: PeerKey): void {
    this.#dialing.add(peer)
  }

  /** A dial ended. Of one that is not of the list, nothing is changed. */
  ended(peer: PeerKey, isConnected: boolean): void {
    if (this.#dialing.delete(peer) && isConnected) this.#gained.add(peer)
  }
}
