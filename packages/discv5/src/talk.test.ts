import { expect, it } from 'vitest'
import { recordAt } from '../test/party.ts'
import { TALKS_MAX, TalkHandlers } from './talk.ts'

const from = { ip: '127.0.0.1', port: 30303 }
const asker = { node: recordAt(new Uint8Array(32).fill(5), from), from }
const [name, message] = [Uint8Array.of(0x61), Uint8Array.of(1)]

it('answers by handlers of text and of bytes, until they are cancelled', async () => {
  const handlers = new TalkHandlers()
  const cancel = handlers.register('a', () => Uint8Array.of(2))
  expect(() => handlers.register(name, () => message)).toThrowError(expect.objectContaining({ code: 'discv5/talk-protocol-taken' }))
  expect(await handlers.answer(name, message, asker)).toEqual(Uint8Array.of(2))
  cancel()
  handlers.register(name, (asked) => asked)
  cancel()
  expect(await handlers.answer(name, message, asker)).toEqual(message)
})

it('has so many in hand, and answers the others by nothing', async () => {
  const handlers = new TalkHandlers()
  const { promise, resolve } = Promise.withResolvers<Uint8Array>()
  handlers.register('a', () => promise)
  const at = (i: number) => ({ ...asker, from: { ip: `11.1.1.${i >> 6}`, port: i } })
  const answers = Array.from({ length: TALKS_MAX.all + 3 }, (_, i) => handlers.answer(name, message, at(i)))
  expect(handlers.talks).toBe(TALKS_MAX.all)
  resolve(message)
  const empty = (await Promise.all(answers)).filter(({ length }) => length === 0)
  expect([empty.length, handlers.talks]).toEqual([3, 0])
})

it('has so many in hand of one address, whatever its ids, and leaves room for others', async () => {
  const handlers = new TalkHandlers()
  handlers.register('a', () => new Promise(() => {}))
  const node = (i: number) => recordAt(new Uint8Array(32).fill(1 + (i % 3)), from)
  for (let i = 0; i < 2 * TALKS_MAX.sender; i++) {
    void handlers.answer(name, message, { node: node(i), from: { ip: '11.1.1.1', port: i } })
    void handlers.answer(name, message, { node: node(0), from })
  }
  expect(handlers.talks).toBe(2 * TALKS_MAX.sender)
})

it('lets go of one that fails', async () => {
  const handlers = new TalkHandlers()
  handlers.register('a', () => {
    throw new Error('not today')
  })
  await expect(handlers.answer(name, message, asker)).rejects.toThrow('not today')
  expect(handlers.talks).toBe(0)
})
