import { createDecipheriv } from 'node:crypto'
import { keccak256 } from '@kumiko/identity'
import type { Fault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { rawFrame, secretsPair } from '../test/secrets.ts'
import { hex, vectors } from '../test/vectors.ts'
import { FRAME_SIZE_MAX, type Frame, FrameReader, FrameWriter } from './frame.ts'
import { BASE_MESSAGE_SIZE_MAX } from './hello.ts'
import { MESSAGE_SIZE_MAX } from './session.ts'
import { compress } from './snappy.ts'

interface Vectors {
  readonly frame: { readonly msgCode: number; readonly msgDataRlp: string; readonly frame: string; readonly frameContent: string }
  readonly limits: {
    readonly maxFrameSize: number
    readonly maxUncompressedMessage: { readonly reth: number }
    readonly helloMax: number
    readonly basePayloadMax: number
    readonly zeroHeader: string
  }
}
const { frame: golden, limits } = vectors<Vectors>('rlpx-frame')

/** Frames whose header size and content a test makes up, sealed by the MACs of a real writer. */
function sealed(code: number, data: Uint8Array): { bytes: Uint8Array; reader: FrameReader } {
  const [a, b] = secretsPair()
  const writer = new FrameWriter(a)
  writer.append(code, data, false)
  return { bytes: Buffer.concat(writer.take()), reader: new FrameReader(b) }
}

function read(reader: FrameReader, bytes: Uint8Array, sizeMax: number = FRAME_SIZE_MAX): Frame | Fault | undefined {
  reader.push(bytes)
  return reader.next(sizeMax)
}

describe('the golden frame', () => {
  // Its MACs are those of a made-up hash, so what is compared is all but them.
  const aes = keccak256(new Uint8Array())
  const wanted = hex(golden.frame)

  it('has our layout, header and body', () => {
    const writer = new FrameWriter({ aes, mac: aes, egress: [], ingress: [] })
    writer.append(golden.msgCode, hex(golden.msgDataRlp), false)
    const frame = Buffer.concat(writer.take())
    expect(frame.length).toBe(wanted.length)
    expect(Buffer.from(frame.subarray(0, 16))).toEqual(Buffer.from(wanted.subarray(0, 16)))
    expect(Buffer.from(frame.subarray(32, 48))).toEqual(Buffer.from(wanted.subarray(32, 48)))
  })

  it('decrypts to a size, the header data that nobody uses, and the padded content', () => {
    const plain = createDecipheriv('aes-256-ctr', aes, new Uint8Array(16)).update(
      Buffer.concat([wanted.subarray(0, 16), wanted.subarray(32, 48)]),
    )
    expect(plain.toString('hex')).toBe(`000006${limits.zeroHeader}${'00'.repeat(10)}${golden.frameContent}${'00'.repeat(10)}`)
  })
})

it('has the published limits', () => {
  expect([FRAME_SIZE_MAX, MESSAGE_SIZE_MAX]).toEqual([limits.maxFrameSize, limits.maxUncompressedMessage.reth])
  expect([BASE_MESSAGE_SIZE_MAX, BASE_MESSAGE_SIZE_MAX]).toEqual([limits.helloMax, limits.basePayloadMax])
})

describe('codes', () => {
  it.each([
    [0, '80'],
    [1, '01'],
    [0x7f, '7f'],
    [0x80, '8180'],
    [0xff, '81ff'],
    [0x100, '820100'],
    [0xffff, '82ffff'],
    [0x1_0000, '83010000'],
    [0xff_ffff, '83ffffff'],
    [0x100_0000, '8401000000'],
    [0xffff_ffff, '84ffffffff'],
  ])('%i is %s on the wire and back', (code, wire) => {
    const [a, b] = secretsPair()
    const writer = new FrameWriter(a)
    writer.append(code, Uint8Array.of(0xaa), false)
    const bytes = Buffer.concat(writer.take())
    const plain = createDecipheriv('aes-256-ctr', a.aes, new Uint8Array(16)).update(
      Buffer.concat([bytes.subarray(0, 16), bytes.subarray(32, -16)]),
    )
    expect(plain.subarray(16).toString('hex').startsWith(`${wire}aa`)).toBe(true)
    expect(plain.readUIntBE(0, 3)).toBe(wire.length / 2 + 1)
    expect(read(new FrameReader(b), bytes)).toMatchObject({ code, data: Buffer.of(0xaa) })
  })

  it.each([
    ['a zero that is not canonical', '00'],
    ['a single byte with a prefix', '817f'],
    ['a leading zero', '820001'],
    ['five bytes', '850100000000'],
    ['a code that is cut', '83ffff'],
    ['a list', 'c101'],
    ['a long string', 'b801'],
  ])('refuse %s', (_, content) => {
    const [a, b] = secretsPair()
    expect(read(new FrameReader(b), rawFrame(a, hex(content)))).toMatchObject({ fault: 'rlpx/bad-code' })
  })
})

describe('sizes', () => {
  it('are multiples of 16 on the wire, with no padding where none is needed', () => {
    for (let size = 1; size <= 33; size++) {
      const { bytes, reader } = sealed(1, new Uint8Array(size - 1).fill(9))
      expect(bytes.length).toBe(32 + Math.ceil(size / 16) * 16 + 16)
      expect(read(reader, bytes)).toMatchObject({ code: 1, data: Buffer.alloc(size - 1, 9) })
    }
  })

  it('over the allowed one fault as soon as the header is there', () => {
    const { bytes, reader } = sealed(1, new Uint8Array(100))
    expect(read(reader, bytes.subarray(0, 31), 100)).toBeUndefined()
    expect(read(reader, bytes.subarray(31, 32), 100)).toMatchObject({ fault: 'rlpx/frame-too-large' })
    const other = sealed(1, new Uint8Array(99))
    expect(read(other.reader, other.bytes, 100)).toMatchObject({ code: 1 })
  })

  it('of zero fault', () => {
    const [a, b] = secretsPair()
    expect(read(new FrameReader(b), rawFrame(a, new Uint8Array()))).toEqual({ fault: 'rlpx/empty-frame' })
  })

  it('of 15 MiB pass, in chunks as a socket has them', () => {
    const data = Buffer.alloc(15 << 20)
    for (let at = 0; at < data.length; at += 4) data.writeUInt32LE(Math.imul(at, 0x9e3779b1) >>> 0, at)
    const { bytes, reader } = sealed(0x10, data)
    for (let at = 0; at < bytes.length; at += 65_536) {
      expect(reader.next(FRAME_SIZE_MAX)).toBeUndefined()
      reader.push(bytes.subarray(at, at + 65_536))
    }
    const frame = reader.next(FRAME_SIZE_MAX) as Frame
    expect([frame.code, Buffer.compare(frame.data, data)]).toEqual([0x10, 0])
  })

  it('of what does not fit a frame are refused, and nothing is appended', () => {
    const [a, b] = secretsPair()
    const writer = new FrameWriter(a)
    const noise = Buffer.alloc(FRAME_SIZE_MAX)
    for (let at = 0; at + 4 <= noise.length; at += 4) noise.writeUInt32LE(Math.imul(at, 0x9e3779b1) >>> 0, at)
    expect(() => writer.append(1, new Uint8Array(FRAME_SIZE_MAX + 1), true)).toThrow(
      expect.objectContaining({ code: 'rlpx/message-too-large' }),
    )
    expect(() => writer.append(1, noise, false)).toThrow(expect.objectContaining({ code: 'rlpx/message-too-large' }))
    expect([writer.pending, writer.take()]).toEqual([0, []])
    writer.append(1, noise.subarray(1), false)
    expect(read(new FrameReader(b), Buffer.concat(writer.take()))).toMatchObject({ code: 1, data: { length: FRAME_SIZE_MAX - 1 } })
  })
})

describe('a writer', () => {
  it('takes many, and seals them in one piece of the size that it told', () => {
    const [a, b] = secretsPair()
    const writer = new FrameWriter(a)
    const reader = new FrameReader(b)
    const payloads = Array.from({ length: 50 }, (_, i) => new Uint8Array(i * 13).fill(i))
    for (const [code, payload] of payloads.entries()) writer.append(code, payload, true)
    const { pending } = writer
    const bytes = Buffer.concat(writer.take())
    expect(bytes.length).toBe(pending)
    expect([writer.pending, writer.take()]).toEqual([0, []])
    reader.push(bytes)
    for (const [code, payload] of payloads.entries()) {
      expect(reader.next(FRAME_SIZE_MAX)).toMatchObject({ code, data: Buffer.from(compress(payload)) })
    }
    expect(reader.next(FRAME_SIZE_MAX)).toBeUndefined()
  })

  it('hands large bodies over as pieces of their own, among small ones, and at the size where that begins', () => {
    for (const large of [8_160, 8_176, 8_190, 8_191, 8_192, 8_208, 20_000]) {
      const [a, b] = secretsPair()
      const writer = new FrameWriter(a)
      const reader = new FrameReader(b)
      const sizes = [3, large, large, 0, large]
      for (const size of sizes) writer.append(1, new Uint8Array(size).fill(size), false)
      const { pending } = writer
      const pieces = writer.take()
      expect(pieces.reduce((sum, { length }) => sum + length, 0)).toBe(pending)
      for (const piece of pieces) reader.push(piece)
      for (const size of sizes) expect(reader.next(FRAME_SIZE_MAX)).toEqual({ code: 1, data: Buffer.alloc(size, size) })
    }
  })

  it('tells when what waits must be taken first, and throws where it was not', () => {
    const [a] = secretsPair()
    const writer = new FrameWriter(a)
    writer.append(1, new Uint8Array(40_000), false)
    expect([writer.fits(1000), writer.fits(40_000)]).toEqual([true, false])
    expect(() => writer.append(1, new Uint8Array(40_000), false)).toThrow(expect.objectContaining({ code: 'rlpx/not-taken' }))
    writer.take()
    expect(writer.fits(40_000)).toBe(true)
  })

  it('shares no buffer with another that waits at the same time', () => {
    const pairs = Array.from({ length: 12 }, (_, i) => {
      const [a, b] = secretsPair(i)
      return { writer: new FrameWriter(a), reader: new FrameReader(b) }
    })
    for (let round = 0; round < 3; round++) {
      for (const [i, { writer }] of pairs.entries()) writer.append(i, new Uint8Array(100).fill(i + round), false)
      for (const [i, { writer, reader }] of pairs.entries()) {
        expect(read(reader, Buffer.concat(writer.take()))).toMatchObject({ code: i, data: Buffer.alloc(100, i + round) })
      }
    }
  })
})
