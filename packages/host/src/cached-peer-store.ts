import { BoundedMap, type Clock, type Millis } from '@kumiko/interface'
import type { AbortOptions, ConsumePeerRecordOptions, Peer, PeerData, PeerId, PeerInfo, PeerQuery, PeerStore } from '@libp2p/interface'
import type { PersistentPeerStoreInit } from '@libp2p/peer-store'
import { changesNothing } from './peer-change.ts'

/** A peer is read from the store again after so long, at the latest: what comes of age in it is told so late. */
const LIFETIME_MS: Millis = 10_000
/** The store's own default for addresses; peers it keeps longer. */
const MAX_AGE_MS: Millis = 3_600_000
/** Peers that are held; the one that was held first goes. */
const PEERS_MAX = 256

/** What the cache is made with. */
export interface CachedPeerStoreInit {
  /** Whose entry is ours: it is read more often than written, and each write to it is done. */
  readonly self: PeerId
  readonly clock: Clock
  /** May the store drop addresses that it took before? Then a write of addresses is done even if it would change nothing. */
  readonly isFiltered: () => boolean
  /** 0 for none. */
  readonly lifetimeMs: Millis
}

interface Held {
  readonly peer: Peer
  readonly at: Millis
  /** The store was written for it, and not only read. */
  readonly isWritten: boolean
}

/** What is under way for one peer. */
interface Traffic {
  operations: number
  writes: number
  /** Counts writes that have begun. */
  version: number
}

/**
 * A peer store that has the last peers at hand. Each write goes to the store beneath and is acknowledged when that has done it; a `patch` or
 * `merge` of what was written a moment ago is not done again. While a peer is written, whoever reads it waits in the store's own queue.
 *
 * What a caller is given is its own, but for bytes: those are not to be written to.
 */
export class CachedPeerStore implements PeerStore {
  readonly [Symbol.toStringTag] = '@libp2p/peer-store'
  readonly #store: PeerStore
  readonly #init: CachedPeerStoreInit
  readonly #held = new BoundedMap<string, Held>(PEERS_MAX)
  /** Bounded by the operations under way. */
  readonly #traffic = new Map<string, Traffic>()

  constructor(store: PeerStore, init: CachedPeerStoreInit) {
    this.#store = store
    this.#init = init
  }

  async forEach(fn: (peer: Peer) => void, query?: PeerQuery): Promise<void> {
    await this.#store.forEach(fn, query)
  }

  async all(query?: PeerQuery): Promise<Peer[]> {
    return await this.#store.all(query)
  }

  async delete(peerId: PeerId, options?: AbortOptions): Promise<void> {
    await this.#write(peerId, () => this.#store.delete(peerId, options))
  }

  async has(peerId: PeerId, options?: AbortOptions): Promise<boolean> {
    return this.#fresh(peerId, options) !== undefined || (await this.#store.has(peerId, options))
  }

  async get(peerId: PeerId, options?: AbortOptions): Promise<Peer> {
    const held = this.#fresh(peerId, options)
    if (held !== undefined) return copyOf(held.peer)
    return await this.#during(peerId, async (traffic) => {
      const { writes, version } = traffic
      const peer = await this.#store.get(peerId, options)
      if (writes === 0 && traffic.version === version) this.#hold(peer, false)
      return peer
    })
  }

  async getInfo(peerId: PeerId, options?: AbortOptions): Promise<PeerInfo> {
    const { id, addresses } = await this.get(peerId, options)
    return { id, multiaddrs: addresses.map(({ multiaddr }) => multiaddr) }
  }

  async save(peerId: PeerId, data: PeerData, options?: AbortOptions): Promise<Peer> {
    return await this.#change(peerId, () => this.#store.save(peerId, data, options))
  }

  async patch(peerId: PeerId, data: PeerData, options?: AbortOptions): Promise<Peer> {
    return this.#unchanged('patch', peerId, data, options) ?? (await this.#change(peerId, () => this.#store.patch(peerId, data, options)))
  }

  async merge(peerId: PeerId, data: PeerData, options?: AbortOptions): Promise<Peer> {
    return this.#unchanged('merge', peerId, data, options) ?? (await this.#change(peerId, () => this.#store.merge(peerId, data, options)))
  }

  async consumePeerRecord(record: Uint8Array, options?: ConsumePeerRecordOptions): Promise<boolean> {
    try {
      return await this.#store.consumePeerRecord(record, options)
    } finally {
      // Whose record it is, it says itself.
      this.#held.clear()
      for (const traffic of this.#traffic.values()) traffic.version += 1
    }
  }

  /** The peer as it is, where the data are in it already. */
  #unchanged(how: 'patch' | 'merge', peerId: PeerId, data: PeerData, options: AbortOptions | undefined): Peer | undefined {
    const held = this.#fresh(peerId, options)
    if (held?.isWritten !== true) return undefined
    const hasAddresses = data.addresses !== undefined || data.multiaddrs !== undefined
    if (hasAddresses && this.#init.isFiltered()) return undefined
    return changesNothing(how, held.peer, data) ? copyOf(held.peer) : undefined
  }

  async #change(peerId: PeerId, write: () => Promise<Peer>): Promise<Peer> {
    return await this.#write(peerId, write, (peer) => {
      // The store tells who writes to our own entry only some of its addresses, once they are old.
      if (!peerId.equals(this.#init.self)) this.#hold(peer, true)
    })
  }

  /** @param done - Hears of what was written, if nothing else has been meanwhile. */
  async #write<T>(peerId: PeerId, write: () => Promise<T>, done?: (written: T) => void): Promise<T> {
    return await this.#during(peerId, async (traffic) => {
      this.#held.delete(keyOf(peerId))
      traffic.writes += 1
      traffic.version += 1
      const { version } = traffic
      let written: T
      try {
        written = await write()
      } finally {
        traffic.writes -= 1
      }
      if (traffic.version === version && traffic.writes === 0) done?.(written)
      return written
    })
  }

  async #during<T>(peerId: PeerId, operate: (traffic: Traffic) => Promise<T>): Promise<T> {
    const key = keyOf(peerId)
    const traffic = this.#traffic.get(key) ?? { operations: 0, writes: 0, version: 0 }
    this.#traffic.set(key, traffic)
    traffic.operations += 1
    try {
      return await operate(traffic)
    } finally {
      traffic.operations -= 1
      if (traffic.operations === 0) this.#traffic.delete(key)
    }
  }

  #fresh(peerId: PeerId, options: AbortOptions | undefined): Held | undefined {
    const held = this.#held.get(keyOf(peerId))
    if (held === undefined || this.#isOld(held)) return undefined
    options?.signal?.throwIfAborted()
    return held
  }

  #isOld({ at }: Held): boolean {
    const { clock, lifetimeMs } = this.#init
    return clock.now() - at >= lifetimeMs
  }

  /** A peer with a tag that ends is read each time. */
  #hold(peer: Peer, isWritten: boolean): void {
    if (peer.tags.values().some((tag) => 'expiry' in tag && tag.expiry !== undefined)) return
    this.#held.set(keyOf(peer.id), { peer: copyOf(peer), at: this.#init.clock.now(), isWritten })
  }
}

/** How long peers of a store are held, whose addresses and peers come of age when these options say: short where that is soon. */
export function cacheLifetimeOf({ maxAddressAge = MAX_AGE_MS, maxPeerAge = MAX_AGE_MS }: PersistentPeerStoreInit): Millis {
  return Math.min(LIFETIME_MS, maxAddressAge / 100, maxPeerAge / 100)
}

/** Of what is none the store says so. */
function keyOf(peerId: PeerId): string {
  return String(peerId)
}

function copyOf(peer: Peer): Peer {
  return {
    ...peer,
    addresses: peer.addresses.map((address) => ({ ...address })),
    protocols: [...peer.protocols],
    metadata: new Map(peer.metadata),
    tags: new Map(peer.tags.entries().map(([name, tag]) => [name, { ...tag }])),
  }
}
