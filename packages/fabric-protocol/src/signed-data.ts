/** What a policy looks at: who is said to have signed what. @see Fabric `protoutil/signeddata.go` SignedData */
export interface SignedData {
  /** A `SerializedIdentity`'s bytes. */
  readonly identity: Uint8Array
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

/** Signs as one identity. An MSP's signer is one. */
export interface Signer {
  /** A `SerializedIdentity`'s bytes. */
  readonly creator: Uint8Array
  /** Hashes and signs. @returns The signature as the identity's MSP writes it: DER with low S for ECDSA. */
  sign(message: Uint8Array): Uint8Array
}
