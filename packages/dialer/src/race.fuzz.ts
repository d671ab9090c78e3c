import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DialRace, RACE_ADDRESSES_MAX, type RaceEffect } from './race.ts'

/** From 0 on, none less than the one before. */
const delays = fc
  .array(fc.constantFrom(0, 0, 30, 250, 1000), { maxLength: 20 })
  .map((gaps) => gaps.map((_, i) => sum(gaps.slice(1, i + 1))))
const step = fc.oneof(
  fc.record({ do: fc.constantFrom('fail' as const, 'fail' as const, 'connect' as const), index: fc.nat({ max: 19 }) }),
  fc.record({ do: fc.constant('pass' as const), durationMs: fc.constantFrom(0, 1, 100, 250, 4000) }),
)

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}

/** What a driver sees of a race. */
class Watched {
  readonly begun: number[] = []
  readonly under = new Set<number>()
  ends = 0

  take(effects: readonly RaceEffect[], parallelMax: number): void {
    for (const effect of effects) {
      expect(this.ends).toBe(0)
      if (effect.do === 'connect') {
        this.begun.push(effect.index)
        this.under.add(effect.index)
      } else if (effect.do === 'abort') expect(this.under.delete(effect.index)).toBe(true)
      else this.ends += 1
    }
    expect(this.under.size).toBeLessThanOrEqual(parallelMax)
  }
}

test('whatever happens, addresses are tried once, in order, no more at a time than may be, and the race ends once, in time', () => {
  fc.assert(
    fc.property(
      delays,
      delays,
      fc.array(step, { maxLength: 40 }),
      fc.integer({ min: 1, max: 16 }),
      (first, joining, steps, parallelMax) => {
        let now = 0
        const race = new DialRace(first, { addressTimeoutMs: 5000, timeoutMs: 15_000, parallelMax }, now, true)
        const watched = new Watched()
        const pass = (until: number): void => {
          for (; race.deadline <= until; watched.take(race.expire(now), parallelMax)) {
            expect(race.deadline).toBeGreaterThanOrEqual(now)
            now = Math.max(now, race.deadline)
          }
          now = until
        }
        watched.take(race.expire(now), parallelMax)
        for (const [i, each] of steps.entries()) {
          if (i === 10) watched.take(race.join(joining, now), parallelMax)
          if (each.do === 'pass') pass(now + each.durationMs)
          else if (watched.under.delete(each.index)) {
            watched.take(each.do === 'fail' ? race.failed(each.index, now) : race.connected(each.index), parallelMax)
          }
        }
        pass(15_000)
        expect([watched.ends, watched.under.size, race.deadline]).toEqual([1, 0, Number.POSITIVE_INFINITY])
        expect(watched.begun).toEqual(watched.begun.map((_, i) => i))
        expect(watched.begun.length).toBeLessThanOrEqual(Math.min(RACE_ADDRESSES_MAX, first.length + joining.length))
      },
    ),
    { seed: 42, numRuns: 1000 },
  )
})
