/** One number of one contestant. */
export interface Sample {
  readonly value: number
}

/** Something measured side by side. */
export interface Figure {
  /** `64 KiB random, MB/cpu-s`. */
  readonly name: string
  /** Who we are measured against: `ejs`. */
  readonly peer: string
  readonly unit: string
  /** The ratio ours / peer that is to be reached; with `less`, the one not to be passed. Undefined: told, not judged. */
  readonly goal: number | undefined
  readonly better: 'more' | 'less'
  /** Keys of the contestants whose samples are compared. */
  readonly ours: string
  readonly theirs: string
}

/** A suite: contestants that are run in turn, and what is made of their samples. */
export interface Suite {
  readonly name: string
  /** By key. Each runs alone, in a process of its own. Undefined: it cannot be run here, and why it cannot has been told. */
  readonly contestants: Readonly<Record<string, (durationMs: number) => Promise<number | undefined>>>
  readonly figures: readonly Figure[]
  /** More of both, that take long: with `--long` only. */
  readonly long?: Pick<Suite, 'contestants' | 'figures'>
  /** Rounds, unless told otherwise. Default 5. */
  readonly rounds?: number
}

/** What came of a figure. */
export interface Result {
  readonly figure: Figure
  readonly ours: number
  readonly theirs: number
  /** The median of the rounds' ratios, which holds while the machine's speed drifts. */
  readonly ratio: number
  readonly isReached: boolean
}

/** The middle one, or the mean of the two in the middle. @param values - At least one. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  return (low + high) / 2
}

/** @param rounds - One record of samples a round. @returns Undefined where a contestant could not be run. */
export function resultOf(figure: Figure, rounds: readonly Readonly<Record<string, number | undefined>>[]): Result | undefined {
  const pairs = rounds.flatMap((round) => {
    const [ours, theirs] = [round[figure.ours], round[figure.theirs]]
    return ours === undefined || theirs === undefined ? [] : [{ ours, theirs, ratio: ours / theirs }]
  })
  if (pairs.length === 0) return undefined
  const ratio = median(pairs.map((pair) => pair.ratio))
  return {
    figure,
    ours: median(pairs.map((pair) => pair.ours)),
    theirs: median(pairs.map((pair) => pair.theirs)),
    ratio,
    isReached: figure.goal === undefined || (figure.better === 'more' ? ratio >= figure.goal : ratio <= figure.goal),
  }
}
