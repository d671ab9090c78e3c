import {
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto'
import type { RandomBytes } from '@kumiko/interface'

/** The order of P-256. @see FIPS 186-5, SP 800-186 § 3.2.1.3 */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** An ECDSA key on P-256, which signs with low s: Fabric takes no other. */
export interface P256Key {
  readonly privateKey: KeyObject
  /** PKCS #8. */
  readonly privateKeyPem: string
  /** The public key as `SubjectPublicKeyInfo` in DER. */
  readonly publicKeyInfo: Uint8Array
  /** SHA-256 of the public key's point, in hex: what Fabric calls SKI. */
  readonly identifier: string
  /** @returns r and s side by side, 32 bytes each (IEEE P1363). */
  sign(message: Uint8Array): Uint8Array
}

/**
 * Makes a key.
 * @param randomBytes - Where it comes from; its signatures are then always the same, too (RFC 6979). Default: the system's randomness.
 */
export function generateP256Key(randomBytes?: RandomBytes): P256Key {
  if (randomBytes === undefined) return keyOf(generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey, false)
  const ecdh = createECDH('prime256v1')
  const secret = scalarFrom(() => randomBytes(32))
  ecdh.setPrivateKey(bytesOf(secret))
  const point = ecdh.getPublicKey()
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    d: bytesOf(secret).toString('base64url'),
    x: point.subarray(1, 33).toString('base64url'),
    y: point.subarray(33).toString('base64url'),
  }
  return keyOf(createPrivateKey({ key: jwk, format: 'jwk' }), true)
}

/** A key that was written. @param pem - PKCS #8 or SEC 1, on P-256. @param isDeterministic - Whether its signatures are always the same. */
export function readP256Key(pem: string, isDeterministic = false): P256Key {
  return keyOf(createPrivateKey(pem), isDeterministic)
}

function keyOf(privateKey: KeyObject, isDeterministic: boolean): P256Key {
  const publicKeyInfo = new Uint8Array(createPublicKey(privateKey).export({ type: 'spki', format: 'der' }))
  const secret = isDeterministic ? secretOf(privateKey) : undefined
  return {
    privateKey,
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKeyInfo,
    // The point ends the structure: 65 bytes, uncompressed.
    identifier: createHash('sha256').update(publicKeyInfo.subarray(-65)).digest('hex'),
    sign: (message) =>
      lowS(secret === undefined ? sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' }) : signAlways(secret, message)),
  }
}

function secretOf(privateKey: KeyObject): bigint {
  return numberOf(Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url'))
}

/** ECDSA whose nonce comes of key and message. @see RFC 6979 § 3.2 */
function signAlways(secret: bigint, message: Uint8Array): Buffer {
  const digest = createHash('sha256').update(message).digest()
  const nonces = noncesOf(bytesOf(secret), bytesOf(numberOf(digest) % ORDER))
  const nonce = scalarFrom(() => nonces.next().value)
  const ecdh = createECDH('prime256v1')
  ecdh.setPrivateKey(bytesOf(nonce))
  const r = numberOf(ecdh.getPublicKey().subarray(1, 33)) % ORDER
  const s = (inverseOf(nonce) * ((numberOf(digest) + r * secret) % ORDER)) % ORDER
  return Buffer.concat([bytesOf(r), bytesOf(s)])
}

function* noncesOf(secret: Buffer, digest: Buffer): Generator<Buffer, never> {
  let value: Buffer = Buffer.alloc(32, 1)
  let key: Buffer = Buffer.alloc(32)
  for (const separator of [0, 1]) {
    key = hmac(key, value, Buffer.of(separator), secret, digest)
    value = hmac(key, value)
  }
  for (;;) {
    value = hmac(key, value)
    yield value
    key = hmac(key, value, Buffer.of(0))
    value = hmac(key, value)
  }
}

function hmac(key: Buffer, ...parts: readonly Buffer[]): Buffer {
  const mac = createHmac('sha256', key)
  for (const part of parts) mac.update(part)
  return mac.digest()
}

/** The first draw that is a private key: nearly always the first of all. */
function scalarFrom(draw: () => Uint8Array): bigint {
  for (;;) {
    const scalar = numberOf(draw())
    if (scalar > 0n && scalar < ORDER) return scalar
  }
}

/** By Euclid's algorithm. */
function inverseOf(value: bigint): bigint {
  let [r, next] = [ORDER, value]
  let [t, nextT] = [0n, 1n]
  while (next !== 0n) {
    const quotient = r / next
    ;[r, next] = [next, r - quotient * next]
    ;[t, nextT] = [nextT, t - quotient * nextT]
  }
  return t < 0n ? t + ORDER : t
}

function lowS(signature: Buffer): Uint8Array {
  const s = numberOf(signature.subarray(32))
  return new Uint8Array(s > ORDER / 2n ? Buffer.concat([signature.subarray(0, 32), bytesOf(ORDER - s)]) : signature)
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
}

function bytesOf(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
}
