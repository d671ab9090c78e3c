import { expect, test } from 'vitest'
import { raceAbort } from './abort.ts'

const never = new Promise<never>(() => {})

test('gives what the work gives, or what it throws', async () => {
  const { signal } = new AbortController()
  expect([await raceAbort(Promise.resolve(1), signal), await raceAbort(Promise.resolve(2), undefined)]).toEqual([1, 2])
  await expect(raceAbort(Promise.reject(new Error('work')), signal)).rejects.toThrow('work')
})

test('ends with the signal, before it or after', async () => {
  const reason = new Error('enough')
  const controller = new AbortController()
  const waiting = raceAbort(never, controller.signal)
  controller.abort(reason)
  await expect(waiting).rejects.toBe(reason)
  await expect(raceAbort(never, controller.signal)).rejects.toBe(reason)
})

test('work that fails after the signal fails unheard', async () => {
  const work = Promise.withResolvers<never>()
  await expect(raceAbort(work.promise, AbortSignal.abort('enough'))).rejects.toBe('enough')
  work.reject(new Error('late'))
  await new Promise(setImmediate)
})
