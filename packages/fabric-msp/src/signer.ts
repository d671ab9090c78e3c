import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import type { Signer } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import { encodeSignature, fromP1363, toLowS } from './ecdsa-signature.ts'
import type { X509Identity } from './identity.ts'

/**
 * An identity whose key we have. Signatures are ECDSA in DER with low s over the MSP's hash, or Ed25519 over the message (research § 3.2).
 */
export interface IdentitySigner extends Signer {
  readonly identity: X509Identity
}

/**
 * Signs for an identity.
 * @param privateKeyPem - PKCS #8 or SEC 1, not encrypted.
 * @throws KumikoError `fabric-msp/bad-private-key`, `fabric-msp/key-mismatch`
 */
export function createSigner(identity: X509Identity, privateKeyPem: string): IdentitySigner {
  const key = readPrivateKey(privateKeyPem)
  if (key === undefined)
    throw new KumikoError('fabric-msp/bad-private-key', 'not a private key in PEM: give PKCS #8 or SEC 1, not encrypted')
  if (!identity.publicKey.isPublicHalf(createPublicKey(key))) {
    throw new KumikoError('fabric-msp/key-mismatch', 'the private key is not that of the certificate: give the one that belongs to it')
  }
  const { curve } = identity.publicKey.info
  const creator = identity.serialized
  if (curve === undefined) return { identity, creator, sign: (message) => new Uint8Array(sign(null, message, key)) }
  const signEcdsa = (message: Uint8Array): Uint8Array =>
    encodeSignature(toLowS(curve, fromP1363(sign(identity.signatureHash, message, { key, dsaEncoding: 'ieee-p1363' }))))
  return { identity, creator, sign: signEcdsa }
}

/** Whether PEM holds the private key of an identity. */
export function isKeyOf(identity: X509Identity, privateKeyPem: string): boolean {
  const key = readPrivateKey(privateKeyPem)
  return key !== undefined && identity.publicKey.isPublicHalf(createPublicKey(key))
}

function readPrivateKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem)
  } catch {
    return undefined
  }
}
