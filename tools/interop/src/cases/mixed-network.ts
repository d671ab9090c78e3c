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

/** Every lookup, each for another node, finds all that serve the protocol; @ethereumjs/devp2p, which has no lookups, has them in its tables. */
async function allFindAll({ ours, go, chainsafe, ejs }: Network): Promise<void> {
  const v4 = [...ours, ...go, ...ejs]
  const v5 = [...ours, ...go, ...chainsafe]
  await Promise.all([...ours, ...go].map((node) => findsAll('discv4', node, v4)))
  await Promise.all(ejs.map((node) => hears('discv4', node, v4, () => node.table('discv4'))))
  await Promise.all(v5.map((node) => findsAll('discv5', node, v5)))
}

async function findsAll(protocol: DiscoveryProtocol, node: AnyNode, all: readonly AnyNode[]): Promise<void> {
  const target = all[(all.indexOf(node) + 1) % all.length]?.id ?? ''
  await hears(protocol, node, all, () => node.lookup(protocol, target))
}

/** Waits until a node hears of all others. @throws Error naming those of which it does not, by their places in `all`. */
async function hears(
  protocol: DiscoveryProtocol,
  node: AnyNode,
  all: readonly AnyNode[],
  ask: () => Promise<readonly string[]>,
): Promise<void> {
  let missing: readonly number[] = []
  const hearsAll = async (): Promise<boolean> => {
    const heard = await ask()
    missing = all.flatMap(({ id }, place) => (id === node.id || heard.includes(id) ? [] : [place]))
    return missing.length === 0
  }
  await eventually(`${protocol}: node ${all.indexOf(node)} hears of all`, hearsAll, FORMING_MS).catch((error: Error) => {
    throw new Error(`${error.message}, but not of ${missing.join(', ')}`)
  })
}
