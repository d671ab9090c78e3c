import { unsafe } from '@noble/ciphers/aes.js'
import { RunningKeccak } from './running-keccak.ts'

/** Bytes of a MAC on the wire. */
export const MAC_BYTES = 16

/** The AES-256 key of a session's MACs, expanded; both directions share it. */
export type MacKey = Uint32Array

/** @param secret - The mac-secret, 32 bytes. */
export function macKey(secret: Uint8Array): MacKey {
  return unsafe.expandKeyLE(Uint8Array.from(secret))
}

const block = new Uint8Array(MAC_BYTES)
const words = new DataView(block.buffer)

/**
 * The running MAC of one direction.
 *
 * @see devp2p/rlpx.md § MAC: `aes(mac-secret, keccak256.digest(mac)[:16]) ^ x` is absorbed, and the digest after it is sent.
 */
export class FrameMac {
  readonly #key: MacKey
  readonly #hash = new RunningKeccak()
  /** The digest of all that was absorbed, first 16 bytes: the last MAC is also the seed of the next one. */
  readonly #sum = new Uint8Array(MAC_BYTES)

  /** @param initial - What the handshake gives each direction: mac-secret ^ nonce, then the handshake message. */
  constructor(key: MacKey, ...initial: readonly Uint8Array[]) {
    this.#key = key
    for (const bytes of initial) this.#hash.absorb(bytes)
    this.#look()
  }

  /** The first 16 bytes of the digest so far. @returns A view that later calls write to. */
  get sum(): Uint8Array {
    return this.#sum
  }

  /** @param ciphertext - 16 bytes. @returns The header's MAC: 16 bytes, good until the next call. */
  header(ciphertext: Uint8Array): Uint8Array {
    return this.#mix(ciphertext)
  }

  /** @param ciphertext - The padded body. @returns The body's MAC: 16 bytes, good until the next call. */
  body(ciphertext: Uint8Array): Uint8Array {
    this.#hash.absorb(ciphertext)
    this.#look()
    return this.#mix(this.#sum)
  }

  #mix(seed: Uint8Array): Uint8Array {
    const sum = this.#sum
    block.set(sum)
    const { s0, s1, s2, s3 } = unsafe.encrypt(
      this.#key,
      words.getUint32(0, true),
      words.getUint32(4, true),
      words.getUint32(8, true),
      words.getUint32(12, true),
    )
    words.setUint32(0, s0, true)
    words.setUint32(4, s1, true)
    words.setUint32(8, s2, true)
    words.setUint32(12, s3, true)
    for (let i = 0; i < MAC_BYTES; i++) block[i] = (block[i] as number) ^ (seed[i] as number)
    this.#hash.absorb(block)
    return this.#look()
  }

  #look(): Uint8Array {
    const digest = this.#hash.look()
    for (let i = 0; i < MAC_BYTES; i++) this.#sum[i] = digest[i] as number
    return this.#sum
  }
}

/** Compares two MACs in a time that does not depend on where they differ. */
export function macsEqual(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length
  for (let i = 0; i < MAC_BYTES; i++) difference |= (a[i] as number) ^ (b[i] as number)
  return difference === 0
}
