import assert from 'node:assert/strict'
import { type Clock, type Millis, sleep } from '../clock.ts'
import { type Subject, type SubjectFactory, type TestRunner, testWith } from './runner.ts'

/** A clock, and a way to let its time pass. */
export interface ClockSubject extends Subject {
  readonly clock: Clock
  /** Resolves when at least this much time has passed on the clock and what came due has been called. */
  pass(durationMs: Millis): Promise<void>
}

/** What holds for every {@link Clock}. */
export function clockContract(runner: TestRunner, factory: SubjectFactory<ClockSubject>): void {
  const test = testWith(runner, factory)
  runner.describe('the contract of a Clock', () => {
    test('never goes back', async ({ clock, pass }) => {
      const before = clock.now()
      await pass(5)
      assert.ok(clock.now() >= before + 5)
    })

    test('calls once, not before the deadline', async ({ clock, pass }) => {
      const deadline = clock.now() + 10
      const seen: Millis[] = []
      clock.at(deadline, () => seen.push(clock.now()))
      await pass(30)
      assert.equal(seen.length, 1)
      assert.ok(seen.every((now) => now >= deadline))
    })

    test('calls what is overdue, but not before `at` has returned', async ({ clock, pass }) => {
      let calls = 0
      clock.at(clock.now() - 1000, () => calls++)
      assert.equal(calls, 0)
      await pass(5)
      assert.equal(calls, 1)
    })

    test('calls in the order of the deadlines', async ({ clock, pass }) => {
      const calls: number[] = []
      const start = clock.now()
      for (const delayMs of [30, 10, 20]) clock.at(start + delayMs, () => calls.push(delayMs))
      await pass(60)
      assert.deepEqual(calls, [10, 20, 30])
    })

    test('does not call what is cancelled; cancelling again, or too late, does nothing', async ({ clock, pass }) => {
      let calls = 0
      const cancel = clock.at(clock.now() + 5, () => calls++)
      cancel()
      cancel()
      const tooLate = clock.at(clock.now() + 5, () => calls++)
      await pass(20)
      tooLate()
      assert.equal(calls, 1)
    })

    test('never calls at Infinity', async ({ clock, pass }) => {
      let calls = 0
      const cancel = clock.at(Number.POSITIVE_INFINITY, () => calls++)
      await pass(10)
      cancel()
      assert.equal(calls, 0)
    })

    test('lets a sleeper wake in time, or with the signal', async ({ clock, pass }) => {
      const controller = new AbortController()
      const woken: string[] = []
      const sleepers = [
        sleep(clock, 10).then(() => woken.push('in time')),
        sleep(clock, 1e9, controller.signal).catch((error) => woken.push(error.message)),
        sleep(clock, 10, AbortSignal.abort(new Error('before'))).catch((error) => woken.push(error.message)),
      ]
      await pass(20)
      controller.abort(new Error('early'))
      await Promise.all(sleepers)
      assert.deepEqual(woken, ['before', 'in time', 'early'])
    })
  })
}
