import fc from 'fast-check'
import { expect, it } from 'vitest'
import { bytes, int32, type Message, map, message, nested, oneOf, repeatedNested, string, uint64 } from './message.ts'
import { WireReader, WireType, WireWriter } from './wire.ts'

interface Tree {
  readonly name: string
  readonly value: bigint
  readonly first: Tree | undefined
  readonly others: readonly Tree[]
  readonly marks: ReadonlyMap<string, Uint8Array>
  readonly sign: number | undefined
  readonly note: string | undefined
}
const Tree: Message<Tree> = message<Tree>('Tree', {
  name: string(1),
  value: uint64(2),
  first: nested(3, () => Tree),
  others: repeatedNested(4, () => Tree),
  marks: map(5, bytes),
  sign: oneOf('last', int32(6)),
  note: oneOf('last', string(7)),
})

/** Fields that make sense more often than random bytes do. */
const wire: fc.Arbitrary<Uint8Array> = fc.letrec<{ message: Uint8Array }>((tie) => ({
  message: fc
    .array(
      fc.tuple(
        fc.integer({ min: 1, max: 9 }),
        fc.oneof({ maxDepth: 4 }, fc.uint8Array({ maxLength: 4 }), tie('message')),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      ),
      { maxLength: 6 },
    )
    .map((fields) => {
      const parts = fields.map(([number, value, varint]) =>
        number === 2 || number === 6
          ? new WireWriter().presentVarint(number, varint).finish()
          : new WireWriter().element(number, value).finish(),
      )
      return Uint8Array.from(parts.flatMap((part) => [...part]))
    }),
})).message

it('makes a value or a fault of any bytes, and the value keeps its meaning when written', () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 40 }), wire), (source) => {
      const value = Tree.decode(source)
      if ('fault' in value) return
      const written = Tree.encode(value)
      expect(Tree.decode(written)).toEqual(value)
    }),
    { numRuns: 3000 },
  )
})

it('reads fields that follow each other without gaps, to the end or to a fault', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (source) => {
      const reader = new WireReader(source)
      let fields = 0
      while (reader.next()) fields++
      expect(fields).toBeLessThanOrEqual(source.length / 2)
      if (reader.fault === undefined && reader.type === WireType.bytes && fields > 0)
        expect(reader.raw.byteOffset + reader.raw.length).toBe(source.byteOffset + source.length)
    }),
    { numRuns: 3000 },
  )
})
