import type { Capability, Message } from '@kumiko/interface'
import { expect, test } from 'vitest'
import { messagePipe } from './message-pipe.ts'

const ID = { name: 'talk', version: 1 }

test('messages arrive whole and in order, as copies', async () => {
  const [a, b] = messagePipe(ID)
  const sent = Uint8Array.of(1, 2, 3)
  a.channel.send(0, sent)
  a.channel.send(5, new Uint8Array(0))
  sent.fill(9)
  expect([await b.channel.read(), await b.channel.read()]).toEqual([
    { code: 0, payload: Uint8Array.of(1, 2, 3) },
    { code: 5, payload: new Uint8Array(0) },
  ])
})

test('each end is the peer of the other', () => {
  const [a, b] = messagePipe(ID)
  expect([a.peer.direction, b.peer.direction, a.peer.capabilities]).toEqual(['outbound', 'inbound', [ID]])
  expect(a.peer.nodeId).not.toBe(b.peer.nodeId)
})

test('a capability serves an end until the other disconnects', async () => {
  const [a, b] = messagePipe(ID)
  const capability: Capability = {
    ...ID,
    length: 2,
    run: async (channel) => {
      for await (const { payload } of channel) channel.send(1, payload)
    },
  }
  const served = capability.run?.(b.channel, b.peer)
  a.channel.send(0, Uint8Array.of(7))
  expect(await a.channel.read()).toEqual({ code: 1, payload: Uint8Array.of(7) })
  a.peer.disconnect('useless-peer')
  a.peer.disconnect('requested')
  await served
  expect([await a.disconnected, await b.disconnected]).toEqual(['useless-peer', 'useless-peer'])
  expect(b.peer.signal.reason).toMatchObject({ code: 'rlpx/closed', context: { reason: 'useless-peer' } })
})

test('a sender is held back while the other end does not read', async () => {
  const [a, b] = messagePipe(ID)
  let sent = 0
  while (a.channel.send(0, new Uint8Array(1000))) sent++
  expect(sent).toBeLessThan(1100)
  let isDrained = false
  const drained = a.channel.drain().then(() => {
    isDrained = true
  })
  for (let read = 0; read < sent / 4; read++) await b.channel.read()
  expect(isDrained).toBe(false)
  for (let read = 0; read < sent / 2; read++) await b.channel.read()
  await drained
  expect(a.channel.send(0, new Uint8Array(1))).toBe(true)
})

test('who waits to send is told when the pipe ends, or by its own signal', async () => {
  const [a, b] = messagePipe(ID)
  while (a.channel.send(0, new Uint8Array(100_000)));
  await expect(a.channel.drain({ signal: AbortSignal.abort(new Error('mine')) })).rejects.toThrow('mine')
  const controller = new AbortController()
  const waiting = a.channel.drain({ signal: controller.signal })
  controller.abort(new Error('later'))
  await expect(waiting).rejects.toThrow('later')
  const drained = a.channel.drain()
  b.peer.disconnect('requested')
  await expect(drained).rejects.toMatchObject({ code: 'rlpx/closed' })
})

test('what has arrived can be read after the end, and then nothing', async () => {
  const [a, b] = messagePipe(ID)
  a.channel.send(0, Uint8Array.of(1))
  a.peer.disconnect('requested')
  a.channel.send(0, Uint8Array.of(2))
  const read: Message[] = []
  for await (const message of b.channel) read.push(message)
  expect(read).toEqual([{ code: 0, payload: Uint8Array.of(1) }])
})
