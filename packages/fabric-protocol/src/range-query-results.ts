import { KumikoError } from '@kumiko/interface'
import { sha256 } from './hash.ts'
import { type KVRead, QueryReads, type QueryReadsMerkleSummary, RangeQueryInfo } from './read-write-set.ts'

/** Fabric hashes the results of a range query once there are more than this. */
export const RANGE_QUERY_DEGREE_MAX = 50

/** What a range query's results come down to: the reads where they are few, else hashes of them. */
export type RangeQuerySummary = { readonly rawReads: readonly KVRead[] } | { readonly readsMerkleHashes: QueryReadsMerkleSummary }

/**
 * A range query as a simulation records it: neither reads nor hashes where nothing was read.
 * @param range - `endKey` is the end asked for where the iterator was exhausted, else the last key read.
 */
export function rangeQueryInfo(
  range: Pick<RangeQueryInfo, 'startKey' | 'endKey' | 'itrExhausted'>,
  summary: RangeQuerySummary,
): RangeQueryInfo {
  if ('readsMerkleHashes' in summary) return RangeQueryInfo.create({ ...range, ...summary })
  return RangeQueryInfo.create(summary.rawReads.length === 0 ? range : { ...range, rawReads: { kvReads: summary.rawReads } })
}

/**
 * Takes the results of a range query one at a time, and keeps them small: `degree + 1` reads are hashed to a leaf, `degree + 1` hashes to
 * one of the level above, and so on. Holds at most `degree` reads and `degree` hashes for each level.
 *
 * The shape is Fabric's and no usual Merkle tree: a level's last group may be smaller, and a lone hash moves up as it is.
 * @see Fabric `core/ledger/kvledger/txmgmt/rwsetutil/query_results_helper.go`
 */
export class RangeQueryResults {
  readonly #degree: number
  /** Hashes by level, leaves first; never empty. */
  readonly #levels: Uint8Array[][] = [[]]
  #pending: KVRead[] = []

  /** @param degree - 2 or more; validation takes that of the summary it compares with. @throws KumikoError `fabric-protocol/bad-degree`. */
  constructor(degree: number = RANGE_QUERY_DEGREE_MAX) {
    if (degree < 2) throw new KumikoError('fabric-protocol/bad-degree', `a degree is 2 or more, not ${degree}`)
    this.#degree = degree
  }

  /** The next result, in the order of the keys. */
  add(read: KVRead): void {
    this.#pending.push(read)
    if (this.#pending.length > this.#degree) this.#hashPending()
  }

  /** The summary so far: where it has more hashes or levels than the one to compare with, they differ. */
  get summary(): QueryReadsMerkleSummary {
    return { maxDegree: this.#degree, maxLevel: this.#levels.length, maxLevelHashes: this.#levels.at(-1) ?? [] }
  }

  /** Ends the results. Call it once. */
  finish(): RangeQuerySummary {
    const isHashed = this.#levels.length > 1 || this.#level(0).length > 0
    if (!isHashed) return { rawReads: this.#pending }
    if (this.#pending.length > 0) this.#hashPending()
    this.#lift()
    return { readsMerkleHashes: this.summary }
  }

  #hashPending(): void {
    this.#level(0).push(sha256(QueryReads.encode({ kvReads: this.#pending })))
    this.#pending = []
    for (let level = 0; this.#level(level).length > this.#degree; level++) this.#raise(level)
  }

  /** What is left below the highest level goes up to it; then it is hashed once more where it grew too long. */
  #lift(): void {
    for (let level = 0; level < this.#levels.length - 1; level++) if (this.#level(level).length > 0) this.#raise(level)
    const highest = this.#levels.length - 1
    if (this.#level(highest).length > this.#degree) this.#raise(highest)
  }

  #raise(level: number): void {
    const [first, ...others] = this.#level(level).splice(0)
    if (first === undefined) return
    if (level + 1 === this.#levels.length) this.#levels.push([])
    this.#level(level + 1).push(others.length === 0 ? first : sha256(first, ...others))
  }

  #level(level: number): Uint8Array[] {
    return this.#levels[level] ?? []
  }
}
