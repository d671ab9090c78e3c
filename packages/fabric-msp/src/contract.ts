import type { Fault } from '@kumiko/interface'

/** What is wrong with an identity, a certificate, a principal or a signature: `fabric-msp/…`. */
export type MspFault = Fault

/** The roles that a principal may name (`msp/msp_principal.proto`, `MSPRole`). */
export type MspRole = 'member' | 'admin' | 'client' | 'peer' | 'orderer'

/**
 * Whom a policy means (`msp/msp_principal.proto`). A combined principal asks for all of its parts, which are not combined themselves:
 * nested ones were flattened, as Fabric does.
 */
export type MspPrincipal = SimplePrincipal | { readonly kind: 'combined'; readonly principals: readonly SimplePrincipal[] }

/** A principal that has no parts. */
export type SimplePrincipal =
  | { readonly kind: 'role'; readonly mspId: string; readonly role: MspRole }
  | {
      readonly kind: 'organization-unit'
      readonly mspId: string
      readonly organizationalUnit: string
      /** SHA-256 over the certifying chain; compared as it is, so an empty one matches nobody. */
      readonly certifiersIdentifier: Uint8Array
    }
  | { readonly kind: 'identity'; readonly serialized: Uint8Array }
  | { readonly kind: 'anonymity'; readonly anonymity: 'nominal' | 'anonymous' }

/** Somebody with a certificate of an organisation (`msp/identities.go`). Whether it is a valid one, {@link FabricIdentity.validate} says. */
export interface FabricIdentity {
  readonly mspId: string
  /** Hex SHA-256 of the sanitised certificate's DER. Two identities are one if `mspId` and `id` are equal. */
  readonly id: string
  /** `SerializedIdentity` with the sanitised certificate as PEM. The caller does not write to it. */
  readonly serialized: Uint8Array
  /** When the certificate ends, in Unix seconds. The MSP does not look at it: who must refuse the expired, does (research § 1.3). */
  readonly expiresAt?: number

  /**
   * Whether this identity's key made the signature.
   * @param message - Not hashed yet.
   * @param signature - DER for ECDSA (high S is refused), 64 bytes for Ed25519.
   */
  verify(message: Uint8Array, signature: Uint8Array): boolean

  /** Checks chain, revocation and organisational units, not the time (research § 1.3). @returns What is wrong, if anything. */
  validate(): MspFault | undefined

  /** Whether this identity is one that the principal means; it is validated where the principal asks for that, as in Fabric. */
  satisfies(principal: MspPrincipal): boolean
}

/** An organisation's rules for who belongs to it (`msp/msp.go`). */
export interface Msp {
  readonly mspId: string

  /** @param serialized - `msp.SerializedIdentity`; copied where kept. @returns The identity, not yet validated. */
  deserialize(serialized: Uint8Array): FabricIdentity | MspFault
}

/** The organisations of a channel (`msp/mspmgrimpl.go`). */
export interface MspManager {
  /** As {@link Msp.deserialize}, by the organisation that the identity names. */
  deserialize(serialized: Uint8Array): FabricIdentity | MspFault

  /** The organisation of that id, `undefined` if there is none. */
  msp(mspId: string): Msp | undefined
}
