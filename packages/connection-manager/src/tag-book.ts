import { BoundedMap, type Millis } from '@kumiko/interface'
import { KEEP_ALIVE, type Peer, type PeerId, type PeerStore, type PeerUpdate, type Tag } from '@libp2p/interface'

/** A peer's tags in the peer store: the value of each, by name. */
export type Tags = ReadonlyMap<string, number>

const NONE: Tags = new Map()

/** Peers whose tags are known at most; beyond, the one that was heard of the longest time ago goes. */
const KNOWN_MAX = 16_384

/** What the tag book reads. */
export interface TagBookParts {
  readonly peerStore: () => PeerStore
  readonly events: () => Pick<EventTarget, 'addEventListener' | 'removeEventListener'>
  readonly now: () => Millis
}

/** A tag, as the peer store keeps it. */
interface KeptTag {
  readonly value: number
  /** `Infinity`: never. */
  readonly until: Millis
}

/** What peers are worth, by their tags. */
export class TagBook {
  readonly #parts: TagBookParts
  /** Peers with a tag, while they are followed. */
  readonly #known = new BoundedMap<string, ReadonlyMap<string, KeptTag>>(KNOWN_MAX)

  constructor(parts: TagBookParts) {
    this.#parts = parts
  }

  /** Reads the tags of each of these peers from the store, once. One that is not there, or cannot be read, has none. */
  async read(peers: readonly PeerId[]): Promise<(peer: PeerId) => Tags> {
    const found = new Map<string, Tags>()
    const { peerStore, now } = this.#parts
    await Promise.all(
      peers.map(async (peerId) => {
        const peer = await peerStore()
          .get(peerId)
          .catch(() => undefined)
        if (peer !== undefined && peer.tags.size > 0) found.set(peerId.toString(), valuesOf(keptOf(peer), now()))
      }),
    )
    return (peer) => found.get(peer.toString()) ?? NONE
  }

  /** Knows tags from now on, so that {@link tagsOf} tells them at once. What was known before is forgotten. */
  async follow(): Promise<void> {
    const { events, peerStore } = this.#parts
    this.#known.clear()
    events().addEventListener('peer:update', this.#onUpdate)
    const tagged = await peerStore().all({ filters: [({ tags }) => tags.size > 0] })
    for (const peer of tagged) if (!this.#known.has(peer.id.toString())) this.#note(peer)
  }

  unfollow(): void {
    this.#parts.events().removeEventListener('peer:update', this.#onUpdate)
  }

  /** The tags of a peer, as far as they are followed. */
  tagsOf(peer: PeerId): Tags {
    const kept = this.#known.get(peer.toString())
    return kept === undefined ? NONE : valuesOf(kept, this.#parts.now())
  }

  readonly #onUpdate = (event: Event): void => {
    if (event instanceof CustomEvent && isUpdate(event.detail)) this.#note(event.detail.peer)
  }

  #note(peer: Peer): void {
    const key = peer.id.toString()
    if (peer.tags.size === 0) this.#known.delete(key)
    else this.#known.set(key, keptOf(peer))
  }
}

/** The sum of the values. */
export function sumOf(tags: Tags): number {
  return tags.values().reduce((sum, value) => sum + value, 0)
}

/** Tells whether a peer is to be kept connected: tagged `keep-alive`, or `keep-alive-…`. */
export function isKept(tags: Tags): boolean {
  return tags.keys().some((name) => name.startsWith(KEEP_ALIVE))
}

function keptOf({ tags }: Peer): ReadonlyMap<string, KeptTag> {
  return new Map(tags.entries().map(([name, tag]) => [name, { value: tag.value, until: untilOf(tag) }]))
}

/** The store's tags know when they end, which their type does not say. */
function untilOf(tag: Tag): Millis {
  return 'expiry' in tag && typeof tag.expiry === 'bigint' ? Number(tag.expiry) : Number.POSITIVE_INFINITY
}

function valuesOf(tags: ReadonlyMap<string, KeptTag>, now: Millis): Tags {
  return new Map(tags.entries().flatMap(([name, { value, until }]) => (until <= now ? [] : [[name, value] as const])))
}

function isUpdate(detail: unknown): detail is PeerUpdate {
  return typeof detail === 'object' && detail !== null && 'peer' in detail
}
