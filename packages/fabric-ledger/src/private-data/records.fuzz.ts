import { compareBytes, KVRWSet } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  EXPIRY,
  FROM_SNAPSHOT,
  INELIGIBLE,
  LATE,
  PRIORITISED,
  PURGED,
  PURGED_BY,
  WRITE_SET,
  WRITTEN,
  withoutKey,
} from './private-data-records.ts'
import { ascending, blob, descending, place, recordKey, text } from './record-key.ts'
import { BY_CONTENT, BY_HEIGHT, BY_TRANSACTION, readTransient, writeTransient } from './transient-records.ts'

const KINDS = {
  EXPIRY,
  FROM_SNAPSHOT,
  INELIGIBLE,
  LATE,
  PRIORITISED,
  PURGED,
  PURGED_BY,
  WRITE_SET,
  WRITTEN,
  BY_CONTENT,
  BY_HEIGHT,
  BY_TRANSACTION,
}

const u64 = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn })
const unicode = fc.string({ unit: 'grapheme', maxLength: 12 })

interface All {
  readonly up: bigint
  readonly name: string
  readonly down: bigint
  readonly hash: Uint8Array
  readonly at: number
}
const ALL = recordKey<All>('a', { up: ascending, name: text, down: descending, hash: blob, at: place })
const all: fc.Arbitrary<All> = fc.record({
  up: fc.oneof(u64, fc.constantFrom(0n, 255n, 256n)),
  name: unicode,
  down: fc.oneof(u64, fc.constantFrom(0n, 255n, 256n)),
  hash: fc.uint8Array({ maxLength: 40 }),
  at: fc.nat(),
})

describe('record keys', () => {
  it('are read as any bytes are: to a value or a fault', () => {
    const kinds = Object.values(KINDS).map(({ decode }) => decode)
    const bytes = fc.tuple(fc.constantFrom(...'dkxpqirgulsPHT'), fc.uint8Array({ maxLength: 60 }))
    fc.assert(
      fc.property(bytes, ([first, rest]) => {
        for (const decode of kinds) decode(Uint8Array.of(first.charCodeAt(0), ...rest))
      }),
      { numRuns: 2000 },
    )
  })

  it('come back as they were written', () => {
    fc.assert(
      fc.property(all, (value) => {
        expect(ALL.decode(ALL.encode(value))).toEqual(value)
      }),
    )
  })

  it('are not read when cut short or longer', () => {
    fc.assert(
      fc.property(all, fc.nat(), (value, nat) => {
        const bytes = ALL.encode(value)
        expect(isFault(ALL.decode(bytes.subarray(0, nat % bytes.length)))).toBe(true)
        expect(isFault(ALL.decode(Uint8Array.of(...bytes, 0)))).toBe(true)
      }),
    )
  })

  it('sort by their parts', () => {
    fc.assert(
      fc.property(all, all, (a, b) => {
        if (a.up !== b.up) expect(compareBytes(ALL.encode(a), ALL.encode(b)) < 0).toBe(a.up < b.up)
        const same = { ...b, up: a.up, name: a.name }
        if (a.down !== b.down) expect(compareBytes(ALL.encode(a), ALL.encode(same)) < 0).toBe(a.down > b.down)
      }),
    )
  })

  it('lie in the ranges of their parts, and in no others', () => {
    const isIn = (value: All, { gte, lt }: { gte: Uint8Array; lt: Uint8Array }) =>
      compareBytes(ALL.encode(value), gte) >= 0 && compareBytes(ALL.encode(value), lt) < 0
    fc.assert(
      fc.property(all, all, (a, b) => {
        expect(isIn(a, ALL.range({}))).toBe(true)
        expect(isIn(a, ALL.range({ up: b.up }))).toBe(a.up === b.up)
        expect(isIn({ ...a, up: b.up }, ALL.range({ up: b.up, name: b.name }))).toBe(a.name === b.name)
        expect(isIn(a, ALL.rangeTo({}, 'up', b.up))).toBe(a.up <= b.up)
        expect(isIn(a, ALL.range(a))).toBe(true)
      }),
    )
  })
})

describe('transient records', () => {
  it('come back as they were written, with ids of any text without NUL', () => {
    const id = unicode.filter((text) => text !== '' && !text.includes('\0'))
    fc.assert(
      fc.property(fc.record({ txId: id, uuid: id, height: u64 }), (place) => {
        for (const kind of [BY_CONTENT, BY_HEIGHT, BY_TRANSACTION]) expect(kind.decode(kind.encode(place))).toEqual(place)
      }),
    )
  })

  it('are read from any bytes: to a value that is written as it is read, or a fault', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const read = readTransient(Uint8Array.of(0, ...bytes))
        if (!isFault(read)) expect(readTransient(writeTransient(read))).toEqual(read)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('withoutKey', () => {
  it('takes out the key, and leaves the rest', () => {
    const write = fc.record({ key: fc.constantFrom('a', 'b', 'c'), isDelete: fc.boolean(), value: fc.uint8Array({ maxLength: 3 }) })
    fc.assert(
      fc.property(fc.uniqueArray(write, { selector: ({ key }) => key }), (writes) => {
        const left = withoutKey(KVRWSet.encode({ writes }), 'a')
        expect(left).toEqual(KVRWSet.encode({ writes: writes.filter(({ key }) => key !== 'a') }))
      }),
    )
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void withoutKey(bytes, 'a')))
  })
})
