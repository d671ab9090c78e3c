import { curve, nativeCurve, portableCurve } from '@kumiko/identity'
import { seeded } from '@kumiko/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { drawSecretKey, ECIES_OVERHEAD_BYTES, eciesDecrypt, eciesEncrypt } from './ecies.ts'

const { bytes } = seeded(3)
const secretKey = bytes(32)
const publicKey = curve.publicKey(secretKey)
const shared = Uint8Array.of(1, 2)

describe('ECIES', () => {
  it('gives back any message, with the bytes that both sides know, on either curve backend', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 4 }), (message, known) => {
        const encrypted = eciesEncrypt(curve, bytes, publicKey, message, known)
        expect(encrypted.length).toBe(message.length + ECIES_OVERHEAD_BYTES)
        for (const backend of [portableCurve, nativeCurve ?? curve]) {
          expect(Uint8Array.from(eciesDecrypt(backend, secretKey, encrypted, known)!)).toEqual(message)
        }
      }),
      { numRuns: 20 },
    )
  })

  it('gives nothing where any byte is changed, or is missing, or the known bytes or the key are others', () => {
    const encrypted = eciesEncrypt(curve, bytes, publicKey, Uint8Array.of(1, 2, 3), shared)
    for (let at = 0; at < encrypted.length; at++) {
      const changed = Uint8Array.from(encrypted)
      changed[at]! ^= 1 << (at & 7)
      expect(eciesDecrypt(curve, secretKey, changed, shared)).toBeUndefined()
    }
    for (let length = 0; length < encrypted.length; length++) {
      expect(eciesDecrypt(curve, secretKey, encrypted.subarray(0, length), shared)).toBeUndefined()
    }
    expect(eciesDecrypt(curve, secretKey, encrypted)).toBeUndefined()
    expect(eciesDecrypt(curve, bytes(32), encrypted, shared)).toBeUndefined()
  })

  it('takes new keys for the same message', () => {
    const [one, other] = [1, 2].map(() => eciesEncrypt(curve, bytes, publicKey, shared))
    expect(Buffer.compare(one!.subarray(1, 65), other!.subarray(1, 65))).not.toBe(0)
  })

  it('throws where our caller gives no point of the curve', () => {
    expect(() => eciesEncrypt(curve, bytes, new Uint8Array(64), shared)).toThrow('point of the curve')
  })
})

it('draws secret keys until one is within the order', () => {
  const draws = [new Uint8Array(32), new Uint8Array(32).fill(0xff), new Uint8Array(32).fill(7)]
  expect(drawSecretKey(curve, () => draws.shift()!)).toEqual(new Uint8Array(32).fill(7))
})
