import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Curve, curve, nativeCurve, portableCurve } from './curve.ts'

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length })
const secretKeys = bytes(32).filter((secretKey) => portableCurve.isSecretKey(secretKey))
const plain = (value: Uint8Array | undefined): string | undefined => value && Buffer.from(value).toString('hex')

const curves: Curve[] = nativeCurve === undefined ? [portableCurve] : [portableCurve, nativeCurve]

describe.each(curves)('curve: $name', (one) => {
  it('agrees on a secret from both sides', () => {
    fc.assert(
      fc.property(secretKeys, secretKeys, (a, b) => {
        const agreed = plain(one.ecdh(b, one.publicKey(a)))
        expect(plain(one.ecdh(a, one.publicKey(b)))).toBe(agreed)
        expect(plain(one.ecdhOnce(a, one.publicKey(b)))).toBe(agreed)
        const point = one.ecdhPoint(a, one.compress(one.publicKey(b)))
        expect(plain(point?.subarray(1))).toBe(agreed)
        expect(plain(point)).toBe(plain(portableCurve.ecdhPoint(b, one.compress(one.publicKey(a)))))
      }),
      { numRuns: 20 },
    )
  })

  it('recovers and verifies what it signed, and nothing else', () => {
    fc.assert(
      fc.property(secretKeys, bytes(32), (secretKey, hash) => {
        const publicKey = one.publicKey(secretKey)
        const signature = one.sign(hash, secretKey)
        expect(plain(one.recover(hash, signature))).toBe(plain(publicKey))
        expect(one.verify(hash, signature.subarray(0, 64), publicKey)).toBe(true)
        const other = Uint8Array.from(hash)
        other[0] = (other[0] ?? 0) ^ 1
        expect(one.verify(other, signature.subarray(0, 64), publicKey)).toBe(false)
      }),
      { numRuns: 20 },
    )
  })

  it('compresses and expands', () => {
    fc.assert(
      fc.property(secretKeys, (secretKey) => {
        const publicKey = one.publicKey(secretKey)
        expect(plain(one.expand(one.compress(publicKey)))).toBe(plain(publicKey))
        expect(one.isPublicKey(publicKey)).toBe(true)
      }),
      { numRuns: 20 },
    )
  })

  it('refuses a point that is not on the curve, of any length', () => {
    const secretKey = new Uint8Array(32).fill(1)
    for (const length of [0, 1, 32, 33, 63, 64, 65, 128]) {
      const junk = new Uint8Array(length).fill(5)
      expect(one.isPublicKey(junk)).toBe(false)
      expect(one.ecdh(secretKey, junk)).toBeUndefined()
      expect(one.ecdhOnce(secretKey, junk)).toBeUndefined()
      expect(one.ecdhPoint(secretKey, junk)).toBeUndefined()
      expect(one.expand(junk)).toBeUndefined()
      expect(one.recover(new Uint8Array(32), junk)).toBeUndefined()
      expect(one.verify(new Uint8Array(32), junk, junk)).toBe(false)
    }
    expect(one.isPublicKey(new Uint8Array(64))).toBe(false)
    expect(one.ecdh(secretKey, new Uint8Array(64))).toBeUndefined()
  })

  it('refuses secret keys outside the group', () => {
    expect(one.isSecretKey(new Uint8Array(32))).toBe(false)
    expect(one.isSecretKey(new Uint8Array(32).fill(0xff))).toBe(false)
    expect(one.isSecretKey(new Uint8Array(31).fill(1))).toBe(false)
  })
})

describe('native beside portable', () => {
  it.runIf(nativeCurve !== undefined)('computes the same from any bytes', () => {
    const native = nativeCurve as Curve
    fc.assert(
      fc.property(secretKeys, bytes(64), bytes(65), bytes(33), bytes(32), (secretKey, junk, signature, compressed, hash) => {
        signature[64] = (signature[64] ?? 0) & 3
        compressed[0] = 2 + ((compressed[0] ?? 0) & 1)
        const publicKey = portableCurve.publicKey(secretKey)
        expect(plain(native.publicKey(secretKey))).toBe(plain(publicKey))
        expect(native.isPublicKey(junk)).toBe(portableCurve.isPublicKey(junk))
        expect(plain(native.ecdh(secretKey, junk))).toBe(plain(portableCurve.ecdh(secretKey, junk)))
        expect(plain(native.ecdhOnce(secretKey, junk))).toBe(plain(portableCurve.ecdhOnce(secretKey, junk)))
        const point = portableCurve.expand(compressed)
        expect(plain(native.expand(compressed))).toBe(plain(point))
        if (point !== undefined) expect(plain(native.ecdh(secretKey, point))).toBe(plain(portableCurve.ecdh(secretKey, point)))
        expect(plain(native.recover(hash, signature))).toBe(plain(portableCurve.recover(hash, signature)))
        expect(plain(native.sign(hash, secretKey))).toBe(plain(portableCurve.sign(hash, secretKey)))
        const signed = portableCurve.sign(hash, secretKey).subarray(0, 64)
        expect(native.verify(hash, signed, publicKey)).toBe(true)
        expect(native.verify(hash, signature.subarray(0, 64), publicKey)).toBe(
          portableCurve.verify(hash, signature.subarray(0, 64), publicKey),
        )
      }),
      { numRuns: 60 },
    )
  })

  it('takes the native one where it loads', () => {
    expect(curve).toBe(nativeCurve ?? portableCurve)
  })
})
