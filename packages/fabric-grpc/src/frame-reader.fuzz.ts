import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrameReader, frameHeader } from './frame-reader.ts'
import { percentEncode } from './header-value.ts'
import { RpcError } from './rpc-error.ts'

const parameters = { seed: 6, numRuns: 300 }

function readAll(reader: FrameReader): (Uint8Array | RpcError)[] {
  const all: (Uint8Array | RpcError)[] = []
  for (let next = reader.next(); next !== undefined; next = reader.next()) {
    all.push(next)
    if (next instanceof RpcError) break
  }
  return all
}

function cut(bytes: Uint8Array, at: readonly number[]): Uint8Array[] {
  const ends = [...at.map((end) => end % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return ends.map((end, n) => bytes.subarray(ends[n - 1] ?? 0, end))
}

describe('the cutting of bytes into messages', () => {
  it('finds what was put in, however it comes', () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 10 })
    fc.assert(
      fc.property(messages, fc.array(fc.nat(1000), { maxLength: 20 }), (messages, at) => {
        const bytes = new Uint8Array(Buffer.concat(messages.flatMap((each) => [frameHeader(each.length), each])))
        const reader = new FrameReader(100)
        const read = cut(bytes, at).flatMap((chunk) => {
          reader.push(chunk)
          return readAll(reader)
        })
        expect(read.map((each) => (each instanceof RpcError ? each : new Uint8Array(each)))).toEqual(messages)
        expect(reader.isMidway).toBe(false)
      }),
      parameters,
    )
  })

  it('gives messages within the limit, or an error, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 10 }), (chunks) => {
        const reader = new FrameReader(100)
        for (const chunk of chunks) {
          reader.push(chunk)
          for (const each of readAll(reader)) {
            if (each instanceof RpcError) return
            expect(each.length).toBeLessThanOrEqual(100)
          }
        }
      }),
      parameters,
    )
  })

  it('gathers a large message from small parts', () => {
    const reader = new FrameReader(1_000_000)
    const message = Uint8Array.from({ length: 500_000 }, (_, at) => at % 251)
    reader.push(frameHeader(message.length))
    for (let at = 0; at < message.length; at += 7) {
      expect(reader.next()).toBeUndefined()
      reader.push(message.subarray(at, at + 7))
    }
    expect(reader.next()).toEqual(message)
  })
})

describe('a message in a header', () => {
  it('is what decodeURIComponent understands, in printable ASCII', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const encoded = percentEncode(text)
        expect(encoded).toMatch(/^[ -~]*$/)
        expect(decodeURIComponent(encoded)).toBe(text)
      }),
      parameters,
    )
    expect(percentEncode('50 % ü\n')).toBe('50 %25 %C3%BC%0A')
  })
})
