import { isFault } from '@kumiko/interface'
import { type Certificate, isEqual, parseCertificate } from './certificate.ts'
import { type CertificatePool, type Chain, findChain, maySign } from './chain.ts'
import type { MspFault } from './contract.ts'
import { derElement, TAG } from './der.ts'
import { keyOf } from './digest.ts'
import { encodeSignature, readSignature, toLowS } from './ecdsa-signature.ts'
import { decodePem } from './pem.ts'
import { isSignedByEcdsa, PublicKey } from './public-key.ts'

/**
 * The CAs of an MSP (`mspimplsetup.go`, `setupCAs` and `finalizeSetupCAs`). Those that certify other CAs of it may not certify identities.
 */
export class CaTree {
  readonly roots: readonly Certificate[]
  readonly intermediates: readonly Certificate[]
  readonly #pool: CertificatePool
  /** Who certifies CAs, as {@link keyOf} their bytes. */
  readonly #internal = new Set<string>()

  /** @param roots - As they are, like all CAs for TLS; {@link CaTree.from} sanitises. */
  constructor(roots: readonly Certificate[], intermediates: readonly Certificate[]) {
    this.roots = roots
    this.intermediates = intermediates
    this.#pool = { roots: distinct(roots), intermediates: distinct(intermediates) }
  }

  /**
   * Sanitises the CAs; {@link finish} checks them.
   * @param rootPems - Of which the first block counts each.
   */
  static from(rootPems: readonly Uint8Array[], intermediatePems: readonly Uint8Array[]): CaTree | MspFault {
    const given = CaTree.plain(rootPems, intermediatePems)
    if (isFault(given)) return given
    const roots = allSound(given.roots.map((ca) => given.sanitize(ca)))
    const intermediates = allSound(given.intermediates.map((ca) => given.sanitize(ca)))
    if (isFault(roots)) return roots
    return isFault(intermediates) ? intermediates : new CaTree(roots, intermediates)
  }

  /** CAs for TLS, taken as they are. */
  static plain(rootPems: readonly Uint8Array[], intermediatePems: readonly Uint8Array[]): CaTree | MspFault {
    const roots = allSound(rootPems.map(parseCa))
    const intermediates = allSound(intermediatePems.map(parseCa))
    if (isFault(roots)) return roots
    return isFault(intermediates) ? intermediates : new CaTree(roots, intermediates)
  }

  /**
   * Checks that each is a CA with a key identifier and a single chain, and marks those that certify others.
   * @param isRevoked - Asked of each but the roots, with its chain.
   */
  finish(isRevoked: (certificate: Certificate, chain: Chain) => MspFault | undefined): MspFault | undefined {
    for (const ca of [...this.roots, ...this.intermediates]) {
      if (ca.basicConstraints?.isCa !== true) return { fault: 'fabric-msp/not-a-ca', detail: 'basicConstraints do not say CA' }
      if (ca.subjectKeyId === undefined) return { fault: 'fabric-msp/no-key-identifier', detail: 'a CA without subjectKeyIdentifier' }
      const chain = this.chainOf(ca)
      if (isFault(chain)) return chain
      const fault = chain.length === 1 ? undefined : isRevoked(ca, chain)
      if (fault !== undefined) return fault
    }
    for (const ca of this.intermediates) {
      const chain = this.chainOf(ca)
      if (isFault(chain)) return chain
      for (const { raw } of chain.slice(1)) this.#internal.add(keyOf(raw))
    }
    return undefined
  }

  /** The only chain from a certificate to a root. */
  chainOf(certificate: Certificate, pool: CertificatePool = this.#pool): Chain | MspFault {
    return findChain(certificate, pool, (child, parent) => keyOfCa(parent)?.hasSigned(child) === true)
  }

  /** {@link chainOf} an identity's certificate, whose parent must be a leaf of the tree. */
  chainOfIdentity(certificate: Certificate): Chain | MspFault {
    if (certificate.basicConstraints?.isCa === true) return { fault: 'fabric-msp/ca-as-identity', detail: 'a CA is no identity' }
    return this.#chainFrom(certificate, 1)
  }

  /** {@link chainOf} one of the intermediates, which must be a leaf of the tree itself; of a root, that alone. */
  chainOfCa(certificate: Certificate): Chain | MspFault {
    if (contains(this.roots, certificate)) return [certificate]
    if (contains(this.intermediates, certificate)) return this.#chainFrom(certificate, 0)
    return { fault: 'fabric-msp/not-a-ca', detail: 'not among the CAs of this MSP' }
  }

  /**
   * Makes high s low in a certificate's own signature (`mspimpl.go`, `sanitizeCert`), for either is as good as the other, and identities are told
   * apart by their bytes. Needs the chain, so that whose chain is at fault cannot even be deserialised, as in Fabric.
   */
  sanitize(certificate: Certificate): Certificate | MspFault {
    if (!isSignedByEcdsa(certificate)) return certificate
    const isCa = certificate.basicConstraints?.isCa === true
    if (isCa && maySign(certificate) && keyOfCa(certificate)?.hasSigned(certificate) === true) return this.#sanitizeRoot(certificate)
    const chain = this.chainOf(certificate)
    if (isFault(chain)) return chain
    const parent = chain[1]
    return parent === undefined
      ? { fault: 'fabric-msp/short-chain', detail: 'a root that another CA signed' }
      : withLowS(certificate, parent)
  }

  #sanitizeRoot(certificate: Certificate): Certificate | MspFault {
    const sanitized = withLowS(certificate, certificate)
    if (isFault(sanitized)) return sanitized
    const chain = this.chainOf(sanitized, { ...this.#pool, roots: [sanitized] })
    return isFault(chain) ? chain : sanitized
  }

  #chainFrom(certificate: Certificate, parentPosition: number): Chain | MspFault {
    const chain = this.chainOf(certificate)
    if (isFault(chain)) return chain
    const parent = chain[parentPosition]
    if (chain.length < 2 || parent === undefined) return { fault: 'fabric-msp/short-chain', detail: 'a root is no identity' }
    const isInternal = this.#internal.has(keyOf(parent.raw))
    return isInternal ? { fault: 'fabric-msp/parent-not-leaf', detail: 'a CA that certifies CAs may not certify identities' } : chain
  }
}

/** Parses the first certificate in PEM; its type is not looked at, as in Fabric. */
export function certificateFromPem(pem: Uint8Array): Certificate | MspFault {
  const block = decodePem(pem)
  return block === undefined ? { fault: 'fabric-msp/bad-pem', detail: 'no PEM block' } : parseCertificate(block.bytes)
}

/** The CA's key; made once. */
export function keyOfCa(ca: Certificate): PublicKey | undefined {
  if (!keys.has(ca)) keys.set(ca, PublicKey.from(ca.publicKey))
  return keys.get(ca)
}

/** Lives as long as its certificates do. */
const keys = new WeakMap<Certificate, PublicKey | undefined>()

/** The certificates, or the first fault. */
function allSound(parsed: readonly (Certificate | MspFault)[]): Certificate[] | MspFault {
  const certificates: Certificate[] = []
  for (const certificate of parsed) {
    if (isFault(certificate)) return certificate
    certificates.push(certificate)
  }
  return certificates
}

function parseCa(pem: Uint8Array): Certificate | MspFault {
  const ca = certificateFromPem(pem)
  if (isFault(ca)) return ca
  return keyOfCa(ca) === undefined ? { fault: 'fabric-msp/unsupported-key', detail: 'of a CA' } : ca
}

/** Who made the signature is the parent, so it is read by the parent's curve. */
function withLowS(certificate: Certificate, parent: Certificate): Certificate | MspFault {
  const { curve } = parent.publicKey
  const signature = readSignature(certificate.signature)
  if (curve === undefined || signature === undefined) return { fault: 'fabric-msp/bad-signature', detail: 'of a certificate' }
  const bytes = encodeSignature(toLowS(curve, signature))
  if (isEqual(bytes, certificate.signature)) return certificate
  const algorithm = derElement(TAG.sequence, ...certificate.signatureAlgorithm.elements)
  return parseCertificate(derElement(TAG.sequence, certificate.tbs, algorithm, derElement(TAG.bitString, new Uint8Array(1), bytes)))
}

/** Each once: Go's pools hold no certificate twice, and two chains would be one too many. */
function distinct(certificates: readonly Certificate[]): Certificate[] {
  return [...new Map(certificates.map((certificate) => [keyOf(certificate.raw), certificate])).values()]
}

function contains(certificates: readonly Certificate[], wanted: Certificate): boolean {
  return certificates.some(({ raw }) => isEqual(raw, wanted.raw))
}
