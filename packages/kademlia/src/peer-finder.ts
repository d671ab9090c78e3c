import { curve, keccak256, publicKeyOf } from '@kumiko/identity'
import { BoundedMap, type NodeId, type NodeRecord } from '@kumiko/interface'
import {
  type AbortOptions,
  NotFoundError,
  type PeerDiscovery,
  type PeerDiscoveryEvents,
  type PeerId,
  type PeerInfo,
  type PeerRouting,
  peerDiscoverySymbol,
  peerRoutingSymbol,
  type RoutingOptions,
} from '@libp2p/interface'
import { peerIdFromMultihash } from '@libp2p/peer-id'
import { TypedEventEmitter } from 'main-event'
import { decode } from 'multiformats/hashes/digest'

/** Nodes told of are remembered, so that they are told of once a record; the oldest are forgotten. */
const TOLD_MAX = 10_000

/** By these libp2p sees what it is. Apart from the class, whose declaration has plain names only (`isolatedDeclarations`); its constructor defines both. */
export interface PeerFinder {
  readonly [peerDiscoverySymbol]: PeerDiscovery
  readonly [peerRoutingSymbol]: PeerRouting
}

/** What a discovery is to libp2p: it tells of peers as they are met, and finds those that are asked for. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the constructor defines what the interface declares.
export abstract class PeerFinder extends TypedEventEmitter<PeerDiscoveryEvents> implements PeerDiscovery, PeerRouting {
  /** Sequence number of each record told of, by node id. */
  readonly #told = new BoundedMap<NodeId, bigint>(TOLD_MAX)

  constructor() {
    super()
    Object.defineProperties(this, { [peerDiscoverySymbol]: { value: this }, [peerRoutingSymbol]: { value: this } })
  }

  /** @throws `NotFoundError` where it is not among the nearest nodes, or known without an address · the signal's reason · what a lookup throws. */
  async findPeer(peerId: PeerId, options: RoutingOptions = {}): Promise<PeerInfo> {
    const publicKey = expandedKeyOf(peerId)
    const node = publicKey === undefined ? undefined : await this.locate(publicKey, options)
    const info = node === undefined ? undefined : this.#infoOf(node)
    if (info === undefined || info.multiaddrs.length === 0) throw new NotFoundError(`no node with an address has the PeerId ${peerId}`)
    return info
  }

  /** @param key - A PeerId's multihash, or anything else, whose hash is then the target. */
  async *getClosestPeers(key: Uint8Array, options: RoutingOptions = {}): AsyncGenerator<PeerInfo> {
    for (const node of await this.closestTo(targetKey(key), options)) yield this.#infoOf(node)
  }

  /** The newest that can be learned of a node; undefined where it cannot be found. @param publicKey - 64 bytes, x‖y. */
  protected abstract locate(publicKey: Uint8Array, options: AbortOptions): Promise<NodeRecord | undefined>

  /** Nodes nearest to a target, nearest first. @param publicKey - 64 bytes, whose keccak-256 is the target; not always a point of the curve. */
  protected abstract closestTo(publicKey: Uint8Array, options: AbortOptions): Promise<readonly NodeRecord[]>

  /** Where libp2p connects to a node. Default: its RLPx addresses. */
  protected multiaddrsOf(node: NodeRecord): PeerInfo['multiaddrs'] {
    return [...node.addresses]
  }

  /** Tells of a node as a peer, once for each of its records, if it takes connections. */
  protected tell(node: NodeRecord): void {
    if (this.#told.get(node.nodeId) === node.seq) return
    const info = this.#infoOf(node)
    if (info.multiaddrs.length === 0) return
    this.#told.set(node.nodeId, node.seq)
    this.safeDispatchEvent('peer', { detail: info })
  }

  /** Every node is told of anew. */
  protected forgetTold(): void {
    this.#told.clear()
  }

  #infoOf(node: NodeRecord): PeerInfo {
    return { id: node.peerId, multiaddrs: this.multiaddrsOf(node) }
  }
}

/** 64 bytes; undefined for a PeerId of another kind of key. */
function expandedKeyOf(peerId: PeerId): Uint8Array | undefined {
  const compressed = publicKeyOf(peerId)
  return compressed === undefined ? undefined : curve.expand(compressed)
}

function targetKey(key: Uint8Array): Uint8Array {
  const first = keccak256(key)
  return expandedKeyIn(key) ?? new Uint8Array([...first, ...keccak256(first)])
}

function expandedKeyIn(multihash: Uint8Array): Uint8Array | undefined {
  try {
    return expandedKeyOf(peerIdFromMultihash(decode(multihash)))
  } catch {
    return undefined
  }
}
