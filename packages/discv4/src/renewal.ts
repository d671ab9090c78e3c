import { BoundedMap, type NodeRecord } from '@kumiko/interface'
import type { Reach } from '@kumiko/kademlia'
import { isTellable } from './neighbor.ts'
import type { Wire } from './wire.ts'

/** Nodes remembered whose records are of no use; the oldest are forgotten, and asked again. */
const USELESS_MAX = 1024

/** Gets nodes' own records. A record that says that its node is where it cannot be is not taken; the node stays known by its endpoint. */
export class Renewal {
  readonly #wire: Wire
  readonly #reach: Reach
  /** By node and endpoint, up to which sequence number its records are of no use, so that they are not asked for again and again. */
  readonly #useless = new BoundedMap<string, bigint>(USELESS_MAX)

  constructor(wire: Wire, reach: Reach) {
    this.#wire = wire
    this.#reach = reach
  }

  /** Pings a node. @returns Its newest record: the same where there is no newer one. Undefined where it does not answer. */
  async check(node: NodeRecord): Promise<NodeRecord | undefined> {
    const to = this.#reach.addressOf(node)
    const pong = to === undefined ? undefined : await this.#wire.ask(node, to, { type: 'ping' })
    return pong === undefined ? undefined : await this.renew(node, pong.enrSeq ?? 0n)
  }

  /**
   * The node's record with this sequence number, asked for where `node` is; or the node as it is where that is not newer, not to be had or of no use.
   *
   * @param knownSeq - Of the newest record that we have of it.
   */
  async renew(node: NodeRecord, enrSeq: bigint, knownSeq: bigint = node.seq): Promise<NodeRecord> {
    const to = this.#reach.addressOf(node)
    const key = `${node.nodeId}@${to?.ip}:${to?.port}`
    if (enrSeq <= knownSeq || enrSeq <= (this.#useless.get(key) ?? 0n)) return node
    const renewed = await this.fetch(node)
    if (renewed !== undefined && renewed.seq <= knownSeq) this.#useless.set(key, enrSeq)
    return renewed ?? node
  }

  /** Asks a node for its record. @returns The node as it is where the record is not newer or of no use; undefined where it does not answer. */
  async fetch(node: NodeRecord, signal?: AbortSignal): Promise<NodeRecord | undefined> {
    const to = this.#reach.addressOf(node)
    const answer = to === undefined ? undefined : await this.#wire.ask(node, to, { type: 'enrrequest' }, signal)
    if (to === undefined || answer === undefined) return undefined
    const { record } = answer
    const isUsable = record.seq > node.seq && this.#reach.endpointOf(record) !== undefined
    return isUsable && isTellable(to.ip, record.endpoints, this.#reach.allows) ? record : node
  }
}
