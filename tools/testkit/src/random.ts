import type { Random, RandomBytes } from '@kumiko/interface'

/** Seeded randomness: the same seed, the same run. */
export interface Seeded {
  readonly seed: number
  readonly random: Random
  /** Bytes for keys in tests. Not for real ones. */
  readonly bytes: RandomBytes
  /** A whole number, 0 ≤ n < bound. */
  below(bound: number): number
  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T
}

/**
 * The seed to use: `KUMIKO_SEED` if it is set, else a fixed one.
 * @throws RangeError where `KUMIKO_SEED` is no whole number of 32 bits.
 */
export function testSeed(): number {
  const given = process.env.KUMIKO_SEED ?? '42'
  const seed = Number(given)
  if (seed !== (seed | 0)) throw new RangeError(`KUMIKO_SEED is ${given}: give a whole number, such as 42`)
  return seed
}

/** @param seed - 32 bits. Default {@link testSeed}. @see mulberry32 */
export function seeded(seed: number = testSeed()): Seeded {
  let state = seed >>> 0
  const random = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
  const below = (bound: number): number => Math.floor(random() * bound)
  return {
    seed,
    random,
    below,
    bytes: (length) => Uint8Array.from({ length }, () => below(256)),
    pick: <T>(list: readonly T[]): T => {
      const picked = list[below(list.length)]
      if (picked === undefined) throw new Error('nothing to pick from')
      return picked
    },
  }
}
