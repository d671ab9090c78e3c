import { expect, test } from 'vitest'
import { Nearest } from './nearest.ts'

const id = (byte: string): { nodeId: string } => ({ nodeId: byte.padStart(64, '0') })

test('NodesPush: nearest first, each once, and what is too far is given back', () => {
  const nearest = new Nearest(id('0').nodeId, 3)
  const [one, two, three, four] = [id('1'), id('2'), id('3'), id('4')]
  for (const each of [three, one, four]) expect(nearest.push(each)).toBeUndefined()
  expect(nearest.push(one)).toBe(one)
  expect(nearest.push(two)).toBe(four)
  expect(nearest.push(four)).toBe(four)
  expect(nearest.items).toEqual([one, two, three])
  nearest.removeAt(1)
  expect(nearest.items).toEqual([one, three])
})

test('a list of none keeps none', () => {
  const nearest = new Nearest(id('0').nodeId, 0)
  expect(nearest.push(id('1'))).toEqual(id('1'))
  expect(nearest.items).toEqual([])
})
