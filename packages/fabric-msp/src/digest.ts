import { createHash } from 'node:crypto'

/** How an MSP makes ids from certificates (`identity_identifier_hash_function`). */
export type IdentifierHash = 'sha256' | 'sha384' | 'sha3-256' | 'sha3-384'

/** The digest of all parts, one after the other. */
export function digest(hash: IdentifierHash, ...parts: readonly Uint8Array[]): Uint8Array {
  const state = createHash(hash)
  for (const part of parts) state.update(part)
  return new Uint8Array(state.digest())
}

/** The same digest in hex. */
export function hexDigest(hash: IdentifierHash, bytes: Uint8Array): string {
  return createHash(hash).update(bytes).digest('hex')
}

/** Bytes as a key of a map: equal strings for equal bytes only. */
export function keyOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}
