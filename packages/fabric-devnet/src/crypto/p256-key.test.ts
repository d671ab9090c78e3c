import { createHash, createPrivateKey, createPublicKey, verify } from 'node:crypto'
import { seeded } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import { generateP256Key, readP256Key } from './p256-key.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

describe('generateP256Key', () => {
  it('signs with low s, so that Fabric takes it', () => {
    const key = generateP256Key()
    for (let i = 0; i < 20; i++) {
      const message = text(`message ${i}`)
      const signature = key.sign(message)
      expect(verify('sha256', message, { key: createPublicKey(key.privateKeyPem), dsaEncoding: 'ieee-p1363' }, signature)).toBe(true)
      expect(signature[32]!).toBeLessThan(0x80)
    }
  })

  it('makes the same key, and the same signatures, of the same seed', () => {
    const [a, b, other] = [generateP256Key(seeded(1).bytes), generateP256Key(seeded(1).bytes), generateP256Key(seeded(2).bytes)]
    expect(a.privateKeyPem).toBe(b.privateKeyPem)
    expect(a.sign(text('x'))).toEqual(b.sign(text('x')))
    expect(a.privateKeyPem).not.toBe(other.privateKeyPem)
    expect(verify('sha256', text('x'), { key: createPublicKey(a.privateKeyPem), dsaEncoding: 'ieee-p1363' }, a.sign(text('x')))).toBe(true)
  })
})

describe('readP256Key', () => {
  it('signs as RFC 6979 § A.2.5 has it, but with low s', () => {
    const d = 'C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721'
    const x = '60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6'
    const y = '7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299'
    const part = (hex: string): string => Buffer.from(hex, 'hex').toString('base64url')
    const jwk = { kty: 'EC', crv: 'P-256', d: part(d), x: part(x), y: part(y) }
    const pem = createPrivateKey({ key: jwk, format: 'jwk' }).export({ type: 'pkcs8', format: 'pem' }).toString()
    const signature = Buffer.from(readP256Key(pem, true).sign(text('sample')))
      .toString('hex')
      .toUpperCase()
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
    const s = 0xf7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8n
    expect(signature.slice(0, 64)).toBe('EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716')
    expect(BigInt(`0x${signature.slice(64)}`)).toBe(order - s)
  })

  it('names a key as Fabric does', () => {
    const key = generateP256Key()
    expect(key.identifier).toBe(createHash('sha256').update(key.publicKeyInfo.subarray(26)).digest('hex'))
  })
})
