import { curve, nativeCurve, portableCurve } from '@kumiko/identity'
import { expect, test } from 'vitest'
import { hex, vectors } from '../test/vectors.ts'
import { FrameMac, macKey, macsEqual } from './mac.ts'

interface Vectors {
  readonly mac: {
    readonly secret: string
    readonly cases: readonly { readonly ops: readonly (readonly [string, string])[]; readonly digest: string }[]
  }
  readonly ecdh: { readonly secretKey: string; readonly remotePublicKey: string; readonly sharedX: string }
}
const { ecdh, mac } = vectors<Vectors>('rlpx-frame')

function bytesOf(text: string): Uint8Array {
  const colon = text.indexOf(':')
  const [form, value] = [text.slice(0, colon), text.slice(colon + 1)]
  return form === 'hex' ? hex(value) : Uint8Array.from(Buffer.from(value))
}

test.each(mac.cases)('MAC of $ops is $digest', ({ ops, digest }) => {
  const updates = ops.filter(([name]) => name === 'update').map(([, text]) => bytesOf(text))
  const frames = new FrameMac(macKey(hex(mac.secret)), ...updates)
  for (const [name, text] of ops) {
    if (name === 'updateHeader') expect(Buffer.from(frames.header(bytesOf(text)))).toEqual(Buffer.from(frames.sum))
    if (name === 'updateBody') frames.body(bytesOf(text))
  }
  expect(Buffer.from(frames.sum).toString('hex')).toBe(digest)
})

test('the agreement is the published one on every curve backend', () => {
  for (const backend of [portableCurve, nativeCurve ?? curve]) {
    for (const method of ['ecdh', 'ecdhOnce'] as const) {
      const agreed = backend[method](hex(ecdh.secretKey), hex(ecdh.remotePublicKey))
      expect(Buffer.from(agreed!).toString('hex')).toBe(ecdh.sharedX)
    }
  }
})

test('MACs are equal in all 16 bytes or not at all', () => {
  const mac = Uint8Array.from({ length: 16 }, (_, i) => i)
  expect(macsEqual(mac, mac.slice())).toBe(true)
  for (let at = 0; at < 16; at++) {
    const other = mac.slice()
    other[at] = 0x80 ^ at
    expect(macsEqual(mac, other)).toBe(false)
  }
  expect(macsEqual(mac, mac.subarray(0, 15))).toBe(false)
})
