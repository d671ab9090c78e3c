import { expect, it } from 'vitest'
import { Closers } from './closers.ts'

it('ends what is up in reverse, all of it, once, and tells the first failure', async () => {
  const ended: string[] = []
  const closers = new Closers()
  closers.add(() => void ended.push('first'))
  closers.add(async () => {
    ended.push('second')
    throw new Error('earlier')
  })
  closers.add(async () => {
    await Promise.resolve()
    ended.push('third')
    throw new Error('later')
  })
  await expect(closers.close()).rejects.toThrow('later')
  await closers.close()
  expect(ended).toEqual(['third', 'second', 'first'])
})
