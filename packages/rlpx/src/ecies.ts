import { createCipheriv, createDecipheriv, createHmac, hash, timingSafeEqual } from 'node:crypto'
import type { Curve } from '@kumiko/identity'
import type { RandomBytes } from '@kumiko/interface'

/**
 * Asymmetric encryption of the handshake messages: an ephemeral key agreement, AES-128-CTR, HMAC-SHA-256.
 *
 * @see devp2p/rlpx.md § ECIES Encryption
 */

/** What encryption adds: ephemeral public key 65, IV 16, tag 32. */
export const ECIES_OVERHEAD_BYTES = 113

const POINT_BYTES = 65
const IV_BYTES = 16
const TAG_BYTES = 32
const HEAD_BYTES = POINT_BYTES + IV_BYTES

/** The concatenation KDF of NIST SP 800-56 for 32 bytes: one hash, whose counter is 1. */
function deriveKeys(shared: Uint8Array): { readonly cipherKey: Uint8Array; readonly macKey: Uint8Array } {
  const keys = hash('sha256', Buffer.concat([Uint8Array.of(0, 0, 0, 1), shared]), 'buffer')
  return { cipherKey: keys.subarray(0, 16), macKey: hash('sha256', keys.subarray(16), 'buffer') }
}

/** A secret key from random bytes. All but one in 2^128 draws are good. */
export function drawSecretKey(curve: Curve, randomBytes: RandomBytes): Uint8Array {
  for (;;) {
    const secretKey = randomBytes(32)
    if (curve.isSecretKey(secretKey)) return secretKey
  }
}

/**
 * Encrypts to a public key.
 *
 * @param publicKey - 64 bytes, checked to be a point of the curve.
 * @param shared - Authenticated with the message, not sent: the size prefix of EIP-8.
 */
export function eciesEncrypt(
  curve: Curve,
  randomBytes: RandomBytes,
  publicKey: Uint8Array,
  message: Uint8Array,
  shared: Uint8Array = new Uint8Array(),
): Uint8Array {
  const ephemeral = drawSecretKey(curve, randomBytes)
  const agreed = curve.ecdhOnce(ephemeral, publicKey)
  if (agreed === undefined) throw new TypeError('the public key must be a point of the curve')
  const { cipherKey, macKey } = deriveKeys(agreed)
  const iv = randomBytes(IV_BYTES)
  const ciphertext = createCipheriv('aes-128-ctr', cipherKey, iv).update(message)
  const tag = createHmac('sha256', macKey).update(iv).update(ciphertext).update(shared).digest()
  return Buffer.concat([Uint8Array.of(4), curve.publicKey(ephemeral), iv, ciphertext, tag])
}

/** Decrypts. @returns Undefined if anything is wrong; what, is not told, so that nobody can ask. */
export function eciesDecrypt(
  curve: Curve,
  secretKey: Uint8Array,
  encrypted: Uint8Array,
  shared: Uint8Array = new Uint8Array(),
): Uint8Array | undefined {
  if (encrypted.length < ECIES_OVERHEAD_BYTES || encrypted[0] !== 4) return undefined
  const agreed = curve.ecdh(secretKey, encrypted.subarray(1, POINT_BYTES))
  if (agreed === undefined) return undefined
  const { cipherKey, macKey } = deriveKeys(agreed)
  const tagAt = encrypted.length - TAG_BYTES
  const tag = createHmac('sha256', macKey).update(encrypted.subarray(POINT_BYTES, tagAt)).update(shared).digest()
  if (!timingSafeEqual(tag, encrypted.subarray(tagAt))) return undefined
  return createDecipheriv('aes-128-ctr', cipherKey, encrypted.subarray(POINT_BYTES, HEAD_BYTES)).update(
    encrypted.subarray(HEAD_BYTES, tagAt),
  )
}
