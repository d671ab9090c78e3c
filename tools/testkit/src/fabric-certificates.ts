import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { encodePem } from '@kumiko/fabric-msp'
import * as x509 from '@peculiar/x509'

x509.cryptoProvider.set(webcrypto as Crypto)

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
