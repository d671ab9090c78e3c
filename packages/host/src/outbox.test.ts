import type { MessageStream, StreamMessageEvent } from '@libp2p/interface'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { Uint8ArrayList } from 'uint8arraylist'
import { expect, test } from 'vitest'
import { joined, Outbox } from './outbox.ts'

/** What was written, by write. */
function writesOf(stream: MessageStream): string[] {
  const writes: string[] = []
  const send = stream.send.bind(stream)
  stream.send = (data) => {
    writes.push(Buffer.from(data.subarray()).toString())
    return send(data)
  }
  return writes
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('what is sent in one turn is one write, in order', async () => {
  const [stream, remote] = multiaddrConnectionPair({ delay: 0 })
  const writes = writesOf(stream)
  new Outbox(stream, stream)
  const heard: string[] = []
  remote.addEventListener('message', ({ data }: StreamMessageEvent) => heard.push(Buffer.from(data.subarray()).toString()))
  stream.send(Buffer.from('one, '))
  await Promise.resolve()
  stream.send(new Uint8ArrayList(Buffer.from('two, '), Buffer.from('three')))
  expect(writes).toEqual([])
  await turn()
  expect(writes).toEqual(['one, two, three'])
  stream.send(Buffer.from('four'))
  await turn()
  await expect.poll(() => heard.join(' ')).toBe('one, two, three four')
})

test('much is not held, and a full stream asks for a pause until it has drained', async () => {
  const [stream] = multiaddrConnectionPair({ delay: 0 })
  let room = false
  const sizes: number[] = []
  stream.send = (data) => {
    sizes.push(data.byteLength)
    return room
  }
  new Outbox(stream, stream)
  expect(stream.send(new Uint8Array(200_000))).toBe(true)
  expect(stream.send(new Uint8Array(100_000))).toBe(false)
  expect(sizes).toEqual([300_000])
  expect(stream.send(new Uint8Array(1))).toBe(false)
  room = true
  stream.dispatchEvent(new Event('drain'))
  expect(stream.send(new Uint8Array(1))).toBe(true)
  await turn()
  expect(sizes).toEqual([300_000, 2])
})

test('a flush sends at once; what is left when the stream has closed is dropped', async () => {
  const [stream] = multiaddrConnectionPair({ delay: 0 })
  const writes = writesOf(stream)
  const outbox = new Outbox(stream, stream)
  stream.send(Buffer.from('now'))
  outbox.flush()
  expect(writes).toEqual(['now'])
  stream.send(Buffer.from('never'))
  stream.abort(new Error('over'))
  await turn()
  expect(writes).toEqual(['now'])
  expect(() => stream.send(Buffer.from('late'))).toThrow()
})

test('small pieces are joined, and large ones are not copied', () => {
  const large = new Uint8Array(20_000).fill(1)
  const data = new Uint8ArrayList(Uint8Array.of(1, 2), Uint8Array.of(3), large, Uint8Array.of(4), Uint8Array.of(5, 6))
  const pieces = joined(data)
  expect([...pieces].map((piece) => (typeof piece === 'number' ? piece : piece.length))).toEqual([3, 20_000, 3])
  expect([...pieces][1]).toBe(large)
  expect(pieces.subarray()).toEqual(data.subarray())
  expect(joined(new Uint8ArrayList(Uint8Array.of(1), Uint8Array.of(2)))).toEqual(Uint8Array.of(1, 2))
})
