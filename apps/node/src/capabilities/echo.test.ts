import { messagePipe } from '@kumiko/rlpx'
import { virtualClock } from '@kumiko/testkit'
import { expect, test } from 'vitest'
import { echo } from './echo.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

test('answers every request with its payload, in order', async () => {
  const [near, far] = messagePipe(echo())
  const served = echo().run?.(far.channel, far.peer)
  for (const text of ['one', '', 'three']) near.channel.send(0, bytes(text))
  for (const text of ['one', '', 'three']) expect(await near.channel.read()).toEqual({ code: 1, payload: bytes(text) })
  near.peer.disconnect('requested')
  await served
})

test('tells of the reply to its greeting, and how long it took', async () => {
  const clock = virtualClock()
  const [near, far] = messagePipe(echo())
  const replies: [string, number][] = []
  const onReply = (peer: { nodeId: string }, ms: number): void => void replies.push([peer.nodeId, ms])
  const served = echo({ greeting: bytes('hello'), clock, onReply }).run?.(near.channel, near.peer)
  expect(await far.channel.read()).toEqual({ code: 0, payload: bytes('hello') })
  await clock.advance(7)
  far.channel.send(1, bytes('hello'))
  await expect.poll(() => replies).toEqual([[near.peer.nodeId, 7]])
  far.peer.disconnect('requested')
  await served
})

test.each([
  ['unasked', undefined, 'hello'],
  ['with something else', bytes('hello'), 'jello'],
])('ends with one who replies %s', async (_, greeting, reply) => {
  const [near, far] = messagePipe(echo())
  void echo(greeting === undefined ? {} : { greeting }).run?.(near.channel, near.peer)
  far.channel.send(1, bytes(reply))
  expect(await far.disconnected).toBe('breach-of-protocol')
})
