import { createHash, createPrivateKey, sign } from 'node:crypto'
import { curve } from '@kumiko/identity'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'

/** What stands before the 32 bytes of an Ed25519 seed in PKCS #8 (RFC 8410 § 7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

type Message = Parameters<PrivateKey['sign']>[0]

/**
 * The same key, which signs the same in less time: an Ed25519 one is read into Node's crypto once, not at each signature, which takes longer
 * than to sign; a secp256k1 one signs by the curve that devp2p signs by. An RSA key, and one that signs in a way of its own, are given back as
 * they are.
 */
export function signingKey(key: PrivateKey): PrivateKey {
  if (key.type === 'RSA' || !isPlain(key)) return key
  const signed = key.type === 'Ed25519' ? ed25519(key.raw.subarray(0, 32)) : secp256k1(key.raw)
  const copy: PrivateKey = Object.create(Object.getPrototypeOf(key), Object.getOwnPropertyDescriptors(key))
  const value: PrivateKey['sign'] = (message, options) => {
    options?.signal?.throwIfAborted()
    return signed(message)
  }
  return Object.defineProperty(copy, 'sign', { value })
}

/** Made by `@libp2p/crypto`, and signs with the bytes that it shows. */
function isPlain(key: PrivateKey): boolean {
  return !Object.hasOwn(key, 'sign') && Object.getPrototypeOf(privateKeyFromRaw(key.raw)) === Object.getPrototypeOf(key)
}

function ed25519(seed: Uint8Array): (message: Message) => Uint8Array {
  const read = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), type: 'pkcs8', format: 'der' })
  return (message) => sign(null, message.subarray(), read)
}

function secp256k1(secretKey: Uint8Array): (message: Message) => Uint8Array {
  return (message) => derOf(curve.sign(createHash('sha256').update(message.subarray()).digest(), secretKey))
}

/** r‖s as libp2p writes it: a SEQUENCE of two INTEGERs. */
function derOf(signature: Uint8Array): Uint8Array {
  const [r, s] = [integerOf(signature.subarray(0, 32)), integerOf(signature.subarray(32, 64))]
  return Buffer.concat([Uint8Array.of(0x30, r.length + s.length), r, s])
}

/** In as few bytes as can be, and positive. */
function integerOf(bytes: Uint8Array): Uint8Array {
  const start = bytes.findIndex((byte) => byte !== 0)
  const digits = start < 0 ? bytes.subarray(-1) : bytes.subarray(start)
  const sign = (digits[0] ?? 0) >= 0x80 ? [0] : []
  return Uint8Array.of(2, digits.length + sign.length, ...sign, ...digits)
}
