import { createHash, hash } from 'node:crypto'
import { createKeccak } from 'hash-wasm'

/** From here on OpenSSL is faster than hash-wasm, whose calls cost less. Measured on Node 26. */
const NATIVE_FROM_BYTES = 1024

const wasm = await createKeccak(256)

/** OpenSSL has keccak since 3.2, Node since 26. Lists of digests do not agree on its name, so it is tried. */
export const hasNativeKeccak: boolean = (() => {
  try {
    createHash('KECCAK-256')
    return true
  } catch {
    return false
  }
})()

/** keccak-256 with the padding of before SHA-3, as Ethereum uses it. @returns 32 bytes, the caller's. */
export function keccak256(...parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts
  if (hasNativeKeccak && parts.length === 1 && first !== undefined && first.length >= NATIVE_FROM_BYTES) {
    return hash('KECCAK-256', first, 'buffer')
  }
  wasm.init()
  for (const part of parts) wasm.update(part)
  return wasm.digest('binary')
}
