import fc from 'fast-check'
import * as native from 'snappy'
import snappyjs from 'snappyjs'
import { expect, test } from 'vitest'
import { compress, compressedSizeMax, uncompress } from './snappy.ts'

const SIZE_MAX = 1 << 24

/** Text that repeats itself near and far, by way of a small alphabet and of copies of what was before. */
const compressible = fc
  .array(
    fc.oneof(fc.uint8Array({ max: 3, maxLength: 70 }), fc.record({ back: fc.integer({ min: 1, max: 70_000 }), length: fc.nat(300) })),
    {
      maxLength: 40,
    },
  )
  .map((parts) => {
    const bytes: number[] = []
    for (const part of parts) {
      if (part instanceof Uint8Array) bytes.push(...part)
      else for (let i = 0; i < part.length && part.back <= bytes.length; i++) bytes.push(bytes[bytes.length - part.back]!)
    }
    return Uint8Array.from(bytes)
  })

/** Beyond a block of 64 KiB: random bytes, and runs, of which some lie across the border. */
const large = fc
  .record({ seed: fc.nat(), length: fc.integer({ min: 65_000, max: 200_000 }), period: fc.constantFrom(0, 1, 7, 300, 65_536) })
  .map(({ seed, length, period }) => {
    const bytes = new Uint8Array(length)
    let state = seed | 1
    for (let i = 0; i < length; i++) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) | 0
      bytes[i] = period > 0 && i >= period && i % 1000 > 20 ? bytes[i - period]! : state >>> 16
    }
    return bytes
  })

function expectAgreement(plain: Uint8Array): void {
  const ours = compress(plain)
  expect(ours.length).toBeLessThanOrEqual(compressedSizeMax(plain.length))
  const forms = [ours, native.compressSync(plain), snappyjs.compress(plain)]
  for (const form of forms) {
    const copy = Uint8Array.from(form)
    for (const opened of [
      uncompress(copy, SIZE_MAX),
      native.uncompressSync(Buffer.from(form)),
      snappyjs.uncompress(Uint8Array.from(form)),
    ]) {
      expect(Buffer.compare(opened as Uint8Array, plain)).toBe(0)
    }
  }
}

test('what is compressed is uncompressed, by us, by the C++ library and by snappyjs, in all directions', () => {
  fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), compressible), expectAgreement), { numRuns: 400 })
})

test('so it is beyond a block', () => {
  fc.assert(fc.property(large, expectAgreement), { numRuns: 12 })
})

test('so it is at every length up to 140, of one byte over and over and of ever new ones', () => {
  for (let length = 0; length <= 140; length++) {
    expectAgreement(new Uint8Array(length).fill(length))
    expectAgreement(Uint8Array.from({ length }, (_, i) => (i * i * 31) & 0xff))
  }
})

test('what repeats becomes small, what does not grows by little', () => {
  expect(compress(new Uint8Array(1 << 20)).length).toBeLessThan(60_000)
  const noise = Uint8Array.from({ length: 100_000 }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 11)
  expect(compress(noise).length).toBeLessThan(100_100)
})

/** Elements as the format has them, each form; most add up to the declared length, and most copies reach back to what is there. */
const element = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 20 }).map((bytes) => ({ size: bytes.length, bytes: [(bytes.length - 1) << 2, ...bytes] })),
  fc.record({ length: fc.integer({ min: 4, max: 11 }), back: fc.integer({ min: 0, max: 12 }) }).map(({ length, back }) => ({
    size: length,
    bytes: [((length - 4) << 2) | 1, back],
  })),
  fc
    .record({ length: fc.integer({ min: 1, max: 64 }), back: fc.integer({ min: 1, max: 20 }), form: fc.constantFrom(2, 3) })
    .map(({ length, back, form }) => ({ size: length, bytes: [((length - 1) << 2) | form, back, ...(form === 2 ? [0] : [0, 0, 0])] })),
)
const elements = fc
  .tuple(fc.array(element, { maxLength: 6 }), fc.constantFrom(0, 0, 0, 0, 1, -1), fc.constantFrom(0, 0, 0, 0, 1, 2))
  .map(([all, error, cut]) => {
    const bytes = all.flatMap((one) => one.bytes)
    const length = Math.max(0, all.reduce((sum, { size }) => sum + size, 0) + error)
    return Uint8Array.of(...(length < 0x80 ? [length] : [(length & 0x7f) | 0x80, length >> 7]), ...bytes.slice(0, bytes.length - cut))
  })
const junk = fc.oneof({ weight: 5, arbitrary: elements }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 2 }) })

test('any bytes are what the C++ library says, or a fault', () => {
  let accepted = 0
  fc.assert(
    fc.property(junk, (input) => {
      const opened = uncompress(Uint8Array.from(input), 1 << 20)
      let wanted: Uint8Array | undefined
      try {
        wanted = native.uncompressSync(Buffer.from(input)) as Uint8Array
      } catch {}
      if (wanted !== undefined) accepted++
      expect('fault' in opened ? undefined : [...opened]).toEqual(wanted === undefined ? undefined : [...wanted])
    }),
    { numRuns: 2000, seed: 706 },
  )
  expect(accepted).toBeGreaterThan(200)
})

test('a damaged byte gives a value of the declared length, or a fault', () => {
  fc.assert(
    fc.property(compressible, fc.nat(), fc.integer({ min: 1, max: 255 }), (plain, at, change) => {
      const damaged = Uint8Array.from(compress(plain))
      damaged[at % damaged.length]! ^= change
      const opened = uncompress(damaged, 50_000)
      expect('fault' in opened || opened.length <= 50_000).toBe(true)
    }),
    { numRuns: 500 },
  )
})
