import { systemClock } from '@kumiko/interface'
import { virtualClock } from '@kumiko/testkit'
import type { Stream } from '@libp2p/interface'
import * as multistream from '@libp2p/multistream-select'
import { lpStream, streamPair } from '@libp2p/utils'
import { describe, expect, test } from 'vitest'
import { encodeToken, MULTISTREAM } from './negotiation.ts'
import { answerProtocol, askForProtocol } from './settle.ts'

type Ask = (stream: Stream, protocols: string[]) => Promise<string>
const options = { clock: systemClock, timeoutMs: 10_000 }
const ours = {
  ask: ((stream, protocols) => askForProtocol(stream, protocols, options)) satisfies Ask,
  answer: ((stream, protocols) => answerProtocol(stream, protocols, options)) satisfies Ask,
}
const theirs = {
  ask: ((stream, protocols) => multistream.select(stream, protocols)) satisfies Ask,
  answer: ((stream, protocols) => multistream.handle(stream, protocols)) satisfies Ask,
}

async function text(stream: Stream): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk.subarray())
  return Buffer.concat(chunks).toString()
}

describe.each([
  ['ours with js-libp2p’s', ours.ask, theirs.answer],
  ['js-libp2p’s with ours', theirs.ask, ours.answer],
  ['ours with ours', ours.ask, ours.answer],
])('%s', (_, ask, answer) => {
  test.each([
    ['the only one', ['/a'], ['/a']],
    ['the second of them', ['/a', '/b'], ['/x', '/b']],
    ['the first of those that both have', ['/a', '/b', '/c'], ['/c', '/b']],
  ])('settle on %s', async (_name, asked, served) => {
    const [dialed, accepted] = await streamPair()
    const expected = asked.find((protocol) => served.includes(protocol))
    expect(await Promise.all([ask(dialed, asked), answer(accepted, served)])).toEqual([expected, expected])
  })

  test('lose nothing that is said right behind', async () => {
    const [dialed, accepted] = await streamPair()
    const answered = answer(accepted, ['/a']).then(async () => {
      accepted.send(Buffer.from('from the one, '))
      accepted.send(Buffer.from('and more'))
      await accepted.close()
      return await text(accepted)
    })
    await ask(dialed, ['/a'])
    dialed.send(Buffer.from('from the other'))
    const [heard] = await Promise.all([text(dialed), dialed.close()])
    expect([heard, await answered]).toEqual(['from the one, and more', 'from the other'])
  })

  test('find none', async () => {
    const [dialed, accepted] = await streamPair()
    const answered = answer(accepted, ['/x']).catch((error: Error) => error)
    await expect(ask(dialed, ['/a', '/b'])).rejects.toMatchObject({ name: 'UnsupportedProtocolError' })
    dialed.abort(new Error('nothing in common'))
    expect(await answered).toBeInstanceOf(Error)
  })
})

test('what is sent without waiting for the answer is the protocol’s', async () => {
  const [dialed, accepted] = await streamPair()
  dialed.send(Buffer.concat([encodeToken(MULTISTREAM), encodeToken('/a'), Buffer.from('at once')]))
  dialed.send(Buffer.from(', and then'))
  void dialed.close()
  expect(await answerProtocol(accepted, ['/a'], options)).toBe('/a')
  expect(await text(accepted)).toBe('at once, and then')
})

test('a remote may ask what is served', async () => {
  const [dialed, accepted] = await streamPair()
  void answerProtocol(accepted, ['/a', '/b'], options).catch(() => {})
  const stream = lpStream(dialed)
  await stream.writeV([Buffer.from(`${MULTISTREAM}\n`), Buffer.from('ls\n')])
  expect(Buffer.from((await stream.read()).subarray()).toString()).toBe(`${MULTISTREAM}\n`)
  expect(Buffer.from((await stream.read()).subarray()).toString()).toBe('\x03/a\n\x03/b\n\n')
  dialed.abort(new Error('that was all'))
})

describe('it ends', () => {
  const failures: readonly [string, (remote: Stream) => unknown, string][] = [
    ['when nonsense comes', (remote) => remote.send(Uint8Array.of(0xff, 0xff, 0xff)), 'InvalidMessageError'],
    ['when the remote says no more', (remote) => remote.close(), 'StreamResetError'],
    ['when the remote says half a token', (remote) => [remote.send(Uint8Array.of(9, 1)), remote.close()], 'StreamResetError'],
    ['when the stream is reset', (remote) => remote.abort(new Error('no')), 'StreamResetError'],
  ]
  test.each(failures)('%s', async (_, spoil, name) => {
    for (const settle of [ours.ask, ours.answer]) {
      const [dialed, accepted] = await streamPair()
      const settling = settle(dialed, ['/a'])
      await Promise.all([expect(settling).rejects.toMatchObject({ name }), spoil(accepted)])
    }
  })

  test('when the time is up, and not before', async () => {
    const [dialed] = await streamPair()
    const clock = virtualClock()
    let end: unknown
    const settling = askForProtocol(dialed, ['/a'], { clock, timeoutMs: 1_000 }).catch((error: unknown) => {
      end = error
    })
    await clock.advance(999)
    expect(end).toBeUndefined()
    await clock.advance(1)
    await settling
    expect(end).toMatchObject({ name: 'TimeoutError' })
    expect([dialed.listenerCount('message'), clock.pending]).toEqual([0, 0])
  })

  test('when the signal says so, with its reason', async () => {
    const [dialed] = await streamPair()
    const [gone, going] = [AbortSignal.abort(new Error('before')), new AbortController()]
    await expect(askForProtocol(dialed, ['/a'], { clock: systemClock, signal: gone })).rejects.toThrow('before')
    const settling = askForProtocol(dialed, ['/a'], { clock: systemClock, signal: going.signal })
    going.abort(new Error('meanwhile'))
    await expect(settling).rejects.toThrow('meanwhile')
    expect(dialed.listenerCount('message')).toBe(0)
  })
})
