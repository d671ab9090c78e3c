import { encodeRlp, isRlpBytes, isRlpList, type RlpInput, type RlpItem, rlpBigUint } from '@kumiko/identity'
import type { Fault } from '@kumiko/interface'

/** Which chain a node is on, and which of its forks it has passed. @see EIP-2124 */
export interface ForkId {
  /** CRC-32 of the genesis hash and of all forks passed, as an unsigned 32-bit number. */
  readonly hash: number
  /** Block or time of the next fork that the node knows of, any uint64; 0n where it knows of none. */
  readonly next: bigint
}

/** RLP of a fork id. */
export function encodeForkId(id: ForkId): Uint8Array {
  return encodeRlp(forkIdItem(id))
}

/** A fork id as part of a larger item: of the record's entry, of a Status. */
export function forkIdItem({ hash, next }: ForkId): RlpInput {
  return [Uint8Array.of(hash >>> 24, hash >>> 16, hash >>> 8, hash), next]
}

/** Reads a fork id. @returns The id, or the fault `eth/bad-fork-id`. */
export function readForkId(item: RlpItem | Fault | undefined): ForkId | Fault {
  if (!isRlpList(item) || item.length !== 2) return badForkId('not a list of two')
  const [hash, next] = [item[0], rlpBigUint(item[1], 8)]
  if (!isRlpBytes(hash) || hash.length !== 4) return badForkId('the hash is not 4 bytes')
  return next === undefined ? badForkId('the next fork is no uint64') : { hash: hash.reduce((sum, byte) => sum * 256 + byte, 0), next }
}

function badForkId(detail: string): Fault {
  return { fault: 'eth/bad-fork-id', detail }
}
