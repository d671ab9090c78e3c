import { checkRelayIp, distance, type NetList } from '@kumiko/identity'
import type { NodeEndpoint, NodeRecord } from '@kumiko/interface'
import type { NodesBody } from './message.ts'
import type { RecordCache } from './record-cache.ts'

/** § NODES: so many messages answer one FINDNODE at most; go-ethereum's limit, too. */
export const NODES_TOTAL_MAX = 5

/** Nodes that one FINDNODE is answered with at most. */
export const NODES_RESULT_MAX = 16

/** Ports up to here belong to the system's services: whoever names one means to aim us at them. */
const LOW_PORT_MAX = 1024

/** Why a record in an answer is not used. */
export type RecordRefusal = 'bad-record' | 'wrong-distance' | 'no-endpoint' | 'bad-relay' | 'low-port' | 'net-restricted' | 'repeated'

/** Whom was asked, and for what. */
export interface NodesQuestion {
  readonly node: NodeRecord
  /** The IP that the answers come from. */
  readonly ip: string
  readonly distances: readonly number[]
  readonly netRestrict: NetList | undefined
  readonly endpointOf: (node: NodeRecord) => NodeEndpoint | undefined
  readonly records: RecordCache
}

/** Collects what comes in answer to one FINDNODE, and checks each record. */
export class FoundNodes {
  readonly #question: NodesQuestion
  readonly #distances: ReadonlySet<number>
  readonly #nodes = new Map<string, NodeRecord>()
  #received = 0
  /** Messages awaited in all, as the first one says. */
  #total = 1

  constructor(question: NodesQuestion) {
    this.#question = question
    this.#distances = new Set(question.distances)
  }

  /** Any answer came. */
  get isAnswered(): boolean {
    return this.#received > 0
  }

  /** At most {@link NODES_RESULT_MAX}. */
  get nodes(): NodeRecord[] {
    return [...this.#nodes.values()]
  }

  /** All messages have come. A total of 0, or beyond {@link NODES_TOTAL_MAX}, keeps nobody waiting. */
  get isComplete(): boolean {
    return this.#received >= this.#total
  }

  /** @returns Why records were refused. */
  add({ total, records }: NodesBody): RecordRefusal[] {
    if (this.#received === 0) this.#total = Math.min(total, NODES_TOTAL_MAX)
    this.#received++
    const refusals: RecordRefusal[] = []
    for (const record of records.slice(0, NODES_RESULT_MAX)) {
      if (this.#nodes.size >= NODES_RESULT_MAX) break
      const node = this.#question.records.read(record)
      const refusal = node === undefined ? 'bad-record' : this.#refuse(node)
      if (refusal !== undefined) refusals.push(refusal)
      else if (node !== undefined) this.#nodes.set(node.nodeId, node)
    }
    return refusals
  }

  #refuse(node: NodeRecord): RecordRefusal | undefined {
    const { node: asked, ip, netRestrict, endpointOf } = this.#question
    if (!this.#distances.has(distance(asked.nodeId, node.nodeId))) return 'wrong-distance'
    if (this.#nodes.has(node.nodeId)) return 'repeated'
    const endpoint = endpointOf(node)
    // Of itself a node may tell that it knows no endpoint.
    if (endpoint?.udp === undefined) return node.nodeId === asked.nodeId ? undefined : 'no-endpoint'
    if (checkRelayIp(ip, endpoint.host) !== undefined) return 'bad-relay'
    if (endpoint.udp <= LOW_PORT_MAX) return 'low-port'
    return netRestrict === undefined || netRestrict.contains(endpoint.host) ? undefined : 'net-restricted'
  }
}
