import { FabricMspConfig } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import type { Credential } from '@kumiko/testkit/fabric'
import { certificateFromPem } from '../src/ca-tree.ts'
import type { MspFault } from '../src/contract.ts'
import { derElement, TAG } from '../src/der.ts'
import { encodeSignature, readSignature } from '../src/ecdsa-signature.ts'
import { serializeIdentity, type X509Identity } from '../src/identity.ts'
import { X509Msp } from '../src/msp.ts'
import type { MspVersion } from '../src/node-ous.ts'
import { encodePem } from '../src/pem.ts'

export const MSP_ID = 'TestMSP'

/** The same certificate with the other s in its signature. */
export function withOtherS(credential: Credential): Credential {
  const certificate = certificateFromPem(credential.pem)
  if (isFault(certificate)) throw new Error(certificate.detail)
  const { r, s } = readSignature(certificate.signature)!
  const signature = encodeSignature({ r, s: hexBytes((P256_ORDER - BigInt(`0x${Buffer.from(s).toString('hex')}`)).toString(16)) })
  const algorithm = derElement(TAG.sequence, ...certificate.signatureAlgorithm.elements)
  const bits = derElement(TAG.bitString, new Uint8Array(1), signature)
  const der = derElement(TAG.sequence, certificate.tbs, algorithm, bits)
  return { ...credential, der, pem: new TextEncoder().encode(encodePem('CERTIFICATE', der)) }
}

/** Sets an MSP up; it has an admin of its own unless told otherwise. */
export function setUp(config: Partial<FabricMspConfig>, version: MspVersion = 'V1_4_3'): X509Msp | MspFault {
  return X509Msp.from(FabricMspConfig.create({ name: MSP_ID, ...config }), version)
}

/** {@link setUp} where it must succeed. */
export function mspOf(config: Partial<FabricMspConfig>, version: MspVersion = 'V1_4_3'): X509Msp {
  const msp = setUp(config, version)
  if (isFault(msp)) throw new Error(`${msp.fault}: ${msp.detail}`)
  return msp
}

/** What becomes of a certificate: the fault's code of reading or validating it; `valid`. */
export function verdict(msp: X509Msp, { der }: Credential): string {
  const identity = msp.deserialize(serializeIdentity(MSP_ID, der))
  if (isFault(identity)) return `deserialize: ${identity.fault}`
  return identity.validate()?.fault ?? 'valid'
}

/** The identity with a certificate, which must be one. */
export function identityOf(msp: X509Msp, { der }: Credential): X509Identity {
  const identity = msp.deserialize(serializeIdentity(MSP_ID, der))
  if (isFault(identity)) throw new Error(`${identity.fault}: ${identity.detail}`)
  return identity
}

const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

function hexBytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex'))
}
