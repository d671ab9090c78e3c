import { type Fault, isFault } from '@kumiko/interface'
import type { Block } from './block.ts'
import { openEnvelope, readChannelHeader } from './envelope.ts'
import { type ChannelHeader, HeaderType } from './header.ts'

/**
 * The header of a block's first transaction: it tells the block's channel. Fabric looks at no other part of it: what else is wrong with it makes
 * the transaction invalid, not the block.
 * @returns `fabric-protocol/empty-block`, `…/bad-envelope`, `…/bad-payload`, `…/bad-common-header`.
 * @see Fabric `protoutil/blockutils.go` GetChannelIDFromBlock
 */
export function firstChannelHeader({ data: [first], header: { number } }: Block): ChannelHeader | Fault {
  if (first === undefined) return { fault: 'fabric-protocol/empty-block', detail: `block ${number} has no transaction` }
  const payload = openEnvelope(first)
  return isFault(payload) ? payload : readChannelHeader(payload)
}

/** Is a block of one transaction that configures the channel? Then what follows it is judged by another configuration. */
export function isConfigBlock(block: Block): boolean {
  if (block.data.length !== 1) return false
  const header = firstChannelHeader(block)
  return !isFault(header) && (header.type === HeaderType.config || header.type === HeaderType.ordererTransaction)
}
