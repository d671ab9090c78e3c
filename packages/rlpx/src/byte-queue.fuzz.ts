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

test('a megabyte that comes byte by byte is kept in some hundred pieces, not in a million', () => {
  const queue = new ByteQueue()
  const before = process.memoryUsage().heapUsed
  for (let i = 0; i < 1 << 20; i++) queue.push(Uint8Array.of(i & 0xff))
  globalThis.gc?.()
  // A Uint8Array alone is 200 bytes and more.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(100 << 20)
  const taken = queue.take(1 << 20)
  expect(taken?.every((byte, i) => byte === (i & 0xff))).toBe(true)
})

test('chunks of all sizes, small ones copied together, keep their order; what was taken is not written to', () => {
  const sizes = [1, 511, 512, 513, 2047, 2048, 2049, 4096]
  const queue = new ByteQueue()
  const taken: Uint8Array[] = []
  let written = 0
  for (let i = 0; i < 400; i++) {
    queue.push(Uint8Array.from({ length: sizes[(i * 5 + (i >> 3)) % sizes.length] ?? 1 }, () => written++ & 0xff))
    if (i % 3 === 2) taken.push(queue.take(Math.min(queue.length, 1000 + i)) ?? new Uint8Array())
  }
  taken.push(queue.take(queue.length) ?? new Uint8Array())
  expect(Buffer.concat(taken).every((byte, i) => byte === (i & 0xff))).toBe(true)
  expect(Buffer.concat(taken)).toHaveLength(written)
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
