import { afterEach, expect, test, vi } from 'vitest'
import { aborted, stopSignal } from './stop-signal.ts'

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s is an abort, as long as somebody asks', async (name) => {
  const before = process.listenerCount(name)
  {
    using stop = stopSignal()
    expect(stop.signal.aborted).toBe(false)
    process.emit(name)
    await aborted(stop.signal)
  }
  expect(process.listenerCount(name)).toBe(before)
})

test('stops for others, too, and when told', () => {
  const closed = new AbortController()
  using pipe = stopSignal(closed.signal)
  using told = stopSignal()
  closed.abort()
  told.stop()
  expect([pipe.signal.aborted, told.signal.aborted]).toEqual([true, true])
})

test('the second ends the process, unless it is the first passed on by npm', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const exit = vi.spyOn(process, 'exit').mockImplementation(() => undefined as never)
  using _ = stopSignal()
  process.emit('SIGINT')
  vi.advanceTimersByTime(400)
  process.emit('SIGINT')
  expect(exit).not.toHaveBeenCalled()
  vi.advanceTimersByTime(200)
  process.emit('SIGINT')
  expect(exit).toHaveBeenCalledExactlyOnceWith(130)
})
