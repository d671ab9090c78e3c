import { FabricMspConfig } from '@kumiko/fabric-protocol'
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { isFault } from '@kumiko/interface'
import * as x509 from '@peculiar/x509'
import { certificateFromPem } from '../src/ca-tree.ts'
import type { MspFault } from '../src/contract.ts'
import { derElement, TAG } from '../src/der.ts'
import { encodeSignature, readSignature } from '../src/ecdsa-signature.ts'
import { serializeIdentity, type X509Identity } from '../src/identity.ts'
import { X509Msp } from '../src/msp.ts'
import type { MspVersion } from '../src/node-ous.ts'
import { encodePem } from '../src/pem.ts'

x509.cryptoProvider.set(webcrypto as Crypto)

export const MSP_ID = 'TestMSP'

/** A certificate with its private key. */
export interface Credential {
  readonly der: Uint8Array
  readonly pem: Uint8Array
  readonly keys: webcrypto.CryptoKeyPair
  readonly certificate: x509.X509Certificate
}

/** What a certificate is to be. The default is a client of 2026. */
export interface Wanted {
  readonly name?: string
  readonly units?: readonly string[]
  readonly isCa?: boolean
  readonly pathLength?: number
  readonly from?: string
  readonly to?: string
  readonly serial?: string
  readonly curve?: 'P-256' | 'P-384' | 'Ed25519' | 'RSA'
  readonly keys?: webcrypto.CryptoKeyPair
  readonly issuer?: Credential
  readonly extensions?: readonly x509.Extension[]
  readonly withoutKeyIds?: boolean
  readonly usage?: number
  readonly hash?: 'SHA-1' | 'SHA-256'
}

let serial = 100

/** Issues a certificate; signed by itself if no issuer is named. */
export async function issue(wanted: Wanted = {}): Promise<Credential> {
  const { name = 'somebody', units = [], isCa = false, curve = 'P-256', issuer } = wanted
  const keys = wanted.keys ?? (await generateKeys(curve))
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: wanted.serial ?? (serial++).toString(16).padStart(4, '0'),
    subject: new x509.Name([...units.map((OU) => ({ OU: [OU] })), { CN: [name] }]),
    issuer: issuer?.certificate.subjectName ?? new x509.Name([...units.map((OU) => ({ OU: [OU] })), { CN: [name] }]),
    notBefore: new Date(wanted.from ?? '2026-01-01T00:00:00Z'),
    notAfter: new Date(wanted.to ?? (isCa ? '2046-01-01T00:00:00Z' : '2036-01-01T00:00:00Z')),
    publicKey: keys.publicKey,
    signingKey: (issuer?.keys ?? keys).privateKey,
    signingAlgorithm: { name: (issuer?.keys ?? keys).privateKey.algorithm.name, hash: wanted.hash ?? 'SHA-256' },
    extensions: [
      new x509.BasicConstraintsExtension(isCa, wanted.pathLength, true),
      new x509.KeyUsagesExtension(wanted.usage ?? (isCa ? x509.KeyUsageFlags.keyCertSign : x509.KeyUsageFlags.digitalSignature), true),
      ...(wanted.withoutKeyIds === true ? [] : [await x509.SubjectKeyIdentifierExtension.create(keys.publicKey)]),
      ...(issuer === undefined ? [] : [await x509.AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey)]),
      ...(wanted.extensions ?? []),
    ],
  })
  return { ...encoded(new Uint8Array(certificate.rawData)), keys, certificate }
}

/** A CA; its name is its unit as well. */
export function issueCa(name: string, wanted: Wanted = {}): Promise<Credential> {
  return issue({ name, isCa: true, ...wanted })
}

/** A revocation list. @param wanted - `signer`: who signs in the issuer's name. */
export async function revoke(
  issuer: Credential,
  serials: readonly string[],
  wanted: { readonly signer?: Credential; readonly on?: string; readonly withoutKeyId?: boolean; readonly keyOf?: Credential } = {},
): Promise<Uint8Array> {
  const list = await x509.X509CrlGenerator.create({
    issuer: issuer.certificate.subjectName,
    thisUpdate: new Date('2026-02-01T00:00:00Z'),
    nextUpdate: new Date('2036-02-01T00:00:00Z'),
    entries: serials.map((serialNumber) => ({ serialNumber, revocationDate: new Date(wanted.on ?? '2026-02-01T00:00:00Z') })),
    signingKey: (wanted.signer ?? issuer).keys.privateKey,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions:
      wanted.withoutKeyId === true ? [] : [await x509.AuthorityKeyIdentifierExtension.create((wanted.keyOf ?? issuer).keys.publicKey)],
  })
  return new TextEncoder().encode(encodePem('X509 CRL', new Uint8Array(list.rawData)))
}

/** The same certificate with the other s in its signature. */
export function withOtherS(credential: Credential): Credential {
  const certificate = certificateFromPem(credential.pem)
  if (isFault(certificate)) throw new Error(certificate.detail)
  const { r, s } = readSignature(certificate.signature)!
  const signature = encodeSignature({ r, s: hexBytes((P256_ORDER - BigInt(`0x${Buffer.from(s).toString('hex')}`)).toString(16)) })
  const algorithm = derElement(TAG.sequence, ...certificate.signatureAlgorithm.elements)
  const bits = derElement(TAG.bitString, new Uint8Array(1), signature)
  return { ...credential, ...encoded(derElement(TAG.sequence, certificate.tbs, algorithm, bits)) }
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

async function generateKeys(curve: 'P-256' | 'P-384' | 'Ed25519' | 'RSA'): Promise<webcrypto.CryptoKeyPair> {
  const { subtle } = webcrypto
  if (curve === 'Ed25519') {
    const keys = await subtle.generateKey('Ed25519', true, ['sign', 'verify'])
    if ('privateKey' in keys) return keys
    throw new Error('a key without its other half')
  }
  if (curve !== 'RSA') return subtle.generateKey({ name: 'ECDSA', namedCurve: curve }, true, ['sign', 'verify'])
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) }
  return subtle.generateKey(algorithm, true, ['sign', 'verify'])
}

function encoded(der: Uint8Array): Pick<Credential, 'der' | 'pem'> {
  return { der, pem: new TextEncoder().encode(encodePem('CERTIFICATE', der)) }
}

function hexBytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex'))
}
