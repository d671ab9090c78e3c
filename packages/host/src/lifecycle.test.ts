import { systemClock } from '@kumiko/interface'
import { virtualClock } from '@kumiko/testkit'
import { defaultLogger } from '@libp2p/logger'
import { expect, test } from 'vitest'
import { Lifecycle, STOP_MS } from './lifecycle.ts'

const PHASES = ['beforeStart', 'start', 'afterStart', 'beforeStop', 'stop', 'afterStop'] as const

/** A part that writes down what is asked of it. */
function recorder(name: string, calls: string[], failsAt?: (typeof PHASES)[number]): { name: string; part: object } {
  const methods = PHASES.map((phase) => [
    phase,
    async () => {
      calls.push(`${name}.${phase}`)
      if (phase === failsAt) throw new Error(`${name} cannot ${phase}`)
    },
  ])
  return { name, part: Object.fromEntries(methods) }
}

function lifecycle(parts: { name: string; part: unknown }[], clock = systemClock): Lifecycle {
  return new Lifecycle(parts, clock, defaultLogger().forComponent('test'))
}

test('each phase is through with every part before the next begins, and stop goes the other way', async () => {
  const calls: string[] = []
  const cycle = lifecycle([recorder('a', calls), { name: 'inert', part: {} }, recorder('b', calls)])
  await cycle.start()
  await cycle.stop()
  expect(calls).toEqual([
    'a.beforeStart',
    'b.beforeStart',
    'a.start',
    'b.start',
    'a.afterStart',
    'b.afterStart',
    'b.beforeStop',
    'a.beforeStop',
    'b.stop',
    'a.stop',
    'b.afterStop',
    'a.afterStop',
  ])
  await cycle.stop()
  expect(calls).toHaveLength(12)
})

test('a part given under two names is started once', async () => {
  const calls: string[] = []
  const { part } = recorder('a', calls)
  await lifecycle([
    { name: 'one', part },
    { name: 'two', part },
  ]).start()
  expect(calls).toEqual(['a.beforeStart', 'a.start', 'a.afterStart'])
})

test.each([
  ['beforeStart', ['a']],
  ['start', ['c', 'b', 'a']],
  ['afterStart', ['c', 'b', 'a']],
] as const)('a part that fails in %s undoes those that are up, itself if it was', async (phase, stopped) => {
  const calls: string[] = []
  const cycle = lifecycle([recorder('a', calls), recorder('b', calls, phase), recorder('c', calls)])
  await expect(cycle.start()).rejects.toMatchObject({
    code: 'host/start-failed',
    message: `Could not start b (${phase}): b cannot ${phase}`,
    context: { part: 'b', phase },
    cause: new Error(`b cannot ${phase}`),
  })
  expect(calls.filter((call) => call.endsWith('.stop'))).toEqual(stopped.map((name) => `${name}.stop`))
  const count = calls.length
  await cycle.stop()
  expect(calls).toHaveLength(count)
})

test('no part keeps the others from stopping, and all failures are told', async () => {
  const calls: string[] = []
  const cycle = lifecycle([recorder('a', calls, 'stop'), recorder('b', calls), recorder('c', calls, 'beforeStop')])
  await cycle.start()
  await expect(cycle.stop()).rejects.toMatchObject({ code: 'host/stop-failed', context: { parts: ['c', 'a'] } })
  expect(calls.slice(-3)).toEqual(['c.afterStop', 'b.afterStop', 'a.afterStop'])
})

test('a part that throws at once, not by a promise, is told as well', async () => {
  const part = {
    start: () => {
      throw new Error('at once')
    },
    stop: () => {},
  }
  await expect(lifecycle([{ name: 'a', part }]).start()).rejects.toMatchObject({ code: 'host/start-failed' })
})

test('a part that does not stop is left behind in time', async () => {
  const clock = virtualClock()
  const calls: string[] = []
  const stuck = { start: () => {}, stop: () => new Promise<void>(() => {}) }
  const cycle = lifecycle([recorder('a', calls), { name: 'stuck', part: stuck }], clock)
  await cycle.start()
  const stopped = cycle.stop()
  const outcome = expect(stopped).rejects.toMatchObject({ code: 'host/stop-failed', context: { parts: ['stuck'] } })
  await clock.advance(STOP_MS - 1)
  expect(calls).not.toContain('a.stop')
  await clock.advance(1)
  await outcome
  expect(calls).toContain('a.stop')
})

test('a part whose start was given up is stopped once it comes up, and not started again before that', async () => {
  const calls: string[] = []
  const { promise: up, resolve: comeUp } = Promise.withResolvers<void>()
  const slow = {
    start: async () => {
      calls.push('start')
      await up
    },
    stop: () => void calls.push('stop'),
  }
  const cycle = lifecycle([{ name: 'slow', part: slow }])
  const started = cycle.start()
  const outcome = expect(started).rejects.toMatchObject({ code: 'host/start-failed', cause: { code: 'host/start-abandoned' } })
  await expect.poll(() => calls).toEqual(['start'])
  cycle.abandonStart()
  await outcome
  const again = cycle.start()
  comeUp()
  await again
  // At once, which may end its start, and once it is up.
  expect(calls).toEqual(['start', 'stop', 'stop', 'start'])
})

test('a part that has not ended its last stop is not started over it: the start fails in time', async () => {
  const clock = virtualClock()
  let starts = 0
  const { promise: stopped, resolve: end } = Promise.withResolvers<void>()
  const stuck = { start: () => void starts++, stop: () => stopped }
  const cycle = lifecycle([{ name: 'stuck', part: stuck }], clock)
  await cycle.start()
  for (const [verb, code] of [
    ['stop', 'host/stop-failed'],
    ['start', 'host/start-failed'],
  ] as const) {
    const outcome = expect(cycle[verb]()).rejects.toMatchObject({ code })
    await clock.advance(STOP_MS)
    await outcome
  }
  expect(starts).toBe(1)
  end()
  await cycle.start()
  expect(starts).toBe(2)
})
