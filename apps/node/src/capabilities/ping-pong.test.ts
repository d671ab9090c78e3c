import { messagePipe } from '@kumiko/rlpx'
import { virtualClock } from '@kumiko/testkit'
import { expect, test } from 'vitest'
import { pingPong } from './ping-pong.ts'

test('pings at its interval, one at a time, and tells the round trips', async () => {
  const clock = virtualClock()
  const [near, far] = messagePipe(pingPong())
  const roundTrips: number[] = []
  const options = { intervalMs: 1000, clock, onPong: (_: unknown, ms: number) => void roundTrips.push(ms) }
  const served = pingPong(options).run?.(near.channel, near.peer)
  for (const [number, tookMs] of [
    [0, 3],
    [1, 2000],
  ] as const) {
    const ping = await far.channel.read()
    expect(ping).toEqual({ code: 0, payload: Uint8Array.of(0, 0, 0, number) })
    await clock.advance(tookMs)
    far.channel.send(1, ping?.payload ?? new Uint8Array())
    await expect.poll(() => roundTrips.length).toBe(number + 1)
    await clock.advance(1000)
  }
  expect(roundTrips).toEqual([3, 2000])
  far.peer.disconnect('requested')
  await served
  expect(clock.pending).toBe(0)
})

test('answers, and sends nothing unasked without an interval', async () => {
  const [near, far] = messagePipe(pingPong())
  const served = pingPong().run?.(near.channel, near.peer)
  far.channel.send(0, Uint8Array.of(1, 2, 3, 4))
  expect(await far.channel.read()).toEqual({ code: 1, payload: Uint8Array.of(1, 2, 3, 4) })
  far.peer.disconnect('requested')
  await served
})

test.each([
  ['a pong that nobody asked for', 1, [0, 0, 0, 9]],
  ['a ping that is too short', 0, [1, 2, 3]],
  ['a pong that is too long', 1, [0, 0, 0, 0, 0]],
])('ends with one who sends %s', async (_, code, payload) => {
  const [near, far] = messagePipe(pingPong())
  void pingPong({ intervalMs: 1000, clock: virtualClock() }).run?.(near.channel, near.peer)
  far.channel.send(code, Uint8Array.from(payload))
  expect(await far.disconnected).toBe('breach-of-protocol')
})
