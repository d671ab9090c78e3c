import { createHash, hash } from 'node:crypto'
import { encodeUtf8 } from './wire.ts'

/** A SHA-256 of Fabric's has 32 bytes. */
export const HASH_SIZE = 32

const JOINED_MAX = 4096

/** What is hashed at once; nothing of it is left when a call returns. */
const joined = new Uint8Array(JOINED_MAX)

/** SHA-256 of the parts one after the other. @returns 32 bytes of the caller's own. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return sha256Of(parts)
}

/** As {@link sha256}, of however many parts: a call takes some 100,000 arguments at most. */
export function sha256Of(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return own(hash('sha256', only, 'buffer'))
  const size = parts.reduce((sum, part) => sum + part.length, 0)
  if (size <= JOINED_MAX) return own(hash('sha256', joined.subarray(0, joinBytes(joined, parts)), 'buffer'))
  const hasher = createHash('sha256')
  for (const part of parts) hasher.update(part)
  return own(hasher.digest())
}

/** SHA-256 of a key's UTF-8: what a private key is known by in public. @throws KumikoError `fabric-protocol/bad-string`. */
export function hashKey(key: string): Uint8Array {
  return sha256(encodeUtf8(key))
}

/** The parts one after the other, copied. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  joinBytes(whole, parts)
  return whole
}

/** Writes the parts one after the other. @param into - Has room for them. @returns How much was written. */
export function joinBytes(into: Uint8Array, parts: readonly Uint8Array[]): number {
  let offset = 0
  for (const part of parts) {
    into.set(part, offset)
    offset += part.length
  }
  return offset
}

function own(digest: Uint8Array): Uint8Array {
  return new Uint8Array(digest.buffer, digest.byteOffset, digest.length)
}
