import { SerializedIdentity } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import { certificateFromPem } from './ca-tree.ts'
import { type Certificate, isEqual, parseCertificate } from './certificate.ts'
import type { FabricIdentity, MspFault, MspPrincipal } from './contract.ts'
import { encodeSignature, readSignature } from './ecdsa-signature.ts'
import { EXTENSION } from './extension.ts'
import { organizationalUnitsOf } from './name.ts'
import type { OrganizationalUnit } from './node-ous.ts'
import { decodePem, encodePem } from './pem.ts'
import { isSignedByEcdsa, type PublicKey, type SignatureHash } from './public-key.ts'

/** What an identity asks of its MSP. */
export interface IdentityRules {
  readonly mspId: string
  readonly signatureHash: SignatureHash
  validate(identity: X509Identity): MspFault | undefined
  satisfies(identity: X509Identity, principal: MspPrincipal): boolean
  /** Digest of the chain above the certificate; a fault if there is none. */
  certifiersIdentifier(certificate: Certificate): Uint8Array | MspFault
}

/** An identity with an X.509 certificate (`msp/identities.go`). */
export class X509Identity implements FabricIdentity {
  readonly mspId: string
  readonly id: string
  /** Sanitised. */
  readonly certificate: Certificate
  readonly publicKey: PublicKey
  readonly #rules: IdentityRules
  #serialized: Uint8Array | undefined
  #units: readonly OrganizationalUnit[] | undefined
  #validity: { readonly fault: MspFault | undefined } | undefined

  /** @param certificate - Sanitised. @param id - Hex digest of its bytes. */
  constructor(rules: IdentityRules, certificate: Certificate, publicKey: PublicKey, id: string) {
    this.mspId = rules.mspId
    this.id = id
    this.certificate = certificate
    this.publicKey = publicKey
    this.#rules = rules
  }

  get expiresAt(): number {
    return this.certificate.notAfter
  }

  /** How its MSP hashes what is signed. */
  get signatureHash(): SignatureHash {
    return this.#rules.signatureHash
  }

  get serialized(): Uint8Array {
    this.#serialized ??= serializeIdentity(this.mspId, this.certificate.raw)
    return this.#serialized
  }

  /** The subject's units, each with the identity's chain; none if it has no chain. */
  get organizationalUnits(): readonly OrganizationalUnit[] {
    this.#units ??= this.#readUnits()
    return this.#units
  }

  /** What Fabric CA wrote into the certificate about its owner; empty if nothing, or nothing that can be read. */
  get attributes(): ReadonlyMap<string, string> {
    return attributesOf(this.certificate)
  }

  verify(message: Uint8Array, signature: Uint8Array): boolean {
    return this.publicKey.verify(message, signature, this.#rules.signatureHash)
  }

  validate(): MspFault | undefined {
    this.#validity ??= { fault: this.#rules.validate(this) }
    return this.#validity.fault
  }

  satisfies(principal: MspPrincipal): boolean {
    return this.#rules.satisfies(this, principal)
  }

  #readUnits(): OrganizationalUnit[] {
    const certifiersIdentifier = this.#rules.certifiersIdentifier(this.certificate)
    if (isFault(certifiersIdentifier)) return []
    return organizationalUnitsOf(this.certificate.subject).map((name) => ({ name, certifiersIdentifier }))
  }
}

/** `msp.SerializedIdentity` of a certificate in DER. */
export function serializeIdentity(mspId: string, certificate: Uint8Array): Uint8Array {
  return SerializedIdentity.encode({ mspId: mspId, idBytes: new TextEncoder().encode(encodePem('CERTIFICATE', certificate)) })
}

/** What `msp.SerializedIdentity` holds, the certificate not yet read. */
export function readSerializedIdentity(serialized: Uint8Array): SerializedIdentity | MspFault {
  const read = SerializedIdentity.decode(serialized)
  return isFault(read) ? { fault: 'fabric-msp/bad-identity', ...(read.detail !== undefined && { detail: read.detail }) } : read
}

/**
 * Whether an identity is written as it should be (`mspimpl.go`, `IsWellFormed`): a certificate in PEM with nothing after it, its own ECDSA signature in
 * canonical DER. For gossip and deliver; validation deliberately does not ask, or old blocks would be judged anew.
 */
export function checkWellFormed(serialized: Uint8Array): MspFault | undefined {
  const identity = readSerializedIdentity(serialized)
  if (isFault(identity)) return identity
  const block = decodePem(identity.idBytes)
  if (block === undefined || block.restBytes > 0) return { fault: 'fabric-msp/bad-pem', detail: 'not one block of PEM and nothing else' }
  if (block.type !== 'CERTIFICATE' && block.type !== '') return { fault: 'fabric-msp/bad-pem', detail: 'not of type CERTIFICATE' }
  const certificate = parseCertificate(block.bytes)
  if (isFault(certificate) || !isSignedByEcdsa(certificate)) return isFault(certificate) ? certificate : undefined
  const signature = readSignature(certificate.signature)
  const isCanonical = signature !== undefined && isEqual(encodeSignature(signature), certificate.signature)
  return isCanonical ? undefined : { fault: 'fabric-msp/bad-signature', detail: 'of the certificate: not canonical' }
}

/** The certificate in `msp.SerializedIdentity`, whoever issued it. */
export function certificateOf(serialized: Uint8Array): Certificate | MspFault {
  const identity = readSerializedIdentity(serialized)
  return isFault(identity) ? identity : certificateFromPem(identity.idBytes)
}

function attributesOf({ extensions }: Certificate): ReadonlyMap<string, string> {
  const value = extensions.find(({ id }) => id === EXTENSION.fabricAttributes)?.value
  const attributes = value && parseJson(value)
  const entries = Object.entries(isObject(attributes) && isObject(attributes.attrs) ? attributes.attrs : {})
  return new Map(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
