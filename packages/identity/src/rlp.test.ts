import { readFileSync } from 'node:fs'
import { isFault } from '@kumiko/interface'
import { cpuTimed } from '@kumiko/testkit'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from './hex.ts'
import {
  decodeRlp,
  decodeRlpPrefix,
  encodeRlp,
  isRlpBytes,
  isRlpList,
  RLP_DEPTH_MAX,
  RLP_ITEMS_MAX,
  type RlpInput,
  type RlpItem,
  rlpBigUint,
  rlpUint,
} from './rlp.ts'

const BAD_RLP = { fault: 'identity/bad-rlp', detail: expect.any(String) }

function bytes(hex: string): Uint8Array {
  const decoded = fromHex(hex.replace(/^0x/, ''))
  if (decoded === undefined) throw new Error(`vector is no hex: ${hex}`)
  return decoded
}

function load<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8')) as T
}

describe('ethereum/tests', () => {
  type Value = string | number | readonly Value[]
  interface Vector {
    readonly in: Value
    readonly out: string
  }
  const { valid, invalid } = load<{ valid: Record<string, Vector>; invalid: Record<string, Vector> }>('rlp-ethereum-tests')

  /** As the file's note says. */
  function inputOf(value: Value): RlpInput {
    if (typeof value === 'number') return value
    if (typeof value === 'object') return value.map(inputOf)
    if (value.startsWith('#')) return BigInt(value.slice(1))
    return value.startsWith('0x') ? bytes(value) : new TextEncoder().encode(value)
  }
  function itemOf(input: RlpInput): RlpItem {
    if (input instanceof Uint8Array) return input
    if (typeof input === 'object') return input.map(itemOf)
    const hex = input.toString(16)
    return input === 0 ? new Uint8Array() : bytes(hex.length % 2 === 0 ? hex : `0${hex}`)
  }

  test.each(Object.entries(valid))('%s', (_name, vector) => {
    const input = inputOf(vector.in)
    expect(toHex(encodeRlp(input))).toBe(toHex(bytes(vector.out)))
    expect(decodeRlp(bytes(vector.out))).toEqual(itemOf(input))
  })

  test.each(Object.entries(invalid))('%s is refused', (_name, vector) => {
    expect(decodeRlp(bytes(vector.out))).toEqual(BAD_RLP)
  })
})

describe('go-ethereum', () => {
  const { cases } = load<{ cases: readonly { hex: string; goType: string; value: string | null; error: string | null }[] }>(
    'rlp-geth-decode',
  )
  type Read = RlpItem | bigint | boolean | readonly Read[] | undefined

  const WIDTHS: Record<string, number> = { uint32: 4, uint: 8, 'uint256.Int': 32, 'big.Int': Number.POSITIVE_INFINITY }

  /** Reads an item as a type of Go, with what the package has for that. Undefined where it does not fit. */
  function readAs(item: RlpItem, goType: string): Read {
    const type = goType.replace(/^\*/, '')
    const width = WIDTHS[type]
    if (width !== undefined) return rlpBigUint(item, width)
    if (type === 'bool') return { 0: false, 1: true }[rlpUint(item, 1) ?? -1]
    if (type === 'string' || type === '[]byte') return isRlpBytes(item) ? item : undefined
    if (type === 'interface{}' || type === 'RawValue') return item
    const [, size, element = ''] = /^\[(\d*)\](.+)$/.exec(type) ?? []
    if (element === 'byte') return isRlpBytes(item) && item.length === Number(size) ? item : undefined
    if (!isRlpList(item) || (size !== '' && item.length !== Number(size))) return undefined
    const values = item.map((value) => readAs(value, element))
    return values.includes(undefined) ? undefined : values
  }

  const NAMED: Record<string, bigint> = {
    veryBigInt: 0xffffffffffffffffffn,
    veryBigInt256: 0xffffffffffffffffffn,
    'uint256.NewInt(gomath.MaxUint64)': 2n ** 64n - 1n,
    veryVeryBigInt: (2n ** 72n - 1n) ** 8n,
  }

  /** The numbers in a value as Go writes it, in order. */
  function numbersIn(go: string): bigint[] {
    const named = NAMED[go]
    if (named !== undefined) return [named]
    const text = go.replace(/unhex\("(\w+)"\)/g, (_, hex: string) => [...bytes(hex)].join())
    const quoted = /"(.*)"/.exec(text)?.[1]?.replace('\\000', '\0')
    if (quoted !== undefined) return [...new TextEncoder().encode(quoted)].map(BigInt)
    return [...text.replace(/uint\d+|^&?\[\w*\]/g, '').matchAll(/0x[0-9a-f]+|\d+/gi)].map(([digits]) => BigInt(digits))
  }
  function numbersOf(value: Read, isRaw: boolean): bigint[] {
    if (isRaw && (isRlpBytes(value as RlpItem) || isRlpList(value as RlpItem))) return [...encodeRlp(value as RlpItem)].map(BigInt)
    if (value instanceof Uint8Array) return [...value].map(BigInt)
    return Array.isArray(value) ? value.flatMap((one: Read) => numbersOf(one, false)) : [BigInt(value as bigint)]
  }

  test.each(cases)('$hex as $goType: $value $error', ({ hex, goType, value, error }) => {
    const item = decodeRlp(bytes(hex))
    const read = isFault(item) ? undefined : readAs(item, goType)
    if (error !== null) return expect(read).toBeUndefined()
    expect(read).toBeDefined()
    if (value === 'true' || value === 'false') return expect(read).toBe(value === 'true')
    // The vector's text breaks off behind the first element.
    const isCut = value?.endsWith('{[]byte{1') === true
    expect(numbersOf(read, goType === 'RawValue')).toEqual(isCut ? [1n, 4n, 4n, 4n] : numbersIn(value ?? ''))
  })
})

test('no bytes are no item', () => expect(decodeRlp(new Uint8Array())).toEqual(BAD_RLP))

test('bytes behind the item are refused', () => expect(decodeRlp(bytes('c000'))).toEqual(BAD_RLP))

test('an item that others follow is read where that is asked for', () => {
  expect(decodeRlpPrefix(bytes('c20102c0ff'))).toEqual([Uint8Array.of(1), Uint8Array.of(2)])
  expect(decodeRlpPrefix(bytes('05c0'))).toEqual(Uint8Array.of(5))
  for (const hex of ['', 'c201', 'f8', '8105ff', 'f80180', 'ffffffffffffffffff00'])
    expect(decodeRlpPrefix(bytes(hex)), hex).toEqual(BAD_RLP)
})

test('items are copies, also of a Buffer', () => {
  const source = Buffer.from('c88301020383040506', 'hex')
  const item = decodeRlp(source)
  source.fill(0)
  expect(item).toEqual([Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5, 6)])
})

function nested(depth: number): Uint8Array {
  let item: RlpInput = []
  for (let i = 1; i < depth; i++) item = [item]
  return encodeRlp(item)
}

test('lists nest to the bound and no deeper', () => {
  expect(isFault(decodeRlp(nested(RLP_DEPTH_MAX)))).toBe(false)
  expect(decodeRlp(nested(RLP_DEPTH_MAX + 1))).toEqual({ fault: 'identity/bad-rlp', detail: 'lists within lists beyond 32' })
  const siblings = encodeRlp(Array.from({ length: 100 }, () => [[], [[]]]))
  expect(isFault(decodeRlp(siblings))).toBe(false)
})

test('items are counted', () => {
  const many = encodeRlp(new Uint8Array(RLP_ITEMS_MAX))
  many.set([0xfa, 1, 0, 0])
  expect(decodeRlp(many)).toEqual({ fault: 'identity/bad-rlp', detail: 'more than 65536 items' })
  expect(decodeRlp(Uint8Array.of(0xc3, 0xc0, 0xc0, 0xc0), 4)).toEqual([[], [], []])
  expect(decodeRlp(Uint8Array.of(0xc3, 0xc0, 0xc0, 0xc0), 3)).toEqual({ fault: 'identity/bad-rlp', detail: 'more than 3 items' })
  expect(decodeRlp(Uint8Array.of(0xf9, 0xff, 0xff, ...many.subarray(4, 4 + 65_535)))).toHaveLength(65_535)
})

test('a million nested lists neither throw nor hang', () => {
  const bomb = new Uint8Array(4 << 20)
  for (let at = 0; at + 4 < bomb.length; at += 4) {
    const left = bomb.length - at - 4
    bomb.set([0xfa, left >> 16, (left >> 8) & 0xff, left & 0xff], at)
  }
  const { cpuMs } = cpuTimed(() => {
    expect(decodeRlp(bomb)).toEqual(BAD_RLP)
    expect(decodeRlp(new Uint8Array(4 << 20).fill(0xc1))).toEqual(BAD_RLP)
  })
  expect(cpuMs).toBeLessThan(1000)
})

test('numbers that RLP cannot hold are our mistake', () => {
  for (const value of [-1, 1.5, Number.NaN, 2 ** 53, -1n]) {
    expect(() => encodeRlp([value])).toThrow(expect.objectContaining({ code: 'identity/bad-rlp-input' }))
  }
})

test('integers are bounded and canonical', () => {
  expect(rlpUint(bytes('ffff'), 2)).toBe(65535)
  expect(rlpUint(bytes('010000'), 2)).toBeUndefined()
  expect(rlpUint(new Uint8Array(), 2)).toBe(0)
  expect(rlpUint(bytes('00'), 2)).toBeUndefined()
  expect(rlpUint([], 2)).toBeUndefined()
  expect(rlpUint(undefined, 2)).toBeUndefined()
  expect(rlpBigUint(bytes('ffffffffffffffff'), 8)).toBe(2n ** 64n - 1n)
})
