import { expect, it } from 'vitest'
import { RevisionCache } from './revision-cache.ts'

it('forgets what was not used for longest', () => {
  const cache = new RevisionCache(2)
  cache.set('db', 'a', '1-a')
  cache.set('db', 'b', '')
  expect(cache.get('db', 'a')).toBe('1-a')
  cache.set('db', 'c', '1-c')
  expect(['a', 'b', 'c'].map((id) => cache.get('db', id))).toEqual(['1-a', undefined, '1-c'])
  expect(cache.get('other', 'a')).toBeUndefined()
  cache.delete('db', 'a')
  expect(cache.get('db', 'a')).toBeUndefined()
  cache.clear()
  expect(cache.get('db', 'c')).toBeUndefined()
})
