import { expect, it } from 'vitest'
import { decodePem, encodePem } from './pem.ts'

const decode = (text: string) => {
  const block = decodePem(new TextEncoder().encode(text))
  return block && [block.type, Buffer.from(block.bytes).toString(), block.restBytes]
}
const A = '-----BEGIN A-----\nQUFB\n-----END A-----\n'

it('writes lines of 64 characters', () => {
  expect(encodePem('A', new TextEncoder().encode('AAA'))).toBe(A)
  expect(
    encodePem('A', new Uint8Array(49))
      .split('\n')
      .map((line) => line.length),
  ).toEqual([17, 64, 4, 15, 0])
  expect(encodePem('A', new Uint8Array(0))).toBe('-----BEGIN A-----\n-----END A-----\n')
})

it('skips what stands before, and tells what is left', () => {
  expect(decode(A)).toEqual(['A', 'AAA', 0])
  expect(decode(`text\n${A}rest`)).toEqual(['A', 'AAA', 4])
  expect(decode(`text ${A}`)).toBeUndefined()
  expect(decode(A.replaceAll('\n', '\r\n'))).toEqual(['A', 'AAA', 0])
  expect(decode('-----BEGIN -----\n-----END -----')).toEqual(['', '', 0])
})

// By the rules of Go 1.26's pem.Decode.
it('passes over blocks that are not sound', () => {
  const bad = [
    '-----BEGIN B-----\nQUF\n-----END B-----\n',
    '-----BEGIN B-----\nQUFB\n-----END C-----\n',
    '-----BEGIN B----\nQUFB\n-----END B----\n',
  ]
  for (const block of bad) expect([block, decode(block + A)]).toEqual([block, ['A', 'AAA', 0]])
  expect(decode(`-----BEGIN B-----\n${A}`)).toEqual(['A', 'AAA', 0])
  expect(decode(A.trimEnd().concat(' x\n'))).toBeUndefined()
  expect(decode(A.trimEnd().concat('\r'))).toBeUndefined()
})

it('takes lines with a colon for headers, which need content behind them', () => {
  expect(decode('-----BEGIN A-----\nKey: value\n\nQUFB\n-----END A-----\n')).toEqual(['A', 'AAA', 0])
  expect(decode('-----BEGIN A-----\nQU:FB\n-----END A-----\n')).toBeUndefined()
})
