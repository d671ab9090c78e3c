import { isFault, type NodeRecord } from '@kumiko/interface'
import type { Chain, ChainHead } from './chain.ts'
import { forkIdOf } from './eth-entry.ts'
import { ForkIds } from './fork-ids.ts'

/**
 * Tells nodes that may be on a chain from others, by the fork id in their records: what a capability's `accepts` and DNS discovery's `filter` take.
 * As in go-ethereum, a node without an `eth` entry is refused, and so is one that is known without a record.
 *
 * @param head - Ours, asked for each time. A node without a chain gives `syncedHead(clock.now())`; the first block's head accepts stale nodes, too.
 * @throws KumikoError `eth/bad-chain`.
 */
export function forkFilter(chain: Chain, head: () => ChainHead): (node: NodeRecord) => boolean {
  const ids = new ForkIds(chain)
  return (node) => {
    const id = forkIdOf(node)
    return id !== undefined && !isFault(id) && ids.check(id, head()) === undefined
  }
}
