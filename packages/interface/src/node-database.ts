import type { Millis } from './clock.ts'
import type { NodeId, NodeRecord } from './node.ts'

/** Which discovery knows a node: a node may run but one of them. */
export type DiscoveryProtocol = 'discv4' | 'discv5'

/** What happened with a node, as far as it is known. Points in time on the system clock. */
export interface NodeFacts {
  readonly lastPing?: Millis
  readonly lastPong?: Millis
  /** Queries in a row that it did not answer. */
  readonly findFailures?: number
}

/** A node that is remembered. */
export interface RememberedNode extends NodeFacts {
  readonly node: NodeRecord
}

/** What is remembered of nodes from one run to the next. */
export interface NodeDatabase {
  /**
   * Notes facts; those not given stay as they are. A record replaces one whose sequence number is not higher. `get` and `seeds` know of it
   * at once; it is written with others soon after, by the stop at the latest. Never throws.
   */
  note(protocol: DiscoveryProtocol, node: NodeRecord, facts: NodeFacts): void
  /** Undefined where the node is not known, or not by this protocol. */
  get(protocol: DiscoveryProtocol, id: NodeId): Promise<RememberedNode | undefined>
  /** Nodes picked at random among those whose last pong is at most so old. Never rejects: a database that fails gives none. */
  seeds(protocol: DiscoveryProtocol, count: number, ageMaxMs: Millis): Promise<NodeRecord[]>
}

/** Where a datastore offers its {@link NodeDatabase}. */
export const nodeDatabaseSymbol: unique symbol = Symbol.for('@kumiko/node-database')

/** The node database of a node's datastore; undefined where the datastore has none. */
export function nodeDatabaseOf(components: { readonly datastore?: unknown }): NodeDatabase | undefined {
  const { datastore } = components
  if (typeof datastore !== 'object' || datastore === null || !(nodeDatabaseSymbol in datastore)) return undefined
  return datastore[nodeDatabaseSymbol] as NodeDatabase
}
