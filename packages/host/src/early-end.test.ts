import type { Stream } from '@libp2p/interface'
import { byteStream, streamPair } from '@libp2p/utils'
import { describe, expect, test } from 'vitest'
import { tellEarlyEnd } from './early-end.ts'

/** A stream whose remote has sent all, and ended, before anyone reads. */
async function endedStream(data: string): Promise<Stream> {
  const [local, remote] = await streamPair()
  if (data !== '') remote.send(Buffer.from(data))
  await remote.close()
  await expect.poll(() => local.remoteWriteStatus).toBe('closed')
  return local
}

describe.each(['', 'a short request'])('where the end came before the reader, after %j', (data) => {
  test('iteration ends, with all of it', async () => {
    const stream = await endedStream(data)
    tellEarlyEnd(stream)
    const chunks: Uint8Array[] = []
    for await (const chunk of stream) chunks.push(chunk.subarray())
    expect(Buffer.concat(chunks).toString()).toBe(data)
  })

  test('js-libp2p’s reader gets all of it, and the end', async () => {
    const stream = await endedStream(data)
    tellEarlyEnd(stream)
    const reader = byteStream(stream)
    if (data !== '') expect(Buffer.from((await reader.read())?.subarray() ?? []).toString()).toBe(data)
    expect(await reader.read()).toBe(null)
  })

  test('it can still answer', async () => {
    const [local, remote] = await streamPair()
    const answer = (async () => {
      for await (const chunk of remote) return Buffer.from(chunk.subarray()).toString()
      return undefined
    })()
    if (data !== '') remote.send(Buffer.from(data))
    await remote.close()
    await expect.poll(() => local.remoteWriteStatus).toBe('closed')
    tellEarlyEnd(local)
    local.send(Buffer.from('answer'))
    expect(await answer).toBe('answer')
  })
})

test('a stream that goes on is left alone', async () => {
  const [local, remote] = await streamPair()
  tellEarlyEnd(local)
  remote.send(Buffer.from('later'))
  const chunks: Uint8Array[] = []
  const read = (async () => {
    for await (const chunk of local) chunks.push(chunk.subarray())
  })()
  await remote.close()
  await read
  expect(Buffer.concat(chunks).toString()).toBe('later')
})
