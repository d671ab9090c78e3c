import type { Millis } from '@kumiko/interface'

/** A change of a chain's rules: from a block on, or from a time on. */
export type Fork =
  /** `block`: its height. */
  | { readonly name: string; readonly block: number }
  /** `time`: of the first block that it holds for, in seconds since 1970. */
  | { readonly name: string; readonly time: number }

/** What tells one chain from another. */
export interface Chain {
  /** Hash of the first block, 64 hex digits. */
  readonly genesisHash: string
  /** Of the first block, in seconds since 1970. */
  readonly genesisTime: number
  /** In any order. Those that hold from the first block on need not be among them: they make no difference. */
  readonly forks: readonly Fork[]
}

/** How far a node has come in its chain. */
export interface ChainHead {
  /** Height of its newest block. */
  readonly block: number
  /** Of its newest block, in seconds since 1970. */
  readonly time: number
}

/** The head of a node that has everything of a proof-of-stake network, for one who has no chain: beyond all forks by block. */
export function syncedHead(now: Millis): ChainHead {
  return { block: Number.MAX_SAFE_INTEGER, time: Math.floor(now / 1000) }
}
