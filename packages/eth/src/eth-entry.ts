import { decodeRlp, encodeRlp, isRlpList } from '@kumiko/identity'
import type { EnrEntries, Fault, NodeRecord } from '@kumiko/interface'
import { type ForkId, forkIdItem, readForkId } from './fork-id.ts'

/** The entry of a node record that tells a node's fork id: `[[hash, next]]`. @see EIP-2124 § ENR, devp2p/enr-entries/eth.md */
export function ethEntry(id: ForkId): EnrEntries {
  return { eth: encodeRlp([forkIdItem(id)]) }
}

/**
 * The fork id that a node's record tells. What is behind it in the entry is left to later versions.
 *
 * @returns Undefined where there is no record or no such entry, or the fault `eth/bad-fork-id`.
 */
export function forkIdOf(node: NodeRecord): ForkId | Fault | undefined {
  const entry = node.entry('eth')
  if (entry === undefined) return undefined
  const items = decodeRlp(entry)
  return readForkId(isRlpList(items) ? items[0] : undefined)
}
