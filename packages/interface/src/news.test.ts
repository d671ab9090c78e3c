import { expect, test } from 'vitest'
import { News } from './news.ts'

test('wakes all who asked before, and once', async () => {
  const news = new News()
  news.tell()
  const woken: string[] = []
  const before = [news.next.then(() => woken.push('one')), news.next.then(() => woken.push('two'))]
  await Promise.resolve()
  expect(woken).toEqual([])
  news.tell()
  const after = news.next.then(() => woken.push('late'))
  await Promise.all(before)
  expect(woken).toEqual(['one', 'two'])
  news.tell()
  await after
  expect(woken).toEqual(['one', 'two', 'late'])
})
