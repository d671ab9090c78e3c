import type { Member, Organization } from '../crypto/organization.ts'
import { readP256Key } from '../crypto/p256-key.ts'

/**
 * What a client of the Fabric gateway must know of a peer, and of who it acts for. Spread into `connect` of `@hyperledger/fabric-gateway`, beside
 * a `client`, it is complete: `identity`, `signer` and `hash` are named as there.
 */
export interface GatewayAccess {
  /** `localhost:7051`. */
  readonly endpoint: string
  /** PEM of the TLS CA that vouches for the peer. */
  readonly tlsRootCertificate: Buffer
  /** A certificate and key for mutual TLS, in PEM, where the client shows one. */
  readonly tlsClient: { readonly certificate: Buffer; readonly privateKey: Buffer }
  readonly identity: { readonly mspId: string; readonly credentials: Uint8Array }
  /** PEM, PKCS #8: for clients that sign by themselves. */
  readonly privateKey: string
  /** Signs whole messages by the system's cryptography: several times faster than the client's own. */
  readonly signer: (message: Uint8Array) => Promise<Uint8Array>
  /** What the signer takes: the message as it is. */
  readonly hash: (message: Uint8Array) => Uint8Array
}

/** What a member of an organisation needs to use a peer. */
export function gatewayAccess(endpoint: string, { mspId, tlsCa }: Organization, { identity, tls }: Member): GatewayAccess {
  const key = readP256Key(identity.privateKey)
  return {
    endpoint,
    tlsRootCertificate: Buffer.from(tlsCa.certificate),
    tlsClient: { certificate: Buffer.from(tls.certificate), privateKey: Buffer.from(tls.privateKey) },
    identity: { mspId, credentials: Buffer.from(identity.certificate) },
    privateKey: identity.privateKey,
    signer: async (message) => derOf(key.sign(message)),
    hash: (message) => message,
  }
}

/** A signature as Fabric has it. @param signature - r and s side by side. */
function derOf(signature: Uint8Array): Uint8Array {
  const numbers = [integerOf(signature.subarray(0, 32)), integerOf(signature.subarray(32))]
  const content = Buffer.concat(numbers)
  return Buffer.concat([Buffer.of(0x30, content.length), content])
}

/** @param bytes - Of a positive number. */
function integerOf(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0)
  const digits = bytes.subarray(first)
  const content = Buffer.concat([Buffer.alloc((digits[0] ?? 0) >= 0x80 ? 1 : 0), digits])
  return Buffer.concat([Buffer.of(0x02, content.length), content])
}
