import { describe, expect, it } from 'vitest'
import { contextTag, DerReader, derElement, derUnsigned, rightAligned, TAG } from './der.ts'

const failureOf = (bytes: number[], read: (reader: DerReader) => unknown): string | undefined => {
  const reader = new DerReader(Uint8Array.from(bytes))
  read(reader)
  return reader.failure
}

describe('DerReader', () => {
  it('reads elements as views', () => {
    const bytes = Uint8Array.of(0x30, 3, 0x02, 1, 5, 0x05, 0)
    const reader = new DerReader(bytes)
    const sequence = reader.open(TAG.sequence, 'sequence')
    expect(sequence.smallInteger('number')).toBe(5)
    expect(sequence.isEmpty).toBe(true)
    expect(reader.peek()).toBe(TAG.null)
    expect(reader.any('null')).toEqual({ tag: TAG.null, whole: Uint8Array.of(5, 0), content: new Uint8Array(0) })
    expect([reader.isEmpty, reader.failure, reader.peek()]).toEqual([true, undefined, undefined])
  })

  it('remembers the first failure for all readers of the input, and is empty from then on', () => {
    const reader = new DerReader(Uint8Array.of(0x30, 3, 0x02, 1, 5, 0x05, 0))
    const sequence = reader.open(TAG.sequence, 'sequence')
    expect(sequence.oid('first')).toBe('')
    sequence.fail('second')
    expect([reader.failure, reader.isEmpty, sequence.isEmpty]).toEqual(['first', true, true])
    expect(reader.content(TAG.null, 'third')).toHaveLength(0)
  })

  it('takes lengths in their shortest form only, up to four bytes', () => {
    const any = (reader: DerReader) => reader.any('any')
    expect(failureOf([4, 0x81, 0x80, ...Array(128).fill(0)], any)).toBeUndefined()
    for (const header of [
      [],
      [4],
      [4, 1],
      [4, 0x80],
      [4, 0x81, 0x7f],
      [4, 0x82, 0, 0x80],
      [4, 0x85, 1, 0, 0, 0, 0],
      [0x1f, 1],
      [0x3f, 1],
      [4, 0x84, 0xff, 0xff, 0xff, 0xff],
    ]) {
      expect([
        header,
        failureOf(header.length === 1 || header[1] === 1 ? header : [...header, ...Array(header.length > 2 ? 128 : 0).fill(0)], any),
      ]).toEqual([header, 'any'])
    }
  })

  it('takes integers in their shortest form only', () => {
    const integer = (reader: DerReader) => reader.integer('integer')
    for (const content of [[0], [0x7f], [0x80], [0, 0x80], [0xff, 0x7f]])
      expect(failureOf([2, content.length, ...content], integer)).toBeUndefined()
    for (const content of [[], [0, 0], [0, 0x7f], [0xff, 0x80]]) expect(failureOf([2, content.length, ...content], integer)).toBe('integer')
    expect(failureOf([2, 1, 0x80], (reader) => reader.smallInteger('small'))).toBe('small')
    expect(new DerReader(Uint8Array.of(2, 4, 0x7f, 0xff, 0xff, 0xff)).smallInteger('small')).toBe(2 ** 31 - 1)
    expect(failureOf([2, 5, 0, 0x80, 0, 0, 0], (reader) => reader.smallInteger('small'))).toBe('small')
  })

  it('takes 0 and 255 for truth values', () => {
    const boolean = (reader: DerReader) => reader.boolean('boolean')
    expect([[0], [0xff], [1], [], [0, 0]].map((content) => failureOf([1, content.length, ...content], boolean))).toEqual([
      undefined,
      undefined,
      'boolean',
      'boolean',
      'boolean',
    ])
  })

  it('reads object identifiers', () => {
    const oid = (...content: number[]) => {
      const reader = new DerReader(Uint8Array.of(6, content.length, ...content))
      const text = reader.oid('oid')
      return reader.failure ?? text
    }
    expect(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01)).toBe('1.2.840.10045.2.1')
    expect([oid(0), oid(39), oid(40), oid(79), oid(80), oid(0x88, 0x37)]).toEqual(['0.0', '0.39', '1.0', '1.39', '2.0', '2.999'])
    expect([oid(), oid(0x80, 1), oid(0x2a, 0x86), oid(0x2a, 0x80, 1), oid(0x2a, 0x88, 0x80, 0x80, 0x80, 0)]).toEqual(Array(5).fill('oid'))
    expect(oid(0x2a, 0x87, 0xff, 0xff, 0xff, 0x7f)).toBe('1.2.2147483647')
  })

  it('reads bit strings, whose padding is 0', () => {
    const bits = (...content: number[]) => new DerReader(Uint8Array.of(3, content.length, ...content)).bitString('bits')
    expect(bits(4, 0xab, 0xc0)).toEqual({ bytes: Uint8Array.of(0xab, 0xc0), padding: 4 })
    expect(rightAligned(bits(4, 0xab, 0xc0))).toEqual(Uint8Array.of(0x0a, 0xbc))
    expect(rightAligned(bits(0, 0xab))).toEqual(Uint8Array.of(0xab))
    const wrong = [[], [1], [8, 0], [4, 0xab, 0xc1]]
    expect(wrong.map((content) => failureOf([3, content.length, ...content], (reader) => reader.bitString('bits')))).toEqual(
      Array(4).fill('bits'),
    )
  })
})

describe('derElement', () => {
  it('writes what is read again', () => {
    for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
      const content = new Uint8Array(length).fill(7)
      expect(new DerReader(derElement(TAG.octetString, content)).content(TAG.octetString, 'octets')).toEqual(content)
    }
    expect(derElement(contextTag(3, 'constructed'), Uint8Array.of(1), Uint8Array.of(2))).toEqual(Uint8Array.of(0xa3, 2, 1, 2))
  })

  it('writes numbers in their shortest form', () => {
    expect([[], [0], [0, 1], [0x80], [0, 0, 0xff]].map((bytes) => [...derUnsigned(Uint8Array.from(bytes))])).toEqual([
      [2, 1, 0],
      [2, 1, 0],
      [2, 1, 1],
      [2, 2, 0, 0x80],
      [2, 2, 0, 0xff],
    ])
  })
})
