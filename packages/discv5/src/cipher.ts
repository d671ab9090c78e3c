import { createCipheriv, createDecipheriv, createHmac, hash } from 'node:crypto'
import { TAG_BYTES } from './packet.ts'

const AES_GCM = 'aes-128-gcm'

/** AES-128-GCM. @param key - 16 bytes. @param nonce - 12 bytes, never twice under a key. @returns Ciphertext and tag. */
export function seal(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array, authenticated: Uint8Array): Uint8Array {
  const cipher = createCipheriv(AES_GCM, key, nonce)
  cipher.setAAD(authenticated)
  const sealed = new Uint8Array(plain.length + TAG_BYTES)
  sealed.set(cipher.update(plain))
  cipher.final()
  sealed.set(cipher.getAuthTag(), plain.length)
  return sealed
}

/** @param sealed - Ciphertext and tag. @returns Undefined where it was not sealed with these. */
export function open(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, authenticated: Uint8Array): Uint8Array | undefined {
  const end = sealed.length - TAG_BYTES
  if (end < 0) return undefined
  const decipher = createDecipheriv(AES_GCM, key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(authenticated)
  decipher.setAuthTag(sealed.subarray(end))
  const plain = decipher.update(sealed.subarray(0, end))
  try {
    decipher.final()
    return plain
  } catch {
    return undefined
  }
}

/** HKDF-SHA256, of which discv5 needs one block. @returns 32 bytes. @see RFC 5869 */
export function hkdf(salt: Uint8Array, secret: Uint8Array, info: Uint8Array): Uint8Array {
  const pseudorandomKey = createHmac('sha256', salt).update(secret).digest()
  return createHmac('sha256', pseudorandomKey).update(info).update(Uint8Array.of(1)).digest()
}

/** @returns 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer')
}
