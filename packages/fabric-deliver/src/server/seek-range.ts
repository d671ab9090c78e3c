import type { SeekPosition } from '@kumiko/fabric-protocol'
import type { SeekInfo } from '../seek.ts'

/** The height of a chain, and where it begins. */
export interface Chain {
  readonly height: bigint
  readonly firstBlock: bigint
}

/** The blocks that are sought. */
export interface SeekRange {
  readonly first: bigint
  readonly last: bigint
}

/** Why there are none. */
export type SeekRefusal = 'bad-request' | 'not-found'

/**
 * What a seek asks for, of a chain as it is now.
 * @see Fabric `common/ledger/blockledger/fileledger/impl.go` Iterator, `common/deliver/deliver.go` deliverBlocks
 */
export function seekRange({ start, stop }: Pick<SeekInfo, 'start' | 'stop'>, chain: Chain): SeekRange | SeekRefusal {
  if (start === undefined || stop === undefined) return 'bad-request'
  const first = firstOf(start, chain)
  const last = lastOf(start, stop, first ?? 0n, chain)
  if (last < (first ?? 0n) && stop.specified !== undefined) return 'bad-request'
  return first === undefined ? 'not-found' : { first, last }
}

/** @returns Undefined where there is, and will be, no such block. */
function firstOf(start: SeekPosition, { height, firstBlock }: Chain): bigint | undefined {
  const first = positionOf(start, height, firstBlock)
  return first === undefined || first > height || first < firstBlock ? undefined : first
}

function positionOf({ oldest, newest, specified, nextCommit }: SeekPosition, height: bigint, firstBlock: bigint): bigint | undefined {
  if (oldest !== undefined) return 0n
  // Of a ledger that has no block but what its snapshot tells of: the next one.
  if (newest !== undefined) return height === firstBlock ? height : height - 1n
  if (specified !== undefined) return specified.number
  return nextCommit === undefined ? undefined : height
}

function lastOf(start: SeekPosition, { oldest, newest, specified }: SeekPosition, first: bigint, { height }: Chain): bigint {
  if (oldest !== undefined) return first
  if (newest !== undefined) return start.newest === undefined ? height - 1n : first
  // A stop that says nothing, or `nextCommit`, is block 0 for Fabric: one that has gone by.
  return specified?.number ?? 0n
}
