import { createHash, createPublicKey, type KeyObject, type VerifyKeyObjectInput, verify } from 'node:crypto'
import type { Certificate, PublicKeyInfo } from './certificate.ts'
import type { RevocationList } from './crl.ts'
import { isLowS, readSignature, readStrictSignature, toP1363 } from './ecdsa-signature.ts'

/** How an MSP hashes what is signed (`signature_hash_family`). */
export type SignatureHash = 'sha256' | 'sha3-256'

/** A key that signatures are checked with. The key object is made once: making it costs more than a check. */
export class PublicKey {
  readonly info: PublicKeyInfo
  readonly #key: KeyObject
  /** The key as one that checks a signature's two numbers side by side. */
  readonly #numbersKey: VerifyKeyObjectInput

  private constructor(info: PublicKeyInfo, key: KeyObject) {
    this.info = info
    this.#key = key
    this.#numbersKey = { key, dsaEncoding: 'ieee-p1363' }
  }

  /** The key of a certificate; `undefined` if it is of a kind that Fabric does not know, or the point is not on the curve. */
  static from(info: PublicKeyInfo): PublicKey | undefined {
    if (info.algorithm === 'other') return undefined
    try {
      return new PublicKey(info, createPublicKey({ key: Buffer.from(spkiOf(info)), format: 'der', type: 'spki' }))
    } catch {
      return undefined
    }
  }

  /**
   * Whether the key made a signature as Fabric makes them (research § 3.2): ECDSA in DER with low s over the hash, or Ed25519 over the message.
   * @param message - Not hashed.
   */
  verify(message: Uint8Array, signature: Uint8Array, hash: SignatureHash): boolean {
    const { algorithm, curve } = this.info
    if (algorithm === 'ed25519') return verifies(null, message, this.#key, signature)
    const numbers = curve && readSignature(signature)
    if (curve === undefined || numbers === undefined || !isLowS(curve, numbers.s)) return false
    const p1363 = toP1363(curve, numbers)
    return p1363 !== undefined && verifies(hash, message, this.#numbersKey, p1363)
  }

  /**
   * Whether the key signed a certificate or a revocation list, as Go checks it: high s is allowed.
   * @param signed - SHA-1 is refused on certificates, and RSA-PSS is not known here.
   */
  hasSigned(signed: Pick<Certificate | RevocationList, 'tbs' | 'signature' | 'signatureAlgorithm'>, isSha1Allowed = false): boolean {
    const algorithm = SIGNATURE_ALGORITHMS[signed.signatureAlgorithm.algorithm]
    if (algorithm?.key !== this.info.algorithm || (algorithm.hash === 'sha1' && !isSha1Allowed)) return false
    const { curve } = this.info
    if (curve === undefined) return verifies(algorithm.hash, signed.tbs, this.#key, signed.signature)
    const numbers = readStrictSignature(signed.signature)
    const p1363 = numbers && toP1363(curve, numbers)
    return p1363 !== undefined && verifies(algorithm.hash, signed.tbs, this.#numbersKey, p1363)
  }

  /** Fabric's name for the key in a keystore: hex SHA-256 of what the certificate holds of it. */
  get ski(): string {
    return createHash('sha256').update(this.info.key).digest('hex')
  }

  /** Whether a private key belongs to this one. @param publicOf - The public half, as `createPublicKey` yields it. */
  isPublicHalf(publicOf: KeyObject): boolean {
    return publicOf.equals(this.#key)
  }
}

/** Whether a certificate or a list is signed by ECDSA: such ones are made canonical (`msp/cert.go`). */
export function isSignedByEcdsa(signed: Pick<Certificate, 'signatureAlgorithm'>): boolean {
  return SIGNATURE_ALGORITHMS[signed.signatureAlgorithm.algorithm]?.key === 'ecdsa'
}

interface SignatureAlgorithm {
  readonly key: PublicKeyInfo['algorithm']
  readonly hash: string | null
}

const SIGNATURE_ALGORITHMS: Readonly<Record<string, SignatureAlgorithm>> = {
  '1.2.840.10045.4.1': { key: 'ecdsa', hash: 'sha1' },
  '1.2.840.10045.4.3.2': { key: 'ecdsa', hash: 'sha256' },
  '1.2.840.10045.4.3.3': { key: 'ecdsa', hash: 'sha384' },
  '1.2.840.10045.4.3.4': { key: 'ecdsa', hash: 'sha512' },
  '1.2.840.113549.1.1.5': { key: 'rsa', hash: 'sha1' },
  '1.2.840.113549.1.1.11': { key: 'rsa', hash: 'sha256' },
  '1.2.840.113549.1.1.12': { key: 'rsa', hash: 'sha384' },
  '1.2.840.113549.1.1.13': { key: 'rsa', hash: 'sha512' },
  '1.3.101.112': { key: 'ed25519', hash: null },
}

/** What stands before an ECDSA point in `SubjectPublicKeyInfo`: OpenSSL sees this, not what the certificate's author wrote. */
const SPKI_PREFIXES = {
  'P-224': '304e301006072a8648ce3d020106052b81040021033a00',
  'P-256': '3059301306072a8648ce3d020106082a8648ce3d030107034200',
  'P-384': '3076301006072a8648ce3d020106052b81040022036200',
  'P-521': '30819b301006072a8648ce3d020106052b8104002303818600',
} as const

function spkiOf({ curve, key, raw }: PublicKeyInfo): Uint8Array {
  return curve === undefined ? raw : Buffer.concat([Buffer.from(SPKI_PREFIXES[curve], 'hex'), key])
}

type VerifyKey = Parameters<typeof verify>[2]

/** OpenSSL throws at some signatures that are no such thing. */
function verifies(hash: string | null, message: Uint8Array, key: VerifyKey, signature: Uint8Array): boolean {
  try {
    return verify(hash, message, key, signature)
  } catch {
    return false
  }
}
