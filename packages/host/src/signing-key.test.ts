import { generateKeyPair, privateKeyFromRaw, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { Uint8ArrayList } from 'uint8arraylist'
import { expect, test } from 'vitest'
import { signingKey } from './signing-key.ts'

const MESSAGE = Uint8Array.from({ length: 100 }, (_, index) => index)

test.each(['Ed25519', 'secp256k1'] as const)('an %s key signs as before, and is the same key', async (type) => {
  const key = await generateKeyPair(type)
  const fast = signingKey(key)
  expect(fast).not.toBe(key)
  const inPieces = new Uint8ArrayList(MESSAGE.subarray(0, 7), MESSAGE.subarray(7))
  expect(Buffer.from(await fast.sign(inPieces))).toEqual(Buffer.from(await key.sign(MESSAGE)))
  expect(await fast.publicKey.verify(MESSAGE, await fast.sign(MESSAGE))).toBe(true)
  expect([fast.type, fast.raw, fast.publicKey]).toEqual([type, key.raw, key.publicKey])
  expect([fast.equals(key), key.equals(fast), String(fast.publicKey)]).toEqual([true, true, String(key.publicKey)])
  expect(privateKeyToProtobuf(fast)).toEqual(privateKeyToProtobuf(key))
  expect(() => fast.sign(MESSAGE, { signal: AbortSignal.abort(new Error('no longer')) })).toThrow('no longer')
})

test('signatures of secp256k1 are as short as others write them', async () => {
  const key = await generateKeyPair('secp256k1')
  const fast = signingKey(key)
  // One in 256 has an integer of 31 bytes, every other one a zero before it.
  for (let i = 0; i < 300; i++) {
    const message = Uint8Array.of(i >> 8, i & 255)
    expect(Buffer.from(await fast.sign(message)).toString('hex')).toBe(Buffer.from(await key.sign(message)).toString('hex'))
  }
})

test('a key that signs in a way of its own, and an RSA one, stay as they are', async () => {
  const key = await generateKeyPair('Ed25519')
  const remote = Object.assign(privateKeyFromRaw(key.raw), { sign: () => new Uint8Array(64) })
  const elsewhere = {
    type: 'Ed25519',
    raw: key.raw,
    publicKey: key.publicKey,
    equals: () => false,
    sign: () => new Uint8Array(64),
  } as const
  const rsa = await generateKeyPair('RSA', 1024)
  expect([signingKey(remote) === remote, signingKey(elsewhere) === elsewhere, signingKey(rsa) === rsa]).toEqual([true, true, true])
})
