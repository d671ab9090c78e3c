import type { ByteStream, ByteStreamHandler } from '@kumiko/interface'
import { virtualClock } from '@kumiko/testkit'
import { expect, test } from 'vitest'
import { acceptRlpx, connectRlpx, type RlpxConnection } from '../src/connection.ts'
import { testNode } from './node.ts'

/** One end of a stream that delivers all that was written in a turn as one chunk. */
class LumpStream implements ByteStream {
  readonly remote = { host: '127.0.0.1', port: 1 }
  handler: ByteStreamHandler | undefined
  other: LumpStream | undefined
  readonly queuedBytes = 0
  #written: Uint8Array[] = []

  write(...pieces: Uint8Array[]): boolean {
    if (this.#written.length === 0) setImmediate(() => this.#deliver())
    this.#written.push(...pieces)
    return true
  }

  pause(): void {}
  resume(): void {}

  end(): void {
    setImmediate(() => this.other?.handler?.onClose())
  }

  destroy(): void {
    this.handler?.onClose()
  }

  #deliver(): void {
    const chunk = Buffer.concat(this.#written)
    this.#written = []
    this.other?.handler?.onData(chunk)
  }
}

test('a Disconnect in the same chunk as Hello fails the dial, and tells why', async () => {
  const [near, far] = [new LumpStream(), new LumpStream()]
  near.other = far
  far.other = near
  const clock = virtualClock()
  const [us, them] = [testNode(1), testNode(2)]
  const begun: RlpxConnection[] = []
  const refuse = (): undefined => {
    queueMicrotask(() => begun[0]?.disconnect('too-many-peers'))
  }
  const accepted = acceptRlpx(far, {
    session: them,
    clock,
    onBegin: (connection) => begun.push(connection),
    checkpoints: { encrypted: refuse, upgraded: () => undefined },
  })
  const dial = connectRlpx(near, them.publicKey, { session: us, clock })
  const reason = 'too-many-peers'
  expect(await Promise.allSettled([dial, accepted])).toMatchObject([
    { status: 'rejected', reason: { code: 'rlpx/disconnected', context: { by: 'remote', reason } } },
    { status: 'rejected', reason: { code: 'rlpx/disconnected', context: { by: 'local', reason } } },
  ])
})

test('messages in the same chunk as Hello wait to be served, and none is lost', async () => {
  const [near, far] = [new LumpStream(), new LumpStream()]
  near.other = far
  far.other = near
  const clock = virtualClock()
  const [us, them] = [testNode(1), testNode(2)]
  const counted: number[] = []
  const traffic = { bytes: () => {}, message: (_way: string, _capability: object, code: number) => counted.push(code) }
  const accepting = acceptRlpx(far, { session: them, clock, awaitServe: true, traffic })
  const dialed = await connectRlpx(near, them.publicKey, { session: us, clock })
  for (const code of [0, 1, 2]) dialed.channels[0]?.channel.send(code, Uint8Array.of(code))
  const accepted = await accepting
  await new Promise(setImmediate)
  expect(counted).toEqual([])
  accepted.serve()
  const channel = accepted.channels[0]?.channel
  expect([await channel?.read(), await channel?.read(), await channel?.read()]).toMatchObject([{ code: 0 }, { code: 1 }, { code: 2 }])
  expect(counted).toEqual([0, 1, 2])
  for (const connection of [dialed, accepted]) connection.destroy()
})
