import { expect, test } from 'vitest'
import { EventLog } from './event-log.ts'

test('waitFor takes the first that matches and leaves the others', async () => {
  const log = new EventLog<number>()
  for (const event of [1, 2, 3, 4]) log.push(event)
  expect(await log.waitFor((event) => event % 2 === 0)).toBe(2)
  expect(log.drain()).toEqual([1, 3, 4])
})

test('waitFor takes what comes later, and only once', async () => {
  const log = new EventLog<number>()
  const waits = Promise.all([log.waitFor((event) => event > 5), log.waitFor((event) => event > 5)])
  for (const event of [1, 7, 8]) log.push(event)
  expect(await waits).toEqual([7, 8])
  expect(log.drain()).toEqual([1])
})

test('the end of the peer ends iteration and tells those who wait', async () => {
  const log = new EventLog<string>()
  log.push('last')
  const waits = log.waitFor((event) => event === 'more')
  log.end()
  await expect(waits).rejects.toThrow('before the peer ended; waiting: ["last"]')
  const rest: string[] = []
  for await (const event of log) rest.push(event)
  expect(rest).toEqual(['last'])
})

test('events that nobody takes are dropped, oldest first', () => {
  const log = new EventLog<number>()
  for (let event = 0; event <= 10_000; event++) log.push(event)
  const kept = log.drain()
  expect([kept.length, kept[0], kept.at(-1)]).toEqual([10_000, 1, 10_000])
})
