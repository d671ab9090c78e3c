import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteQueue } from './byte-queue.ts'

const step = fc.oneof(
  fc.record({ do: fc.constant('push' as const), bytes: fc.uint8Array({ maxLength: 40 }) }),
  fc.record({ do: fc.constantFrom('take' as const, 'peek' as const), count: fc.nat(60), isScratch: fc.boolean() }),
)

test('whatever the chunks and the takes, the bytes are the same, in order', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new ByteQueue()
      const scratch = new Uint8Array(30)
      let left: number[] = []
      for (const next of steps) {
        if (next.do === 'push') {
          queue.push(next.bytes)
          left.push(...next.bytes)
        } else {
          const got = queue[next.do](next.count, next.isScratch ? scratch : undefined)
          expect(got && [...got]).toEqual(next.count <= left.length ? left.slice(0, next.count) : undefined)
          if (next.do === 'take' && next.count <= left.length) left = left.slice(next.count)
        }
        expect(queue.length).toBe(left.length)
      }
    }),
    { numRuns: 300 },
  )
})

test('thousands of small chunks are forgotten as they are taken', () => {
  const queue = new ByteQueue()
  for (let i = 0; i < 20_000; i++) {
    queue.push(Uint8Array.of(i & 0xff, (i >> 8) & 0xff))
    if (i < 100) continue
    const from = 2 * (i - 100)
    expect(queue.take(2)).toEqual(Uint8Array.of((from / 2) & 0xff, ((from / 2) >> 8) & 0xff))
  }
  expect(queue.length).toBe(200)
})
