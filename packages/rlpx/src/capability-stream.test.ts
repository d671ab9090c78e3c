import type { Stream } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { expect, test } from 'vitest'
import { CapabilityStream } from './capability-stream.ts'
import { messagePipe, type PipeEnd } from './message-pipe.ts'
import { CapabilityMuxer } from './muxer.ts'

const ID = { name: 'talk', version: 1 }
const log = defaultLogger().forComponent('test')
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A stream on one end of a pipe; what it hears is kept. */
function streamOn(end: PipeEnd): { readonly stream: Stream; readonly heard: Uint8Array[] } {
  const stream: Stream = new CapabilityStream(end.channel, 'outbound', log)
  const heard: Uint8Array[] = []
  stream.addEventListener('message', ({ data }) => heard.push(data.subarray()))
  return { stream, heard }
}

test('a datum is one message, its code in front; datums are neither merged nor split', async () => {
  const [a, b] = messagePipe(ID)
  const { stream, heard } = streamOn(a)
  stream.send(Uint8Array.of(3, 1, 2))
  stream.send(Uint8Array.of(4))
  expect([await b.channel.read(), await b.channel.read()]).toEqual([
    { code: 3, payload: Uint8Array.of(1, 2) },
    { code: 4, payload: new Uint8Array(0) },
  ])
  b.channel.send(0, Uint8Array.of(9))
  b.channel.send(1, new Uint8Array(0))
  b.channel.send(2, new Uint8Array(70_000))
  await expect.poll(() => heard.length).toBe(3)
  expect(heard.map(({ length }) => length)).toEqual([2, 1, 70_001])
  expect(heard[0]).toEqual(Uint8Array.of(0, 9))
})

test('nothing is lost or merged across pause and resume', async () => {
  const [a, b] = messagePipe(ID)
  const { stream, heard } = streamOn(a)
  b.channel.send(0, Uint8Array.of(1))
  await turn()
  stream.pause()
  for (let index = 2; index <= 20; index++) b.channel.send(0, Uint8Array.of(index))
  await turn()
  expect(heard).toEqual([Uint8Array.of(0, 1)])
  stream.resume()
  await turn()
  stream.pause()
  b.channel.send(0, Uint8Array.of(21))
  await turn()
  stream.resume()
  await turn()
  expect(heard.map((datum) => datum[1])).toEqual(Array.from({ length: 21 }, (_, index) => index + 1))
})

test('a stream that nobody listens to leaves messages in the queue, and the sender waits', async () => {
  const [a, b] = messagePipe(ID)
  const stream = new CapabilityStream(a.channel, 'inbound', log)
  while (b.channel.send(0, new Uint8Array(100_000)));
  let isDrained = false
  const drained = b.channel.drain().then(() => {
    isDrained = true
  })
  await turn()
  expect(isDrained).toBe(false)
  stream.addEventListener('message', () => {})
  await drained
})

test.each(['close', 'abort'] as const)('after %s, what comes is dropped: it holds up nobody', async (how) => {
  const [a, b] = messagePipe(ID)
  const { stream, heard } = streamOn(a)
  await turn()
  if (how === 'close') await stream.close()
  else stream.abort(new Error('enough'))
  for (let sent = 0; sent < 50; sent++) expect(b.channel.send(0, new Uint8Array(100_000))).toBe(true)
  await turn()
  expect(heard).toEqual([])
})

test('a sender is told to wait, and when to go on', async () => {
  const [a, b] = messagePipe(ID)
  const { stream } = streamOn(a)
  let sent = 1
  while (stream.send(new Uint8Array(100_000))) sent++
  expect(stream.writableNeedsDrain).toBe(true)
  const drained = stream.onDrain()
  for (let read = 0; read < sent; read++) await b.channel.read()
  await drained
  expect(stream.writableNeedsDrain).toBe(false)
  expect(stream.send(Uint8Array.of(0))).toBe(true)
})

test('the stream ends with its connection', async () => {
  const [a, b] = messagePipe(ID)
  const { stream, heard } = streamOn(a)
  b.channel.send(0, Uint8Array.of(1))
  b.peer.disconnect('requested')
  await expect.poll(() => stream.status).toBe('closed')
  expect(heard).toEqual([Uint8Array.of(0, 1)])
})

/** The muxer of a connection with one capability. */
function muxerOn(end: PipeEnd, handled: readonly string[] = []): CapabilityMuxer {
  const capability = { ...ID, length: 1 }
  const channels = [{ capability, channel: end.channel }]
  return new CapabilityMuxer({ channels, direction: 'inbound', log, isHandled: (protocol) => handled.includes(protocol) })
}

test('a muxer hands out each capability once, and refuses all else as unsupported', async () => {
  const muxer = muxerOn(messagePipe(ID)[0])
  const refused = { name: 'UnsupportedProtocolError' }
  for (const protocol of ['/ipfs/ping/1.0.0', '/talk/2', '']) await expect(muxer.createStream({ protocol })).rejects.toMatchObject(refused)
  await expect(muxer.createStream()).rejects.toMatchObject(refused)
  const stream = await muxer.createStream({ protocol: '/talk/1' })
  expect([stream.protocol, muxer.streams]).toEqual(['/talk/1', [stream]])
  await expect(muxer.createStream({ protocol: '/talk/1' })).rejects.toMatchObject(refused)
  await muxer.close()
  expect([muxer.streams, stream.status]).toEqual([[], 'closed'])
})

test('a muxer that closes opens nothing', async () => {
  const muxer = muxerOn(messagePipe(ID)[0])
  const closed = muxer.close()
  await expect(muxer.createStream({ protocol: '/talk/1' })).rejects.toMatchObject({ name: 'MuxerClosedError' })
  await closed
  await expect(muxer.createStream({ protocol: '/talk/1' })).rejects.toMatchObject({ name: 'MuxerClosedError' })
})

test('a handled capability is offered to whoever listens, however late', async () => {
  const muxer = muxerOn(messagePipe(ID)[0], ['/talk/1'])
  await turn()
  const offered: string[] = []
  muxer.addEventListener('stream', ({ detail }) => offered.push(detail.protocol))
  await turn()
  muxer.addEventListener('stream', ({ detail }) => offered.push(detail.protocol))
  await turn()
  expect(offered).toEqual(['/talk/1'])
})
