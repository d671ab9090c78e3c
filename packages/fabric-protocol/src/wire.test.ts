import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { decodeVarint, encodeVarint, WireReader, WireWriter } from './wire.ts'

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** All fields as `number:type:raw`, then the fault if any. */
function scan(hex: string): string[] {
  const reader = new WireReader(bytesOf(hex))
  const found: string[] = []
  while (reader.next()) found.push(`${reader.number}:${reader.type}:${hexOf(reader.raw)}`)
  if (reader.fault) found.push(reader.fault.detail ?? '')
  return found
}

describe('WireReader', () => {
  it('reads each wire type', () => {
    expect(scan('089601' + '11' + '0102030405060708' + '1a03616263' + '25' + '01020304')).toEqual([
      '1:0:9601',
      '2:1:0102030405060708',
      '3:2:03616263',
      '4:5:01020304',
    ])
  })

  it('reads numbers as Go does: too-long varints, 64 bits, low 32 bits, negatives', () => {
    const reader = new WireReader(bytesOf('08ffffffffffffffffff01' + '088000' + '08ffffffff8f01'))
    reader.next()
    expect([reader.uint64(), reader.int64(), reader.uint32(), reader.int32(), reader.bool()]).toEqual([
      0xffff_ffff_ffff_ffffn,
      -1n,
      0xffff_ffff,
      -1,
      true,
    ])
    reader.next()
    expect([reader.uint64(), reader.bool()]).toEqual([0n, false])
    reader.next()
    // More than 32 bits: Go keeps the low ones for 32-bit types.
    expect([reader.uint64(), reader.uint32(), reader.int32()]).toEqual([0x8_ffff_ffffn, 0xffff_ffff, -1])
  })

  it('skips groups as one field, and refuses those that end wrongly', () => {
    expect(scan('0b0801' + '13' + '14' + '0c' + '1001')).toEqual(['1:3:080113140c', '2:0:01'])
    expect(scan('0b080114')).toEqual(['a group ends that did not start'])
    expect(scan('0c')).toEqual(['a group ends that did not start'])
    expect(scan('0b0801')).toEqual(['cut short at byte 3'])
    expect(scan('0b'.repeat(10_001) + '0c'.repeat(10_001))).toEqual(['groups are nested too deep'])
  })

  it.each([
    ['00', 'no such field number before byte 1'],
    ['8080808010', 'no such field number before byte 5'],
    ['0e', 'no such wire type before byte 1'],
    ['08', 'cut short at byte 1'],
    ['0880', 'cut short at byte 2'],
    ['0a02ff', 'cut short at byte 3'],
    ['0affffffffffffffffff01', 'cut short at byte 11'],
    ['0d000000', 'cut short at byte 4'],
    ['08ffffffffffffffffff02', 'a varint exceeds 64 bits before byte 11'],
    ['0880808080808080808080', 'a varint exceeds 64 bits before byte 11'],
  ])('refuses %s', (hex, detail) => expect(scan(hex)).toEqual([detail]))

  it('refuses text that is not UTF-8, and keeps a byte order mark', () => {
    const bad = new WireReader(bytesOf('0a02c080'))
    bad.next()
    expect([bad.string(), bad.next(), bad.fault?.detail]).toEqual(['', false, 'field 1 is not UTF-8'])
    const marked = new WireReader(bytesOf('0a04efbbbf61'))
    marked.next()
    expect(marked.string()).toBe('\ufeffa')
  })
})

describe('WireWriter', () => {
  it('omits defaults and writes shortest varints', () => {
    const written = new WireWriter().uint64(1, 0n).string(2, '').bytes(3, new Uint8Array()).bool(4, false).int32(5, 0).finish()
    expect(hexOf(written)).toBe('')
    const some = new WireWriter()
      .uint64(1, 2n ** 64n - 1n)
      .string(2, 'é')
      .element(3, new Uint8Array())
      .bool(4, true)
      .int32(5, -1)
    expect(hexOf(some.finish())).toBe('08ffffffffffffffffff01' + '1202c3a9' + '1a00' + '2001' + '28ffffffffffffffffff01')
  })

  it('refuses misuse', () => {
    const code = (act: () => unknown): unknown => {
      try {
        return act()
      } catch (error) {
        return (error as { code: string }).code
      }
    }
    expect(code(() => new WireWriter().bool(2, true).bool(1, true))).toBe('fabric-protocol/field-order')
    expect(code(() => new WireWriter().uint64(1, -1n))).toBe('fabric-protocol/bad-number')
    expect(code(() => new WireWriter().uint32(1, 2 ** 32))).toBe('fabric-protocol/bad-number')
    expect(code(() => new WireWriter().int32(1, 0.5))).toBe('fabric-protocol/bad-number')
    expect(code(() => new WireWriter().string(1, '\ud800'))).toBe('fabric-protocol/bad-string')
  })
})

describe('varints that stand alone', () => {
  it('are read and written', () => {
    for (const value of [0n, 1n, 127n, 128n, 300n, 2n ** 32n, 2n ** 64n - 1n]) {
      const bytes = encodeVarint(value)
      expect(decodeVarint(bytes, 0)).toEqual({ value, next: bytes.length })
      expect(decodeVarint(bytes.subarray(1), bytes.length)).toBeUndefined()
    }
    expect(isFault(decodeVarint(new Uint8Array(10).fill(0xff), 0))).toBe(true)
  })
})

describe('WireWriter.view', () => {
  it('is what finish copies, of each message after another', () => {
    const writer = new WireWriter()
    const long = new Uint8Array(10_000).fill(7)
    for (const value of [Uint8Array.of(1, 2), long, Uint8Array.of(3)]) {
      const view = new Uint8Array(writer.restart().bytes(1, value).uint32(2, 5).view())
      expect(view).toEqual(new WireWriter().bytes(1, value).uint32(2, 5).finish())
    }
    expect(writer.finish()).toEqual(Uint8Array.of(0x0a, 1, 3, 0x10, 5))
  })
})
