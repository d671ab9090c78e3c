import { disconnectCode, disconnectReason, disconnectReasons } from '@kumiko/interface'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hex, vectors } from '../test/vectors.ts'
import { decodeDisconnect, encodeDisconnect, reasonForFault } from './disconnect.ts'
import { compress } from './snappy.ts'

interface Vectors {
  readonly disconnectReasons: Readonly<Record<string, string>>
  readonly disconnectPayloads: readonly { readonly payload: string; readonly reason: number | null; readonly form: string }[]
}
const published = vectors<Vectors>('p2p-base')

describe('decodeDisconnect', () => {
  it.each(published.disconnectPayloads)(
    'reads "$payload" ($form) as $reason: plain, compressed, and plain where it should be compressed',
    (one) => {
      const data = hex(one.payload)
      const wanted = one.reason === null ? undefined : disconnectReason(one.reason)
      expect(wanted === undefined).toBe(one.reason === null)
      expect(decodeDisconnect(data, false)).toBe(wanted)
      // Nothing, compressed, is the byte 0, which is a reason of its own.
      if (data.length > 0) expect(decodeDisconnect(compress(data), true)).toBe(wanted)
      expect(decodeDisconnect(data, true)).toBe(wanted)
    },
  )

  it('takes any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.boolean(), (data, isCompressed) => {
        const reason = decodeDisconnect(data, isCompressed)
        expect(reason === undefined || disconnectReasons().includes(reason)).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })

  it('gives no reason for a number that has none, and inflates no bomb', () => {
    for (const text of ['c10c', '11', 'c1820100', 'c20102', 'c1c0']) expect(decodeDisconnect(hex(text), false)).toBeUndefined()
    expect(decodeDisconnect(compress(new Uint8Array(1 << 20)), true)).toBeUndefined()
  })
})

it('reads what encodeDisconnect writes: a list of one', () => {
  for (const reason of disconnectReasons()) {
    const data = encodeDisconnect(reason)
    expect(data[0]).toBe(0xc1)
    expect(decodeDisconnect(data, false)).toBe(reason)
  }
})

it('names every published reason', () => {
  const codes = disconnectReasons().map((reason) => disconnectCode(reason).toString(16).padStart(2, '0'))
  expect(codes).toEqual(Object.keys(published.disconnectReasons).sort())
})

it('gives each fault its reason: none where nothing can be told, a breach of protocol where the table is silent', () => {
  const reasons = [
    'bad-header-mac',
    'bad-ack',
    'read-timeout',
    'hello-timeout',
    'unexpected-identity',
    'null-identity',
    'bad-snappy',
    'frame-too-large',
  ]
  expect(reasons.map((name) => reasonForFault({ fault: `rlpx/${name}` }))).toEqual([
    undefined,
    undefined,
    'ping-timeout',
    'ping-timeout',
    'unexpected-identity',
    'null-identity',
    'breach-of-protocol',
    'breach-of-protocol',
  ])
})
