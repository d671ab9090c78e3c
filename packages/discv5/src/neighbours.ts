import { distance, toHex } from '@kumiko/identity'
import type { Identity, NodeId, NodeRecord, Random } from '@kumiko/interface'
import { type LookupTarget, type NeighbourProtocol, newest, type Reach } from '@kumiko/kademlia'
import type { RequestBody } from './message.ts'
import type { ReplyTo, Wire } from './wire.ts'

/** Distances asked for in a lookup: where nodes near the target are, seen from the one that is asked. */
const LOOKUP_DISTANCES = 3

/** Of an id of 256 bits. */
const DISTANCE_MAX = 256

/** What {@link Neighbours} are asked by. */
export interface NeighboursOptions {
  readonly identity: Pick<Identity, 'nodeId' | 'record'>
  readonly wire: Wire
  readonly reach: Reach
  readonly random: Random
}

/** Asks for the table and for lookups. Never rejects: a node that too much is asked of already counts as silent. */
export class Neighbours implements NeighbourProtocol<LookupTarget> {
  readonly self: LookupTarget
  readonly #options: NeighboursOptions

  constructor(options: NeighboursOptions) {
    this.self = { id: options.identity.nodeId }
    this.#options = options
  }

  randomTarget(): LookupTarget {
    return { id: toHex(Uint8Array.from({ length: 32 }, () => this.#options.random() * 256)) }
  }

  async ping(node: NodeRecord): Promise<NodeRecord | undefined> {
    const pong = await this.#ask<'ping'>(node, { type: 'ping', enrSeq: this.#options.identity.record.seq })
    if (pong === undefined) return undefined
    if (pong.enrSeq <= node.seq) return node
    const own = await this.#ask<'findnode'>(node, { type: 'findnode', distances: [0] })
    return newest(node, own?.nodes[0])
  }

  async findNodes(node: NodeRecord, { id }: LookupTarget): Promise<readonly NodeRecord[] | undefined> {
    return (await this.#ask<'findnode'>(node, { type: 'findnode', distances: distancesTo(id, node.nodeId) }))?.nodes
  }

  async #ask<T extends RequestBody['type']>(node: NodeRecord, body: Extract<RequestBody, { type: T }>): Promise<ReplyTo<T> | undefined> {
    const to = this.#options.reach.addressOf(node)
    return to === undefined ? undefined : await this.#options.wire.ask<T>(node, to, body).catch(() => undefined)
  }
}

/** Where nodes near a target are, seen from a node: its distance to the target, and the next ones up and down. */
function distancesTo(target: NodeId, id: NodeId): number[] {
  const at = distance(target, id)
  const nearby = [at, at + 1, at - 1, at + 2, at - 2]
  return nearby.filter((distance) => distance > 0 && distance <= DISTANCE_MAX).slice(0, LOOKUP_DISTANCES)
}
