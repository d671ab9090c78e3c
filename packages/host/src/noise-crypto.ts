import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, hkdfSync, type KeyObject } from 'node:crypto'

/** What stands before the 32 bytes of an X25519 key in PKCS #8, and in SPKI (RFC 8410 §§ 4, 7). */
const [PKCS8_PREFIX, SPKI_PREFIX] = [Buffer.from('302e020100300506032b656e04220420', 'hex'), Buffer.from('302a300506032b656e032100', 'hex')]
const HASH_BYTES = 32

/** Bytes, or a list of them such as `Uint8ArrayList`. */
interface Bytes {
  subarray(): Uint8Array
}

/** A key pair of X25519, 32 bytes each. */
export interface NoiseKeyPair {
  readonly publicKey: Uint8Array
  readonly privateKey: Uint8Array
}

/** What of `ICryptoInterface` of `@libp2p/noise` is replaced. */
export interface NoiseKeyAgreement {
  getHKDF(chainingKey: Uint8Array, inputKeyMaterial: Uint8Array): [Uint8Array, Uint8Array, Uint8Array]
  generateX25519KeyPair(): NoiseKeyPair
  generateX25519SharedKey(privateKey: Uint8Array | Bytes, publicKey: Uint8Array | Bytes): Uint8Array
}

/** Private keys as Node's crypto has read them. Entries go with the arrays that they belong to. */
const readKeys = new WeakMap<object, KeyObject>()

/**
 * Noise's crypto with a key agreement that reads each private key once, and an HKDF of Node's own: a handshake computes the same in less time.
 *
 * @param base - All else: `defaultCrypto` of `@libp2p/noise/crypto`.
 * @example `noise({ crypto: noiseCrypto(defaultCrypto) })`
 */
export function noiseCrypto<Base extends object>(base: Base): Base & NoiseKeyAgreement {
  return { ...base, getHKDF, generateX25519KeyPair, generateX25519SharedKey }
}

/** HKDF with SHA-256 and three outputs (Noise § 4.3). */
function getHKDF(chainingKey: Uint8Array, inputKeyMaterial: Uint8Array): [Uint8Array, Uint8Array, Uint8Array] {
  const bytes = new Uint8Array(hkdfSync('sha256', inputKeyMaterial, chainingKey, '', 3 * HASH_BYTES))
  return [bytes.subarray(0, HASH_BYTES), bytes.subarray(HASH_BYTES, 2 * HASH_BYTES), bytes.subarray(2 * HASH_BYTES)]
}

function generateX25519KeyPair(): NoiseKeyPair {
  const pair = generateKeyPairSync('x25519')
  const publicKey = pair.publicKey.export({ type: 'spki', format: 'der' }).subarray(SPKI_PREFIX.length)
  const privateKey = pair.privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(PKCS8_PREFIX.length)
  readKeys.set(privateKey, pair.privateKey)
  return { publicKey, privateKey }
}

/** @throws Where the public key is of low order, as Node's crypto does. */
function generateX25519SharedKey(privateKey: Uint8Array | Bytes, publicKey: Uint8Array | Bytes): Uint8Array {
  const key = Buffer.concat([SPKI_PREFIX, publicKey.subarray()])
  return diffieHellman({ privateKey: readOnce(privateKey), publicKey: createPublicKey({ key, type: 'spki', format: 'der' }) })
}

function readOnce(privateKey: Uint8Array | Bytes): KeyObject {
  const known = readKeys.get(privateKey)
  if (known !== undefined) return known
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, privateKey.subarray()]), type: 'pkcs8', format: 'der' })
  readKeys.set(privateKey, key)
  return key
}
