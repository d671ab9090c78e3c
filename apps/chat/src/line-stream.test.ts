import type { Fault } from '@kumiko/interface'
import { virtualClock } from '@kumiko/testkit'
import type { Stream } from '@libp2p/interface'
import { streamPair } from '@libp2p/utils'
import { expect, test } from 'vitest'
import { LineStream } from './line-stream.ts'

/** A stream of ours, and the peer's raw end. */
async function pair() {
  const [ours, theirs] = await streamPair()
  const clock = virtualClock()
  const lines: string[] = []
  const ends: (Fault | undefined)[] = []
  const stream = new LineStream(ours, clock, 10, { line: (text) => lines.push(text), ended: (fault) => ends.push(fault) })
  return { stream, theirs, clock, lines, ends }
}

const send = (stream: Stream, text: string): boolean => stream.send(new TextEncoder().encode(text))

test('reads and writes lines, and ends when the peer does', async () => {
  const { stream, theirs, lines, ends } = await pair()
  const heard: string[] = []
  theirs.addEventListener('message', ({ data }) => heard.push(new TextDecoder().decode(data.subarray())))
  send(theirs, 'one\r\ntwo\nthr')
  await stream.write(['a', 'b'])
  await expect.poll(() => lines).toEqual(['one', 'two'])
  await expect.poll(() => heard.join('')).toBe('a\nb\n')
  send(theirs, 'ee\nno end')
  await theirs.close()
  await expect.poll(() => ends).toEqual([undefined])
  expect(lines).toEqual(['one', 'two', 'three'])
  await expect.poll(() => theirs.status).toBe('closed')
  await stream.write(['nobody reads it'])
})

test('cuts off whoever sends a line that is too long', async () => {
  const { theirs, lines, ends } = await pair()
  send(theirs, `fine\n${'x'.repeat(100)}`)
  await expect.poll(() => ends).toEqual([{ fault: 'chat/line-too-long', detail: 'a line of more than 10 bytes' }])
  expect(lines).toEqual(['fine'])
  await expect.poll(() => theirs.status).toBe('reset')
})

test('ends when the peer cuts it off', async () => {
  const { theirs, ends } = await pair()
  theirs.abort(new Error('gone'))
  await expect.poll(() => ends).toEqual([undefined])
})

test('lines that come too fast wait, and none is lost', async () => {
  const { theirs, clock, lines, ends } = await pair()
  send(theirs, Array.from({ length: 400 }, (_, index) => `${index}\n`).join(''))
  await theirs.close()
  await expect.poll(() => lines.length).toBe(300)
  await clock.advance(1000)
  expect(lines.length).toBe(320)
  expect(ends).toEqual([])
  await clock.advance(5000)
  expect(lines).toEqual(Array.from({ length: 400 }, (_, index) => `${index}`))
  await expect.poll(() => ends).toEqual([undefined])
  expect(clock.pending).toBe(0)
})

test('whoever has gone is not in for as long as its lines last', async () => {
  const { stream, theirs, clock, lines, ends } = await pair()
  for (let i = 0; i < 20; i++) send(theirs, '\n'.repeat(1000))
  await expect.poll(() => lines.length).toBe(300)
  await theirs.close()
  await clock.advance(29_000)
  expect(ends).toEqual([])
  await clock.advance(1_000)
  expect(ends).toEqual([undefined])
  expect(lines.length).toBeLessThanOrEqual(900)
  expect(clock.pending).toBe(0)
  stream.close()
})

test('a peer that does not close in return is cut off', async () => {
  const { stream, theirs, clock, ends } = await pair()
  stream.close()
  await expect.poll(() => theirs.remoteWriteStatus).toBe('closed')
  expect(ends).toEqual([])
  await clock.advance(3000)
  await expect.poll(() => ends).toEqual([undefined])
})
