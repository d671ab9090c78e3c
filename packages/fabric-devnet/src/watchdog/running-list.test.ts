import { expect, test } from 'vitest'
import { RunningList } from './running-list.ts'

test('tells another who has its memory what runs', () => {
  const list = new RunningList()
  const other = new RunningList(list.memory)
  expect(other.texts).toEqual([])
  const ends = ['first', 'both', 'both'].map((text) => list.add(text))
  expect(other.texts).toEqual(['first', 'both'])
  ends[0]?.()
  ends[1]?.()
  expect(other.texts).toEqual(['both'])
  ends[2]?.()
  expect(other.texts).toEqual([])
})

test('cuts what is too long, and lets the oldest go where there are too many', () => {
  const list = new RunningList()
  const end = list.add('é'.repeat(1000))
  expect(list.texts).toEqual(['é'.repeat(127)])
  for (let at = 0; at < 16; at++) list.add(`number ${at}`)
  end()
  expect(new Set(list.texts)).toEqual(new Set(Array.from({ length: 16 }, (_, at) => `number ${at}`)))
})
