import { connect } from 'node:net'
import { expect, it } from 'vitest'
import { GrpcClient } from '../src/grpc-client.ts'
import { GrpcListener } from '../src/listener.ts'
import { serve } from '../src/serve.ts'
import { chat, Echo, repeat, say, until } from './echo.ts'

/** Numbers that look random, the same each time. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    yield state / 2 ** 32
  }
}

it('clients that vanish at any moment, and a listener that stops under load, leave nothing behind', async () => {
  const random = numbers(7)
  const pick = (below: number): number => Math.floor(random.next().value * below)
  const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, pick(4)))
  let open = 0
  const counted = async <T>(work: () => Promise<T>): Promise<T> => {
    open++
    try {
      return await work()
    } finally {
      open--
    }
  }
  const listener = new GrpcListener({ listen: '127.0.0.1:0' }).add(
    serve(say, (request) => counted(() => pause().then(() => request))),
    serve(repeat, async function* (request, { signal }) {
      open++
      try {
        while (!signal.aborted) yield request
      } finally {
        open--
      }
    }),
    serve(chat, (stream) =>
      counted(async () => {
        for await (const message of stream.messages) if (!stream.send(message)) await stream.drained()
      }),
    ),
  )
  await listener.start()
  const message = { ...Echo.create(), payload: new Uint8Array(5000) }
  const act = async (client: GrpcClient): Promise<void> => {
    const signal = AbortSignal.timeout(1 + pick(20))
    const kind = pick(3)
    if (kind === 0) await client.call(say, message, { signal })
    else if (kind === 1) for await (const _ of client.stream(repeat, message, { signal })) if (pick(20) === 0) return
    if (kind !== 2) return
    const stream = client.duplex(chat, { signal })
    for (let n = pick(30); n > 0; n--) if (!stream.send(message)) await stream.drained()
    if (pick(2) === 0) stream.end()
    for await (const _ of stream.messages) if (pick(20) === 0) return
  }
  const port = Number(listener.address.split(':')[1])
  const worker = async (): Promise<void> => {
    for (let round = 0; round < 12; round++) {
      const client = new GrpcClient({ address: listener.address })
      await Promise.allSettled(Array.from({ length: 12 }, () => act(client)))
      const broken = Array.from({ length: 3 }, () => act(client))
      client.close()
      const noise = connect(port, '127.0.0.1').on('error', () => {})
      noise.end(Buffer.from(Array.from({ length: 200 }, () => pick(256))))
      await Promise.allSettled(broken)
    }
  }
  await Promise.all(Array.from({ length: 4 }, worker))
  await until(() => open === 0)
  const client = new GrpcClient({ address: listener.address })
  const last = Promise.allSettled(Array.from({ length: 50 }, () => act(client)))
  await pause()
  await listener.stop(100)
  await last
  client.close()
  await until(() => open === 0)
  expect(open).toBe(0)
})
