import { type BlockHeader, blockHash, toHex, validationCodeName } from '@kumiko/fabric-protocol'

/** A block that was committed. */
export interface StoredBlock {
  readonly header: BlockHeader
  /** A validation code each. */
  readonly codes: Uint8Array
  /** Undefined in block 0. */
  readonly commitHash: Uint8Array | undefined
}

/** For machines: hashes in hex, null for no commit hash. */
export function blockFields({ header, ...outcome }: StoredBlock): Readonly<Record<string, unknown>> {
  return { number: Number(header.number), headerHash: toHex(blockHash(header)), ...outcomeFields(outcome) }
}

/** What came of a block, as {@link blockFields} has it. */
export function outcomeFields({ codes, commitHash }: Omit<StoredBlock, 'header'>): Readonly<Record<string, unknown>> {
  return { commitHash: commitHash === undefined ? null : toHex(commitHash), codes: [...codes] }
}

/** For a person: `block 8  commit hash 8e2d8068…  2 VALID, 1 MVCC_READ_CONFLICT`. */
export function blockText({ header, codes, commitHash }: StoredBlock): string {
  const hash = commitHash === undefined ? 'none' : toHex(commitHash)
  return `block ${header.number}  commit hash ${hash.padEnd(64)}  ${codesText(codes)}`
}

/** `2 VALID, 1 MVCC_READ_CONFLICT`: the most frequent first. */
export function codesText(codes: Uint8Array): string {
  const counts = new Map<number, number>()
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1)
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([code, count]) => `${count} ${validationCodeName(code) ?? `code ${code}`}`)
    .join(', ')
}
