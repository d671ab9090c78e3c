import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import {
  bool,
  bytes,
  decodeRequest,
  int32,
  int64,
  isSameMessage,
  MESSAGE_DEPTH_MAX,
  type Message,
  map,
  message,
  nested,
  oneOf,
  REQUEST_FIELDS_MAX,
  repeatedBytes,
  repeatedNested,
  repeatedString,
  string,
  uint32,
  uint64,
  unknownFields,
} from './message.ts'
import { WireWriter } from './wire.ts'

interface Tree {
  readonly name: string
  readonly first: Tree | undefined
  readonly others: readonly Tree[]
}
const Tree: Message<Tree> = message<Tree>('Tree', { name: string(1), first: nested(2, () => Tree), others: repeatedNested(3, () => Tree) })

interface All {
  readonly a: bigint
  readonly b: Uint8Array
  readonly c: readonly Uint8Array[]
  readonly d: readonly string[]
  readonly e: ReadonlyMap<string, Uint8Array>
  readonly f: number | undefined
  readonly g: Tree | undefined
  readonly h: bigint
  readonly i: number
  readonly j: boolean
}
const All: Message<All> = message<All>('All', {
  a: uint64(1),
  b: bytes(2),
  c: repeatedBytes(3),
  d: repeatedString(4),
  e: map(5, bytes),
  f: oneOf('one', int32(6)),
  g: oneOf(
    'one',
    nested(7, () => Tree),
  ),
  h: int64(8),
  i: uint32(9),
  j: bool(10),
})

const full: All = All.create({
  a: 2n ** 64n - 1n,
  b: Uint8Array.of(1),
  c: [new Uint8Array(), Uint8Array.of(2)],
  d: ['', 'é'],
  e: new Map([
    ['\u{10000}', Uint8Array.of(1)],
    ['\uffff', Uint8Array.of(2)],
  ]),
  f: 0,
  h: -1n,
  i: 7,
  j: true,
})

const join = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]))

describe('message', () => {
  it('decodes what it encodes', () => {
    expect(All.decode(All.encode(full))).toEqual(full)
    expect(All.decode(new Uint8Array())).toEqual(All.create())
    expect(All.encode({})).toEqual(new Uint8Array())
  })

  it('keeps unknown fields, known ones of another wire type among them, and writes them last', () => {
    const odd = new WireWriter().uint64(1, 5n).string(99, 'x').finish()
    const value = Tree.decode(join(odd, Tree.encode({ name: 'n' })))
    expect(value).toMatchObject({ name: 'n', [unknownFields]: [Uint8Array.of(8, 5), Uint8Array.of(0x9a, 6, 1, 0x78)] })
    expect(Tree.encode(value as Tree)).toEqual(join(Tree.encode({ name: 'n' }), odd))
  })

  it('keeps many unknown fields in few pieces, apart or together the same to who compares', () => {
    const many = join(...Array.from({ length: 5000 }, (_, at) => new WireWriter().uint64(99, BigInt(at + 1)).finish()))
    const value = Tree.decode(many)
    if (isFault(value)) throw new Error(value.detail)
    const pieces: readonly Uint8Array[] = Reflect.get(value, unknownFields)
    expect(pieces.length).toBeLessThan(100)
    expect(Tree.encode(value)).toEqual(many)
    expect(isSameMessage(Tree, value, { ...Tree.create(), ...{ [unknownFields]: [many] } })).toBe(true)
    expect(isSameMessage(Tree, value, { ...Tree.create(), ...{ [unknownFields]: [many.subarray(3)] } })).toBe(false)
  })

  it('of a request has no more fields than one may have, of any kind', () => {
    const repeat = (field: readonly number[], count: number): Uint8Array => {
      const bytes = new Uint8Array(field.length * count)
      for (let at = 0; at < bytes.length; at += field.length) bytes.set(field, at)
      return bytes
    }
    // Elements of a list, the same scalar again and again, unknown fields.
    for (const field of [
      [0x1a, 0],
      [0x0a, 0],
      [0x78, 0],
    ]) {
      const bytes = repeat(field, REQUEST_FIELDS_MAX + 1)
      expect(decodeRequest(() => Tree.decode(bytes))).toMatchObject({ fault: 'fabric-protocol/malformed' })
      expect(decodeRequest(() => Tree.decode(bytes.subarray(2)))).not.toHaveProperty('fault')
    }
    expect(Tree.decode(repeat([0x0a, 0], REQUEST_FIELDS_MAX + 1))).not.toHaveProperty('fault')
  })

  it('merges a message sent in parts, lets the last scalar count, and adds to lists', () => {
    const one = Tree.create({ name: 'one', first: Tree.create({ name: 'deep' }), others: [Tree.create({ name: 'x' })] })
    const two = Tree.create({ name: 'two', others: [Tree.create({ name: 'y' })] })
    expect(Tree.decode(join(Tree.encode({ first: one }), Tree.encode({ first: two })))).toEqual(
      Tree.create({ first: Tree.create({ ...one, name: 'two', others: [Tree.create({ name: 'x' }), Tree.create({ name: 'y' })] }) }),
    )
  })

  it('refuses parts that are well formed only together', () => {
    const name = Tree.encode({ name: 'abc' })
    const parts = new WireWriter().element(2, name.subarray(0, 3)).element(2, name.subarray(3)).finish()
    expect(Tree.decode(parts)).toEqual({ fault: 'fabric-protocol/malformed', detail: 'Tree: Tree: cut short at byte 5' })
  })

  it('has one field of a oneof, the last, though it be the default', () => {
    const both = join(All.encode({ g: Tree.create({ name: 'n' }) }), All.encode({ f: 0 }))
    expect(All.decode(both)).toEqual(All.create({ f: 0 }))
    expect(All.encode({ f: 0 })).toEqual(Uint8Array.of(0x30, 0))
    expect(All.encode({ g: Tree.create() })).toEqual(Uint8Array.of(0x3a, 0))
  })

  it('refuses what nests too deep, without a throw', () => {
    let bytes = new Uint8Array()
    for (let depth = 0; depth < MESSAGE_DEPTH_MAX; depth++) bytes = Uint8Array.from(new WireWriter().element(2, bytes).finish())
    expect(Tree.decode(bytes)).not.toHaveProperty('fault')
    expect(Tree.decode(new WireWriter().element(2, bytes).finish())).toMatchObject({ fault: 'fabric-protocol/malformed' })
  })
})
