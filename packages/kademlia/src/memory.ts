import type { DiscoveryProtocol, Millis, NodeDatabase, NodeFacts, NodeId, NodeRecord } from '@kumiko/interface'

/** Where nodes are remembered, and as whose. */
export interface MemoryOptions {
  readonly protocol: DiscoveryProtocol
  readonly of: NodeDatabase
}

/** What happened with the nodes of a table, until it is written down. Bounded by the table: who leaves it is forgotten. */
export class Memory {
  readonly #facts = new Map<NodeId, NodeFacts>()

  /** A ping went out. */
  pinged(id: NodeId, now: Millis): void {
    this.#add(id, { lastPing: now })
  }

  /** The node answered whatever it was asked, where it is said to be. */
  answered(id: NodeId, now: Millis): void {
    this.#add(id, { lastPong: now, findFailures: 0 })
  }

  /** The node did not answer a query. */
  failed(id: NodeId): void {
    this.#add(id, { findFailures: (this.#facts.get(id)?.findFailures ?? 0) + 1 })
  }

  forget(id: NodeId): void {
    this.#facts.delete(id)
  }

  write(nodes: Iterable<NodeRecord>, { protocol, of }: MemoryOptions): void {
    for (const node of nodes) of.note(protocol, node, this.#facts.get(node.nodeId) ?? {})
  }

  #add(id: NodeId, facts: NodeFacts): void {
    this.#facts.set(id, { ...this.#facts.get(id), ...facts })
  }
}
