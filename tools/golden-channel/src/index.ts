import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where the recordings are: `network.json` explains them. */
export const GOLDEN: string = join(import.meta.dirname, '../fixtures')

/** Blocks 0–53 were recorded. */
export const GOLDEN_HEIGHT = 54

/** What the real peer made of a transaction. */
export interface GoldenTransaction {
  readonly index: number
  readonly txId: string
  /** `HeaderType` of its channel header. */
  readonly type: number
  readonly validationCode: number
  readonly validationName: string
}

/** What the real peer made of a block. Hashes in hex. */
export interface GoldenBlock {
  readonly number: number
  readonly headerHash: string
  readonly previousHash: string
  readonly dataHash: string
  /** Null for block 0. */
  readonly commitHash: string | null
  /** The validation codes, a byte each, in hex. */
  readonly txFilter: string
  readonly txs: readonly GoldenTransaction[]
}

/** The bytes of a recorded file. @param path - Under {@link GOLDEN}. */
export function goldenFile(path: string): Uint8Array {
  return new Uint8Array(readFileSync(join(GOLDEN, path)))
}

/** A recorded JSON file, as it is: `expected.json`, `private-data.json`. */
export function goldenJson(path: string): unknown {
  return JSON.parse(readFileSync(join(GOLDEN, path), 'utf8'))
}

/** A block as the peer delivered it, with all of its metadata. */
export function peerBlock(number: number): Uint8Array {
  return goldenFile(`blocks/block_${number}.block`)
}

/** The same block as the orderer delivered it: validation codes and commit hash are empty. */
export function ordererBlock(number: number): Uint8Array {
  return goldenFile(`orderer-blocks/block_${number}.block`)
}

/** What the real peer made of each block. */
export function goldenBlocks(): readonly GoldenBlock[] {
  // The recordings do not change.
  return (goldenJson('expected.json') as { readonly blocks: readonly GoldenBlock[] }).blocks
}
