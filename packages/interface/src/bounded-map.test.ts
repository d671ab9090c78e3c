import { expect, test } from 'vitest'
import { BoundedMap } from './bounded-map.ts'

test('of too many entries, the one that was set the longest time ago goes', () => {
  const map = new BoundedMap<string, number>(2)
  map.set('a', 1).set('b', 2).set('a', 3)
  expect([...map]).toEqual([
    ['b', 2],
    ['a', 3],
  ])
  map.get('b')
  map.set('c', 4)
  expect([...map]).toEqual([
    ['a', 3],
    ['c', 4],
  ])
  map.delete('a')
  map.set('d', 5)
  expect([...map.keys()]).toEqual(['c', 'd'])
})

test('an undefined key is one as any other, and a bound of none holds none', () => {
  const map = new BoundedMap<string | undefined, number>(1)
  map.set(undefined, 1).set('a', 2)
  expect([...map.keys()]).toEqual(['a'])
  expect(new BoundedMap(0).set('a', 1).size).toBe(0)
})
