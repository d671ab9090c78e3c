import { stackOf } from '@kumiko/identity'
import type { AbortOptions, ConsumePeerRecordOptions, Peer, PeerData, PeerId, PeerInfo, PeerQuery, PeerStore } from '@libp2p/interface'
import type { OwnRecord } from './own-record.ts'

/**
 * The peer store as libp2p's modules see it: without `/rlpx` addresses, which they would pass on to nodes that cannot decode them (kad-dht's
 * answers), and which stay where they replace a peer's addresses by those that it told (identify). Our own entry has our signed record, which
 * identify would sign for each who asks; it is not kept.
 */
export class Libp2pPeerStore implements PeerStore {
  readonly #store: PeerStore
  readonly #self: PeerId
  readonly #ownRecord: Pick<OwnRecord, 'envelope'>

  constructor(store: PeerStore, self: PeerId, ownRecord: Pick<OwnRecord, 'envelope'>) {
    this.#store = store
    this.#self = self
    this.#ownRecord = ownRecord
  }

  async forEach(fn: (peer: Peer) => void, query?: PeerQuery): Promise<void> {
    await this.#store.forEach((peer) => void fn(libp2pOf(peer)), query)
  }

  async all(query?: PeerQuery): Promise<Peer[]> {
    return (await this.#store.all(query)).map(libp2pOf)
  }

  async delete(peerId: PeerId, options?: AbortOptions): Promise<void> {
    await this.#store.delete(peerId, options)
  }

  async has(peerId: PeerId, options?: AbortOptions): Promise<boolean> {
    return await this.#store.has(peerId, options)
  }

  async get(peerId: PeerId, options?: AbortOptions): Promise<Peer> {
    const peer = libp2pOf(await this.#store.get(peerId, options))
    if (peer.peerRecordEnvelope !== undefined || !peerId.equals(this.#self)) return peer
    const peerRecordEnvelope = await this.#ownRecord.envelope()
    return peerRecordEnvelope === undefined ? peer : { ...peer, peerRecordEnvelope }
  }

  async getInfo(peerId: PeerId, options?: AbortOptions): Promise<PeerInfo> {
    const { id, multiaddrs } = await this.#store.getInfo(peerId, options)
    return { id, multiaddrs: multiaddrs.filter((address) => stackOf(address) === 'libp2p') }
  }

  async save(peerId: PeerId, data: PeerData, options?: AbortOptions): Promise<Peer> {
    return libp2pOf(await this.#store.save(peerId, await this.#withRlpx(peerId, data, options), options))
  }

  async patch(peerId: PeerId, data: PeerData, options?: AbortOptions): Promise<Peer> {
    return libp2pOf(await this.#store.patch(peerId, await this.#withRlpx(peerId, data, options), options))
  }

  async merge(peerId: PeerId, data: PeerData, options?: AbortOptions): Promise<Peer> {
    return libp2pOf(await this.#store.merge(peerId, data, options))
  }

  async consumePeerRecord(record: Uint8Array, options: ConsumePeerRecordOptions = {}): Promise<boolean> {
    const { expectedPeer } = options
    const before = expectedPeer === undefined ? [] : await this.#rlpxOf(expectedPeer, options)
    const isNew = await this.#store.consumePeerRecord(record, options)
    if (expectedPeer !== undefined && before.length > 0) await this.#store.merge(expectedPeer, { addresses: before }, options)
    return isNew
  }

  /** What is to replace a peer's data, with the addresses that whoever replaces it cannot see. */
  async #withRlpx(peerId: PeerId, data: PeerData, options: AbortOptions | undefined): Promise<PeerData> {
    if (data.addresses === undefined && data.multiaddrs === undefined) return data
    const unseen = await this.#rlpxOf(peerId, options)
    return unseen.length === 0 ? data : { ...data, addresses: [...(data.addresses ?? []), ...unseen] }
  }

  async #rlpxOf(peerId: PeerId, options: AbortOptions | undefined): Promise<Peer['addresses']> {
    if (!(await this.#store.has(peerId, options))) return []
    const { addresses } = await this.#store.get(peerId, options)
    return addresses.filter(({ multiaddr }) => stackOf(multiaddr) === 'rlpx')
  }
}

function libp2pOf(peer: Peer): Peer {
  const addresses = peer.addresses.filter(({ multiaddr }) => stackOf(multiaddr) === 'libp2p')
  return addresses.length === peer.addresses.length ? peer : { ...peer, addresses }
}
