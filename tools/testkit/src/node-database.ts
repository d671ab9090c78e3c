import type { Clock, DiscoveryProtocol, NodeDatabase, NodeId, Random, RememberedNode } from '@kumiko/interface'

/** What a {@link memoryNodeDatabase} needs. */
export interface MemoryNodeDatabaseOptions {
  readonly clock: Clock
  readonly random: Random
}

/** A node database for tests: it holds what it was told until it is dropped. A datastore offers it under `nodeDatabaseSymbol`. */
export function memoryNodeDatabase({ clock, random }: MemoryNodeDatabaseOptions): NodeDatabase {
  const known: Readonly<Record<DiscoveryProtocol, Map<NodeId, RememberedNode>>> = { discv4: new Map(), discv5: new Map() }
  return {
    note(protocol, node, facts) {
      const before = known[protocol].get(node.nodeId)
      const newest = before !== undefined && before.node.seq > node.seq ? before.node : node
      known[protocol].set(node.nodeId, { ...before, ...facts, node: newest })
    },
    get: async (protocol, id) => known[protocol].get(id),
    async seeds(protocol, count, ageMaxMs) {
      const oldest = clock.now() - ageMaxMs
      const fit = [...known[protocol].values()].filter(({ lastPong = Number.NEGATIVE_INFINITY }) => lastPong >= oldest)
      const seeds = fit.map(({ node }) => ({ node, rank: random() })).sort((a, b) => a.rank - b.rank)
      return seeds.slice(0, count).map(({ node }) => node)
    },
  }
}
