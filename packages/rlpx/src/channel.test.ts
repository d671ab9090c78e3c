import { describe, expect, it } from 'vitest'
import { type ChannelLink, QueuedChannel } from './channel.ts'

/** Writes down what the channel asks of its connection. */
class Recorder implements ChannelLink {
  readonly sent: [number, number, number[]][] = []
  readonly holding: boolean[] = []
  send(index: number, code: number, payload: Uint8Array): boolean {
    this.sent.push([index, code, [...payload]])
    return false
  }
  drain(): Promise<void> {
    return Promise.reject(new Error('drained'))
  }
  holds(isFull: boolean): void {
    this.holding.push(isFull)
  }
}

function make(bounds = { messagesMax: 4, bytesMax: 100 }): { link: Recorder; channel: QueuedChannel } {
  const link = new Recorder()
  return { link, channel: new QueuedChannel({ name: 'aa', version: 1 }, link, 3, bounds) }
}
const payload = (size: number): Uint8Array => new Uint8Array(size).fill(size)

describe('a channel', () => {
  it('sends through its connection, under its index', async () => {
    const { channel, link } = make()
    expect(channel.send(2, Uint8Array.of(7))).toBe(false)
    expect(link.sent).toEqual([[3, 2, [7]]])
    await expect(channel.drain()).rejects.toThrow('drained')
    expect(channel.capability).toEqual({ name: 'aa', version: 1 })
  })

  it('gives messages in order, whether they came before the read or after it', async () => {
    const { channel } = make()
    const early = channel.read()
    for (const code of [1, 2, 3]) channel.deliver(code, payload(code))
    expect(await early).toEqual({ code: 1, payload: payload(1) })
    expect([await channel.read(), await channel.read()]).toEqual([
      { code: 2, payload: payload(2) },
      { code: 3, payload: payload(3) },
    ])
  })

  it('holds its connection back at the bound of messages, and lets it go at half of it', async () => {
    const { channel, link } = make()
    for (let i = 0; i < 3; i++) channel.deliver(i, payload(1))
    expect(link.holding).toEqual([])
    channel.deliver(3, payload(1))
    channel.deliver(4, payload(1))
    expect(link.holding).toEqual([true])
    await channel.read()
    await channel.read()
    expect(link.holding).toEqual([true])
    await channel.read()
    expect(link.holding).toEqual([true, false])
  })

  it('holds it back at the bound of bytes, too, even by one message', async () => {
    const { channel, link } = make()
    channel.deliver(0, payload(100))
    expect(link.holding).toEqual([true])
    expect((await channel.read())?.payload).toHaveLength(100)
    expect(link.holding).toEqual([true, false])
    channel.deliver(0, payload(60))
    channel.deliver(0, payload(39))
    expect(link.holding).toEqual([true, false])
    channel.deliver(0, payload(1))
    expect(link.holding).toEqual([true, false, true])
  })

  it('hands the queue, then every message, to a handler; without one it queues again', async () => {
    const { channel, link } = make()
    const seen: number[] = []
    for (let i = 0; i < 4; i++) channel.deliver(i, payload(1))
    channel.onMessage = (code) => seen.push(code)
    expect(seen).toEqual([0, 1, 2, 3])
    expect(link.holding).toEqual([true, false])
    channel.deliver(4, payload(1))
    channel.onMessage = undefined
    channel.deliver(5, payload(1))
    expect(seen).toEqual([0, 1, 2, 3, 4])
    expect((await channel.read())?.code).toBe(5)
  })

  it('stops handing over where the handler takes itself away', async () => {
    const { channel } = make()
    const seen: number[] = []
    for (let i = 0; i < 3; i++) channel.deliver(i, payload(1))
    channel.onMessage = (code) => {
      seen.push(code)
      channel.onMessage = undefined
    }
    expect(seen).toEqual([0])
    expect((await channel.read())?.code).toBe(1)
  })

  it('takes one read at a time', async () => {
    const { channel } = make()
    const first = channel.read()
    await expect(channel.read()).rejects.toMatchObject({ code: 'rlpx/concurrent-read' })
    channel.deliver(1, payload(0))
    expect((await first)?.code).toBe(1)
  })

  it('gives up a read with the signal, and loses nothing by it', async () => {
    const { channel } = make()
    const abort = new AbortController()
    const read = channel.read({ signal: abort.signal })
    abort.abort(new Error('enough'))
    await expect(read).rejects.toThrow('enough')
    await expect(channel.read({ signal: abort.signal })).rejects.toThrow('enough')
    channel.deliver(9, payload(0))
    expect((await channel.read())?.code).toBe(9)
  })

  it('leaves no listener at the signal when the message comes', async () => {
    const { channel } = make()
    const abort = new AbortController()
    const read = channel.read({ signal: abort.signal })
    channel.deliver(1, payload(0))
    await read
    const next = channel.read()
    abort.abort(new Error('late'))
    channel.deliver(2, payload(0))
    expect((await next)?.code).toBe(2)
  })

  it('gives what is queued when the connection has ended, then nothing, and takes no more', async () => {
    const { channel } = make()
    channel.deliver(1, payload(0))
    channel.close()
    channel.deliver(2, payload(0))
    const codes: number[] = []
    for await (const { code } of channel) codes.push(code)
    expect(codes).toEqual([1])
    expect(await channel.read()).toBeUndefined()
  })

  it('ends a read that waits when the connection ends', async () => {
    const { channel } = make()
    const read = channel.read()
    channel.close()
    expect(await read).toBeUndefined()
  })
})
