import { keccak_256 } from '@noble/hashes/sha3.js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RunningKeccak } from './running-keccak.ts'

/** Lengths around the block of 136 bytes and around what fits the module's memory at once. */
const part = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.integer({ min: 130, max: 280 }).map((length) => new Uint8Array(length).fill(length)),
  fc.constantFrom(135, 136, 137, 272, 474 * 136 - 1, 474 * 136, 474 * 136 + 1).map((length) => new Uint8Array(length).fill(7)),
)
const step = fc.record({ of: fc.nat(3), part, isLook: fc.boolean() })

test('several at once agree with a plain keccak-256 at every look', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const running = [0, 1, 2, 3].map(() => ({ hash: new RunningKeccak(), plain: keccak_256.create() }))
      for (const { of, part, isLook } of steps) {
        const { hash, plain } = running[of]!
        hash.absorb(part)
        plain.update(part)
        if (isLook) expect(Uint8Array.from(hash.look())).toEqual(plain.clone().digest())
      }
      for (const { hash, plain } of running) expect(Uint8Array.from(hash.look())).toEqual(plain.digest())
    }),
    { numRuns: 60 },
  )
})

test('a look changes nothing, and one byte at a time is as good as all at once', () => {
  const bytes = Uint8Array.from({ length: 600 }, (_, i) => i & 0xff)
  const whole = new RunningKeccak()
  whole.absorb(bytes)
  const single = new RunningKeccak()
  for (let at = 0; at < bytes.length; at++) {
    expect(Uint8Array.from(single.look())).toEqual(keccak_256(bytes.subarray(0, at)))
    single.absorb(bytes.subarray(at, at + 1))
  }
  expect(Uint8Array.from(single.look())).toEqual(Uint8Array.from(whole.look()))
})
