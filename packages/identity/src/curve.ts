import { createECDH, type ECDH } from 'node:crypto'
import { createRequire } from 'node:module'
import { secp256k1 } from '@noble/curves/secp256k1.js'

/**
 * secp256k1, as devp2p uses it. Public keys are 64 bytes, x‖y, unless said otherwise; secret keys and hashes 32.
 * What came from the network may be anything: those arguments never make a method throw.
 */
export interface Curve {
  readonly name: 'native' | 'portable'
  /** Tells whether 32 bytes are a scalar within the group's order. */
  isSecretKey(secretKey: Uint8Array): boolean
  /** @param secretKey - Must be valid. */
  publicKey(secretKey: Uint8Array): Uint8Array
  isPublicKey(publicKey: Uint8Array): boolean
  /** @returns 33 bytes. */
  compress(publicKey: Uint8Array): Uint8Array
  /** @param compressed - 33 bytes. @returns Undefined if it is not a point of the curve. */
  expand(compressed: Uint8Array): Uint8Array | undefined
  /**
   * The x coordinate of the shared point, 32 bytes.
   *
   * @param secretKey - Must be valid, and is kept by reference: use the same array for the same key.
   * @returns Undefined if the public key is not a point of the curve.
   */
  ecdh(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined
  /**
   * As {@link ecdh}, for a secret key that agrees once and is thrown away: faster, in a time that depends on the key. One look at it tells nobody
   * anything; a thousand would.
   */
  ecdhOnce(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined
  /**
   * The shared point itself, compressed, 33 bytes: what discv5 derives its keys from.
   *
   * @param secretKey - Must be valid.
   * @param compressed - 33 bytes.
   * @returns Undefined if the public key is not a point of the curve.
   */
  ecdhPoint(secretKey: Uint8Array, compressed: Uint8Array): Uint8Array | undefined
  /** @returns 65 bytes: r‖s‖recovery id, with low s. */
  sign(hash: Uint8Array, secretKey: Uint8Array): Uint8Array
  /** @param signature - 65 bytes, as {@link sign} makes them. @returns Undefined where nothing can be recovered. */
  recover(hash: Uint8Array, signature: Uint8Array): Uint8Array | undefined
  /** @param signature - 64 bytes, r‖s. High s is refused. */
  verify(hash: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean
}

/** 0x04, x, y: how the libraries write an uncompressed point. */
function pointOf(publicKey: Uint8Array): Uint8Array {
  const point = new Uint8Array(publicKey.length + 1)
  point[0] = 4
  point.set(publicKey, 1)
  return point
}

function compressedPoint(x: Uint8Array, y: Uint8Array): Uint8Array {
  const compressed = new Uint8Array(33)
  compressed[0] = 2 + ((y[31] ?? 0) & 1)
  compressed.set(x, 1)
  return compressed
}

function undefinedOnThrow<T>(compute: () => T): T | undefined {
  try {
    return compute()
  } catch {
    return undefined
  }
}

/** One OpenSSL key a secret key: setting it costs more than using it. Entries go with the arrays that they belong to. */
const agreements = new WeakMap<Uint8Array, ECDH>()

function agreementOf(secretKey: Uint8Array): ECDH {
  let agreement = agreements.get(secretKey)
  if (agreement === undefined) {
    agreement = createECDH('secp256k1')
    agreement.setPrivateKey(secretKey)
    agreements.set(secretKey, agreement)
  }
  return agreement
}

/**
 * Runs wherever Node does: @noble/curves, and OpenSSL's ECDH, which is 2–5 times as fast as noble's.
 */
export const portableCurve: Curve = {
  name: 'portable',
  isSecretKey: (secretKey) => secp256k1.utils.isValidSecretKey(secretKey),
  publicKey: (secretKey) => secp256k1.getPublicKey(secretKey, false).subarray(1),
  isPublicKey: (publicKey) => publicKey.length === 64 && secp256k1.utils.isValidPublicKey(pointOf(publicKey), false),
  compress: (publicKey) => compressedPoint(publicKey.subarray(0, 32), publicKey.subarray(32)),
  expand: (compressed) =>
    compressed.length === 33 ? undefinedOnThrow(() => secp256k1.Point.fromBytes(compressed).toBytes(false).subarray(1)) : undefined,
  ecdh: (secretKey, publicKey) =>
    publicKey.length === 64 ? undefinedOnThrow(() => agreementOf(secretKey).computeSecret(pointOf(publicKey))) : undefined,
  ecdhOnce: (secretKey, publicKey) =>
    undefinedOnThrow(() => {
      const scalar = BigInt(`0x${Buffer.from(secretKey).toString('hex')}`)
      return secp256k1.Point.fromBytes(pointOf(publicKey)).multiplyUnsafe(scalar).toBytes(true).subarray(1)
    }),
  ecdhPoint: (secretKey, compressed) =>
    compressed.length === 33 ? undefinedOnThrow(() => secp256k1.getSharedSecret(secretKey, compressed, true)) : undefined,
  sign(hash, secretKey) {
    const recovered = secp256k1.sign(hash, secretKey, { prehash: false, format: 'recovered', lowS: true })
    const signature = new Uint8Array(65)
    signature.set(recovered.subarray(1))
    signature[64] = recovered[0] ?? 0
    return signature
  },
  recover(hash, signature) {
    if (signature.length !== 65 || hash.length !== 32) return undefined
    const recovered = new Uint8Array(65)
    recovered[0] = signature[64] ?? 0
    recovered.set(signature.subarray(0, 64), 1)
    return undefinedOnThrow(() =>
      secp256k1.Point.fromBytes(secp256k1.recoverPublicKey(recovered, hash, { prehash: false }))
        .toBytes(false)
        .subarray(1),
    )
  },
  verify: (hash, signature, publicKey) =>
    signature.length === 64 &&
    publicKey.length === 64 &&
    undefinedOnThrow(() => secp256k1.verify(signature, hash, pointOf(publicKey), { prehash: false, lowS: true })) === true,
}

/** What we use of the npm package `secp256k1`, which wraps Bitcoin Core's library. It throws on bad input. */
interface NativeBinding {
  privateKeyVerify(secretKey: Uint8Array): boolean
  publicKeyCreate(secretKey: Uint8Array, compressed: boolean): Uint8Array
  publicKeyVerify(point: Uint8Array): boolean
  publicKeyConvert(point: Uint8Array, compressed: boolean): Uint8Array
  ecdh(
    point: Uint8Array,
    secretKey: Uint8Array,
    options: { hashfn: (x: Uint8Array, y: Uint8Array) => Uint8Array; xbuf: Uint8Array; ybuf?: Uint8Array },
    output: Uint8Array,
  ): Uint8Array
  publicKeyTweakMul(point: Uint8Array, secretKey: Uint8Array, compressed: boolean): Uint8Array
  ecdsaSign(hash: Uint8Array, secretKey: Uint8Array): { signature: Uint8Array; recid: number }
  ecdsaRecover(signature: Uint8Array, recoveryId: number, hash: Uint8Array, compressed: boolean): Uint8Array
  ecdsaVerify(signature: Uint8Array, hash: Uint8Array, point: Uint8Array): boolean
}

function nativeCurveOf(binding: NativeBinding): Curve {
  const agreement = { hashfn: (x: Uint8Array): Uint8Array => x, xbuf: new Uint8Array(32) }
  const pointAgreement = { hashfn: compressedPoint, xbuf: new Uint8Array(32), ybuf: new Uint8Array(32) }
  return {
    name: 'native',
    isSecretKey: (secretKey) => secretKey.length === 32 && binding.privateKeyVerify(secretKey),
    publicKey: (secretKey) => binding.publicKeyCreate(secretKey, false).subarray(1),
    isPublicKey: (publicKey) => publicKey.length === 64 && binding.publicKeyVerify(pointOf(publicKey)),
    compress: portableCurve.compress,
    expand: (compressed) =>
      compressed.length === 33 ? undefinedOnThrow(() => binding.publicKeyConvert(compressed, false).subarray(1)) : undefined,
    ecdh: (secretKey, publicKey) =>
      publicKey.length === 64
        ? undefinedOnThrow(() => binding.ecdh(pointOf(publicKey), secretKey, agreement, new Uint8Array(32)))
        : undefined,
    ecdhOnce: (secretKey, publicKey) =>
      publicKey.length === 64
        ? undefinedOnThrow(() => binding.publicKeyTweakMul(pointOf(publicKey), secretKey, true).subarray(1))
        : undefined,
    ecdhPoint: (secretKey, compressed) =>
      compressed.length === 33
        ? undefinedOnThrow(() => binding.ecdh(compressed, secretKey, pointAgreement, new Uint8Array(33)))
        : undefined,
    sign(hash, secretKey) {
      const { signature, recid } = binding.ecdsaSign(hash, secretKey)
      const out = new Uint8Array(65)
      out.set(signature)
      out[64] = recid
      return out
    },
    recover(hash, signature) {
      const recoveryId = signature[64] ?? 4
      if (signature.length !== 65 || hash.length !== 32 || recoveryId > 3) return undefined
      return undefinedOnThrow(() => binding.ecdsaRecover(signature.subarray(0, 64), recoveryId, hash, false).subarray(1))
    },
    verify: (hash, signature, publicKey) =>
      signature.length === 64 &&
      publicKey.length === 64 &&
      undefinedOnThrow(() => binding.ecdsaVerify(signature, hash, pointOf(publicKey))) === true,
  }
}

/** The optional dependency, where it is installed, loads, and computes as the portable one does. */
function loadNativeCurve(): Curve | undefined {
  // The package's main entry falls back to a slow one in silence: the binding is asked for by name.
  const binding = undefinedOnThrow(() => createRequire(import.meta.url)('secp256k1/bindings.js') as NativeBinding)
  if (binding === undefined) return undefined
  const native = nativeCurveOf(binding)
  const secretKey = new Uint8Array(32).fill(7)
  const publicKey = portableCurve.publicKey(secretKey)
  const agrees = undefinedOnThrow(() => Buffer.compare(native.publicKey(secretKey), publicKey) === 0 && native.isPublicKey(publicKey))
  return agrees === true ? native : undefined
}

/** Bitcoin Core's libsecp256k1: 10–35 times as fast. Undefined where it does not load. */
export const nativeCurve: Curve | undefined = loadNativeCurve()

/** The fastest that loads. */
export const curve: Curve = nativeCurve ?? portableCurve
