import { type Fault, isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { rawFrame, secretsPair } from '../test/secrets.ts'
import { FRAME_SIZE_MAX, type Frame, FrameReader, FrameWriter } from './frame.ts'
import { uncompress } from './snappy.ts'

const message = fc.record({
  code: fc.oneof(fc.nat(300), fc.nat(0xffff_ffff)),
  payload: fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.nat(5000).map((length) => new Uint8Array(length).fill(length)),
  ),
})

/** All that a reader makes of these chunks, up to the first fault. */
function readAll(reader: FrameReader, chunks: readonly Uint8Array[], sizeMax = FRAME_SIZE_MAX): (Frame | Fault)[] {
  const all: (Frame | Fault)[] = []
  for (const chunk of chunks) {
    reader.push(chunk)
    for (let frame = reader.next(sizeMax); frame !== undefined; frame = reader.next(sizeMax)) {
      all.push(isFault(frame) ? frame : { code: frame.code, data: Uint8Array.from(frame.data) })
      if (isFault(frame)) return all
    }
  }
  return all
}

function chunked(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? bytes.length
    chunks.push(bytes.slice(at, at + size))
    at += size
  }
  return chunks
}

const chunkSizes = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 8 })

test('any messages come through any chunks, byte by byte or at once', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 12 }), fc.array(fc.boolean(), { minLength: 1 }), chunkSizes, (messages, takes, sizes) => {
      const [a, b] = secretsPair()
      const writer = new FrameWriter(a)
      const sealed: Uint8Array[] = []
      for (const [i, { code, payload }] of messages.entries()) {
        if (takes[i % takes.length] || !writer.fits(payload.length)) sealed.push(...writer.take())
        writer.append(code, payload, true)
      }
      sealed.push(...writer.take())
      const bytes = Uint8Array.from(Buffer.concat(sealed))
      for (const chunks of [[bytes.slice()], chunked(bytes, sizes), chunked(bytes.subarray(0, 3000), [1]).concat(bytes.slice(3000))]) {
        const frames = readAll(new FrameReader(b), chunks)
        expect(
          frames.map((frame) =>
            isFault(frame) ? frame : { code: frame.code, payload: Uint8Array.from(uncompress(frame.data, 1 << 24) as Uint8Array) },
          ),
        ).toEqual(messages)
      }
    }),
    { numRuns: 60 },
  )
})

test('a bit flipped anywhere gives a fault, and what was before it stays', () => {
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 3 }), fc.nat(), fc.nat(7), chunkSizes, (messages, where, bit, sizes) => {
      const [a, b] = secretsPair()
      const writer = new FrameWriter(a)
      const ends: number[] = []
      for (const { code, payload } of messages) {
        writer.append(code, payload, false)
        ends.push(writer.pending)
      }
      const bytes = Uint8Array.from(Buffer.concat(writer.take()))
      const at = where % bytes.length
      bytes[at]! ^= 1 << bit
      const untouched = ends.filter((end) => end <= at).length
      const read = readAll(new FrameReader(b), chunked(bytes, sizes))
      const start = untouched === 0 ? 0 : ends[untouched - 1]!
      const fault = at < start + 32 ? 'rlpx/bad-header-mac' : 'rlpx/bad-frame-mac'
      expect(read).toEqual([...messages.slice(0, untouched).map(({ code, payload }) => ({ code, data: payload })), { fault }])
    }),
    { numRuns: 150 },
  )
})

test('a frame left out, repeated or moved gives a fault', () => {
  fc.assert(
    fc.property(fc.constantFrom('omit', 'repeat', 'swap'), fc.nat(2), (what, at) => {
      const [a, b] = secretsPair()
      const writer = new FrameWriter(a)
      const frames = [1, 2, 3, 4].map((code) => {
        writer.append(code, Uint8Array.of(code), false)
        return Buffer.concat(writer.take())
      })
      if (what === 'omit') frames.splice(at, 1)
      if (what === 'repeat') frames.splice(at, 0, frames[at]!)
      if (what === 'swap') frames.splice(at, 2, frames[at + 1]!, frames[at]!)
      expect(readAll(new FrameReader(b), frames).at(-1)).toEqual({ fault: 'rlpx/bad-header-mac' })
    }),
  )
})

test('any content under a right MAC, of any size that the header tells, is a message or a fault', () => {
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.array(fc.constantFrom(0, 1, 0x7f, 0x80, 0x81, 0x84, 0x85, 0xb8, 0xc0, 0xff), { maxLength: 8 }).map((all) => Uint8Array.from(all)),
  )
  fc.assert(
    fc.property(content, fc.option(fc.nat(0xff_ffff)), fc.nat(2049), (bytes, told, sizeMax) => {
      const [a, b] = secretsPair()
      const size = told ?? bytes.length
      const [first] = readAll(new FrameReader(b), [rawFrame(a, bytes, size)], sizeMax)
      if (size === 0) expect(first).toEqual({ fault: 'rlpx/empty-frame' })
      else if (size > sizeMax) expect(first).toMatchObject({ fault: 'rlpx/frame-too-large' })
      else if (first !== undefined && !isFault(first)) expect(first.code).toBeLessThanOrEqual(0xffff_ffff)
    }),
    { numRuns: 500 },
  )
})

test('any bytes are nothing yet, or a fault', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), chunkSizes, (bytes, sizes) => {
      const [, b] = secretsPair()
      const read = readAll(new FrameReader(b), chunked(bytes, sizes))
      expect(read).toEqual(bytes.length < 32 ? [] : [{ fault: 'rlpx/bad-header-mac' }])
    }),
  )
})
