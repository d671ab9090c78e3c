import type { DiscoveryProtocol } from '@kumiko/interface'
import type { Case } from '../case.ts'
import { eventually } from '../converse-nodes.ts'
import type { AnyNode, ForeignNode } from '../foreign-node.ts'
import { startChainsafeNode, startEjsNode, startGoNode } from '../foreign-nodes.ts'
import { withoutGo } from '../go-build.ts'
import { type OurNode, startOurNode } from '../our-node.ts'
import { startSeveral } from '../several.ts'

const OF_EACH = 3
const OURS = 6
/** All know all well within this. */
const FORMING_MS = 60_000

interface Network {
  readonly ours: readonly OurNode[]
  readonly go: readonly ForeignNode[]
  readonly chainsafe: readonly ForeignNode[]
  readonly ejs: readonly ForeignNode[]
}

/** One network of all implementations, that is entered through one node of ours. */
export const mixedNetworkCases: readonly Case[] = [
  {
    name: 'kumiko ↔ go, ejs, chainsafe: a network of 6 of ours and 3 of each, where every lookup finds all',
    deadlineMs: 180_000,
    prepare: withoutGo,
    run: async () => {
      await using bootnode = await startOurNode()
      await using ours = await startSeveral(OURS - 1, () => startOurNode({ bootnodes: [bootnode.record ?? ''] }))
      await using go = await startSeveral(OF_EACH, () => startGoNode({ bootnodes: [bootnode.record ?? ''], pingMs: 300 }))
      await using chainsafe = await startSeveral(OF_EACH, () => startChainsafeNode({ bootnodes: [bootnode.record ?? ''] }))
      await using ejs = await startSeveral(OF_EACH, () => startEjsNode({ bootnodes: [bootnode.enode] }))
      await allFindAll({ ours: [bootnode, ...ours.nodes], go: go.nodes, chainsafe: chainsafe.nodes, ejs: ejs.nodes })
      return undefined
    },
  },
]

/** Every lookup by our nodes and by go-ethereum's, each for another node, finds all that serve the protocol. */
async function allFindAll({ ours, go, chainsafe, ejs }: Network): Promise<void> {
  const serving: Readonly<Record<DiscoveryProtocol, readonly AnyNode[]>> = {
    discv4: [...ours, ...go, ...ejs],
    discv5: [...ours, ...go, ...chainsafe],
  }
  for (const protocol of ['discv4', 'discv5'] as const) {
    for (const [index, node] of [...ours, ...go].entries()) {
      const missing = new Set<string>()
      const others = serving[protocol].filter(({ id }) => id !== node.id)
      const target = others[index % others.length]?.id ?? ''
      const findsAll = async (): Promise<boolean> => {
        const found = await node.lookup(protocol, target)
        missing.clear()
        for (const { id } of others) if (!found.includes(id)) missing.add(id)
        return missing.size === 0
      }
      await eventually(`${protocol}: node ${index} finds all`, findsAll, FORMING_MS).catch((error: Error) => {
        throw new Error(`${error.message}, but not ${serving[protocol].flatMap(({ id }, at) => (missing.has(id) ? [at] : [])).join(', ')}`)
      })
    }
  }
}
