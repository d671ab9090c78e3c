import type { Millis } from '@kumiko/interface'
import { describe, expect, test } from 'vitest'
import { DialRace, RACE_ADDRESSES_MAX } from './race.ts'

const OPTIONS = { addressTimeoutMs: 10_000, timeoutMs: 15_000, parallelMax: 16 }

/** A race between so many addresses, each so long after the one before. */
function race(count: number, options: Partial<typeof OPTIONS> = {}, staggerMs = 250): DialRace {
  const delays = Array.from({ length: count }, (_, index) => index * staggerMs)
  return new DialRace(delays, { ...OPTIONS, ...options }, 0)
}

/** The deadlines up to `until`, each with what is done then. */
function timeline(running: DialRace, until: Millis): [Millis, unknown[]][] {
  const lines: [Millis, unknown[]][] = []
  for (let at = 0; at <= until; at = running.deadline) lines.push([at, running.expire(at)])
  return lines
}

describe('a race', () => {
  test('tries the next address every 250 ms, to the millisecond', () => {
    expect(timeline(race(3), 1000)).toEqual([
      [0, [{ do: 'connect', index: 0 }]],
      [250, [{ do: 'connect', index: 1 }]],
      [500, [{ do: 'connect', index: 2 }]],
    ])
  })

  test('tries the next one at once when one fails, and counts the stagger from there', () => {
    const running = race(4)
    running.expire(0)
    expect(running.failed(0, 100)).toEqual([{ do: 'connect', index: 1 }])
    expect(running.deadline).toBe(350)
    expect(running.expire(349)).toEqual([])
    expect(running.expire(350)).toEqual([{ do: 'connect', index: 2 }])
    expect(running.failed(0, 351)).toEqual([])
  })

  test('is won by the first to connect, and the others are given up', () => {
    const running = race(4)
    for (const at of [0, 250, 500]) running.expire(at)
    expect(running.connected(1)).toEqual([
      { do: 'abort', index: 0, why: 'lost' },
      { do: 'abort', index: 2, why: 'lost' },
      { do: 'win', index: 1 },
    ])
    expect(running.deadline).toBe(Number.POSITIVE_INFINITY)
    expect(running.connected(0)).toEqual([])
    expect(running.failed(2, 600)).toEqual([])
    expect(running.expire(20_000)).toEqual([])
    expect(running.stop()).toEqual([])
  })

  test('is lost when all have failed', () => {
    const running = race(2)
    running.expire(0)
    expect(running.failed(0, 10)).toEqual([{ do: 'connect', index: 1 }])
    expect(running.failed(1, 20)).toEqual([{ do: 'lose', why: 'all-failed' }])
  })

  test('of no addresses is lost at once', () => {
    expect(race(0).expire(0)).toEqual([{ do: 'lose', why: 'all-failed' }])
  })

  test('gives an address up that takes too long, and tries the next one', () => {
    const running = race(2, {}, 60_000)
    running.expire(0)
    expect(running.deadline).toBe(10_000)
    expect(running.expire(10_000)).toEqual([
      { do: 'abort', index: 0, why: 'address-timeout' },
      { do: 'connect', index: 1 },
    ])
    expect(running.deadline).toBe(15_000)
  })

  test('of one silent address ends with the address', () => {
    const running = race(1)
    running.expire(0)
    expect(running.expire(10_000)).toEqual([
      { do: 'abort', index: 0, why: 'address-timeout' },
      { do: 'lose', why: 'all-failed' },
    ])
  })

  test('ends when all of it takes too long', () => {
    const running = race(1, { addressTimeoutMs: 20_000 })
    running.expire(0)
    expect(running.expire(15_000)).toEqual([
      { do: 'abort', index: 0, why: 'timeout' },
      { do: 'lose', why: 'timeout' },
    ])
  })

  test('can be stopped', () => {
    const running = race(1)
    running.expire(0)
    expect(running.stop()).toEqual([
      { do: 'abort', index: 0, why: 'stopped' },
      { do: 'lose', why: 'stopped' },
    ])
  })

  test('tries together what has the same delay, and keeps the gaps where one failed', () => {
    const running = new DialRace([0, 0, 300, 1000], OPTIONS, 0)
    expect(running.expire(0)).toEqual([
      { do: 'connect', index: 0 },
      { do: 'connect', index: 1 },
    ])
    expect(running.failed(0, 100)).toEqual([{ do: 'connect', index: 2 }])
    expect(running.deadline).toBe(800)
  })

  test('takes others that join: now where none waits, else behind those that do', () => {
    const idle = new DialRace([0], OPTIONS, 0, true)
    idle.expire(0)
    expect(idle.join([0, 250], 100)).toEqual([{ do: 'connect', index: 1 }])
    expect(idle.deadline).toBe(350)
    const waiting = new DialRace([0, 250], OPTIONS, 0, true)
    waiting.expire(0)
    expect(waiting.join([0, 30], 100)).toEqual([])
    expect(timeline(waiting, 1000).slice(1)).toEqual([
      [250, [{ do: 'connect', index: 1 }]],
      [500, [{ do: 'connect', index: 2 }]],
      [530, [{ do: 'connect', index: 3 }]],
    ])
  })

  test('is not lost before others have joined, nor longer than it may last', () => {
    const empty = new DialRace([0], OPTIONS, 0, true)
    empty.expire(0)
    expect(empty.failed(0, 10)).toEqual([])
    expect(empty.deadline).toBe(15_000)
    expect(empty.join([], 20)).toEqual([{ do: 'lose', why: 'all-failed' }])
    const late = new DialRace([0], OPTIONS, 0, true)
    late.expire(0)
    late.failed(0, 10)
    expect(late.expire(15_000)).toEqual([{ do: 'lose', why: 'timeout' }])
    expect(late.join([0], 15_001)).toEqual([])
    const full = new DialRace(
      Array.from({ length: 15 }, () => 0),
      OPTIONS,
      0,
      true,
    )
    full.expire(0)
    expect(full.join([0, 0, 0], 10)).toEqual([{ do: 'connect', index: 15 }])
  })

  test('tries no more at the same time than it may', () => {
    const running = race(4, { parallelMax: 2 })
    for (const at of [0, 250, 500, 750]) running.expire(at)
    expect(running.deadline).toBe(10_000)
    expect(running.failed(1, 2000)).toEqual([{ do: 'connect', index: 2 }])
    expect(running.expire(5000)).toEqual([])
    expect(running.expire(10_000)).toEqual([
      { do: 'abort', index: 0, why: 'address-timeout' },
      { do: 'connect', index: 3 },
    ])
  })

  test('tries no more than 16 addresses', () => {
    const connects = timeline(race(100), 9999).flatMap(([, effects]) => effects)
    expect(connects).toHaveLength(RACE_ADDRESSES_MAX)
  })
})
