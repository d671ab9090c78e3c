import { expect, test } from 'vitest'
import { Search, type SearchTask } from './search.ts'

const NOW = 1_000_000

/** Does each task at once. @returns What was done when, in seconds. */
function run(search: Search, until: number, isAlone = true): [number, SearchTask][] {
  const done: [number, SearchTask][] = []
  while (search.deadline <= until) {
    const now = search.deadline
    for (const task of search.expire(now)) {
      done.push([(now - NOW) / 1000, task])
      if (task === 'advertise') search.advertised(true, now)
      else search.looked(isAlone, now)
    }
  }
  return done
}

test('nothing is asked of a DHT without neighbours', () => {
  expect(new Search().deadline).toBe(Number.POSITIVE_INFINITY)
})

test('advertises, then looks, less and less often', () => {
  const search = new Search()
  search.neighbour(NOW)
  search.neighbour(NOW + 500)
  expect(run(search, NOW + 260_000)).toEqual([
    [1, 'advertise'],
    [1, 'look'],
    [5, 'look'],
    [21, 'look'],
    [81, 'look'],
    [141, 'look'],
    [201, 'look'],
  ])
  expect(run(search, NOW + 601_000).filter(([, task]) => task === 'advertise')).toEqual([[601, 'advertise']])
})

test('is in no hurry in company', () => {
  const search = new Search()
  search.neighbour(NOW)
  expect(run(search, NOW + 120_000, false)).toEqual([
    [1, 'advertise'],
    [1, 'look'],
    [17, 'look'],
    [33, 'look'],
    [93, 'look'],
  ])
})

test('tells new neighbours of us, a minute after the last time', () => {
  const search = new Search()
  search.neighbour(NOW)
  run(search, NOW + 10_000)
  for (let count = 0; count < 50; count++) search.neighbour(NOW + 10_000 + count)
  expect(run(search, NOW + 400_000).filter(([, task]) => task === 'advertise')).toEqual([[61, 'advertise']])
})

test('looks sooner when somebody was lost', () => {
  const search = new Search()
  search.neighbour(NOW)
  run(search, NOW + 100_000)
  search.hurry(NOW + 100_000)
  expect(run(search, NOW + 110_000)).toEqual([
    [104, 'look'],
    [108, 'look'],
  ])
})

test('tries again after a failure, and does each thing once at a time', () => {
  const search = new Search()
  search.neighbour(NOW)
  expect(search.expire(NOW + 1000)).toEqual(['advertise'])
  expect(search.expire(NOW + 90_000)).toEqual([])
  search.neighbour(NOW + 90_000)
  search.advertised(false, NOW + 90_000)
  expect(search.expire(NOW + 90_000)).toEqual(['look'])
  expect(search.expire(NOW + 104_999)).toEqual([])
  expect(search.expire(NOW + 105_000)).toEqual(['advertise'])
})
