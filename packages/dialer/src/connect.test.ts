import { getEventListeners } from 'node:events'
import { virtualClock } from '@kumiko/testkit'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { raceAddresses } from './connect.ts'

const ADDRESSES = [1, 2].map((port, index) => ({ multiaddr: multiaddr(`/ip4/10.0.0.1/tcp/${port}`), delayMs: 250 * index }))
const TIMES = { addressTimeoutMs: 10_000, timeoutMs: 15_000, parallelMax: 16 }

test('a race that is over has let go of its signal and its timer', async () => {
  const clock = virtualClock()
  const { signal } = new AbortController()
  const { connection, settled } = raceAddresses(ADDRESSES, () => Promise.reject(new Error('no')), { ...TIMES, clock, signal })
  await expect(connection).rejects.toMatchObject({ code: 'dialer/failed' })
  await settled
  expect([getEventListeners(signal, 'abort').length, clock.pending]).toEqual([0, 0])
})

test('a race whose signal aborts gives every attempt up and fails with its reason', async () => {
  const clock = virtualClock()
  const controller = new AbortController()
  const given: AbortSignal[] = []
  const silent = (_: unknown, signal: AbortSignal): Promise<never> => {
    given.push(signal)
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  }
  const { connection, settled } = raceAddresses(ADDRESSES, silent, { ...TIMES, clock, signal: controller.signal })
  connection.catch(() => {})
  await clock.advance(250)
  controller.abort('enough')
  await expect(connection).rejects.toBe('enough')
  await settled
  expect(given.map(({ aborted }) => aborted)).toEqual([true, true])
})

test('a race is not begun once its signal has aborted', async () => {
  const options = { ...TIMES, clock: virtualClock(), signal: AbortSignal.abort('before') }
  const { connection } = raceAddresses(ADDRESSES, () => Promise.reject(new Error('called')), options)
  await expect(connection).rejects.toBe('before')
})
