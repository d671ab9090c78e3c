// The library's container of algorithms needs its metadata first.
import 'reflect-metadata'
import { randomBytes as systemBytes } from 'node:crypto'
import type { Millis, RandomBytes } from '@kumiko/interface'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { generateP256Key, type P256Key } from './p256-key.ts'

/** Where Fabric CA writes what it knows of an identity: JSON `{ attrs: { name: value } }`. */
const FABRIC_ATTRIBUTES = '1.2.3.4.5.6.7.8.1'

/** A certificate with its private key. */
export interface KeyAndCertificate {
  /** PEM. */
  readonly certificate: string
  /** PEM, PKCS #8, not encrypted. */
  readonly privateKey: string
}

/** How long certificates hold. */
export interface Validity {
  /** Unix milliseconds; whole seconds count. */
  readonly notBefore: Millis
  readonly notAfter: Millis
}

/** What a CA is made of. */
export interface AuthorityOptions extends Validity {
  /** `ca.org1.example.com`. */
  readonly commonName: string
  /** `org1.example.com`. */
  readonly organization: string
  /** Where keys and serial numbers come from; the same bytes give the same certificates. Default: the system's randomness. */
  readonly randomBytes?: RandomBytes
}

/** A role in an organisation, as its certificates tell it (node OUs). */
export type NodeUnit = 'client' | 'peer' | 'admin' | 'orderer'

/** Who enrols for signing. */
export interface IdentityRequest {
  /** `peer0.org1.example.com`, `User1@org1.example.com`. */
  readonly commonName: string
  readonly unit: NodeUnit
  /** What chaincode may ask of its caller (`ctx.clientIdentity.getAttributeValue`). */
  readonly attributes?: Readonly<Record<string, string>>
}

/** Who enrols for TLS. */
export interface TlsRequest {
  readonly commonName: string
  /** Names and IP addresses under which a server is reached; none for a client. */
  readonly hosts?: readonly string[]
}

/** A certificate authority with its key: an organisation's own, or its one for TLS. Certificates are as `cryptogen` makes them. */
export class CertificateAuthority {
  readonly commonName: string
  readonly organization: string
  /** PEM. */
  readonly certificate: string
  readonly #key: P256Key
  readonly #options: AuthorityOptions

  private constructor(certificate: string, key: P256Key, options: AuthorityOptions) {
    this.commonName = options.commonName
    this.organization = options.organization
    this.certificate = certificate
    this.#key = key
    this.#options = options
  }

  /** Begins with a key of its own and a certificate that it signed itself. */
  static async create(options: AuthorityOptions): Promise<CertificateAuthority> {
    const key = generateP256Key(options.randomBytes)
    const name = nameOf(options.commonName, { organization: options.organization })
    const certificate = await certify(
      { subject: name, subjectKey: key, issuer: name, issuerKey: key, extensions: ofAuthority(key) },
      options,
    )
    return new CertificateAuthority(certificate, key, options)
  }

  /** Goes on with one that was written. */
  static restore(certificate: string, key: P256Key, options: AuthorityOptions): CertificateAuthority {
    return new CertificateAuthority(certificate, key, options)
  }

  /** PEM, PKCS #8. */
  get privateKey(): string {
    return this.#key.privateKeyPem
  }

  /** Enrols somebody who signs proposals, endorsements or blocks. */
  enrol({ commonName, unit, attributes }: IdentityRequest): Promise<KeyAndCertificate> {
    return this.#issue(nameOf(commonName, { unit }), [
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      ...(attributes === undefined ? [] : [attributesOf(attributes)]),
    ])
  }

  /** Makes a certificate for servers and clients of TLS. */
  enrolTls({ commonName, hosts = [] }: TlsRequest): Promise<KeyAndCertificate> {
    return this.#issue(nameOf(commonName), [
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      ...(hosts.length === 0 ? [] : [new SubjectAlternativeNameExtension(hosts.map(hostName))]),
    ])
  }

  async #issue(subject: string, extensions: readonly Extension[]): Promise<KeyAndCertificate> {
    const key = generateP256Key(this.#options.randomBytes)
    const issuer = nameOf(this.commonName, { organization: this.organization })
    const all = [
      ...extensions,
      new BasicConstraintsExtension(false, undefined, true),
      new AuthorityKeyIdentifierExtension(this.#key.identifier),
    ]
    const certificate = await certify({ subject, subjectKey: key, issuer, issuerKey: this.#key, extensions: all }, this.#options)
    return { certificate, privateKey: key.privateKeyPem }
  }
}

interface CertificateRequest {
  readonly subject: string
  readonly subjectKey: P256Key
  readonly issuer: string
  readonly issuerKey: P256Key
  readonly extensions: readonly Extension[]
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const

async function certify(request: CertificateRequest, { notBefore, notAfter, randomBytes = systemBytes }: AuthorityOptions): Promise<string> {
  const { subject, subjectKey, issuer, issuerKey, extensions } = request
  const serialNumber = new Uint8Array(randomBytes(16))
  // Positive, and not shorter than it is long.
  serialNumber[0] = ((serialNumber[0] ?? 0) & 0x3f) | 0x40
  const certificate = await X509CertificateGenerator.create(
    {
      serialNumber: Buffer.from(serialNumber).toString('hex'),
      subject,
      issuer,
      notBefore: new Date(notBefore),
      notAfter: new Date(notAfter),
      publicKey: subjectKey.publicKeyInfo.slice(),
      signingKey: issuerKey.privateKey.toCryptoKey(ALGORITHM, true, ['sign']),
      signingAlgorithm: { ...ALGORITHM, hash: 'SHA-256' },
      extensions: [...extensions],
    },
    signedBy(issuerKey),
  )
  return `${certificate.toString('pem')}\n`
}

/** The platform's cryptography, which signs by a key of ours: it is to give low s. */
function signedBy(key: P256Key): Crypto {
  const sign = async (_algorithm: unknown, _key: unknown, data: ArrayBuffer | ArrayBufferView): Promise<ArrayBuffer> => {
    const message = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data)
    return key.sign(message).slice().buffer
  }
  const subtle = Object.create(globalThis.crypto.subtle, { sign: { value: sign } })
  return Object.create(globalThis.crypto, { subtle: { value: subtle } })
}

function ofAuthority(key: P256Key): Extension[] {
  const { digitalSignature, keyEncipherment, keyCertSign, cRLSign } = KeyUsageFlags
  return [
    new KeyUsagesExtension(digitalSignature | keyEncipherment | keyCertSign | cRLSign, true),
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth, ExtendedKeyUsage.serverAuth]),
    new BasicConstraintsExtension(true, undefined, true),
    new SubjectKeyIdentifierExtension(key.identifier),
  ]
}

/** As a distinguished name in RFC 4514's order, which is backwards. */
function nameOf(commonName: string, { organization, unit }: { readonly organization?: string; readonly unit?: NodeUnit } = {}): string {
  const own = [...(unit === undefined ? [] : [`OU=${unit}`]), ...(organization === undefined ? [] : [`O=${escaped(organization)}`])]
  return ['C=US', 'ST=California', 'L=San Francisco', ...own, `CN=${escaped(commonName)}`].join(', ')
}

function escaped(value: string): string {
  return value.replaceAll(/[\\",+<>;=#]/g, (character) => `\\${character}`)
}

function hostName(value: string): { readonly type: 'ip' | 'dns'; readonly value: string } {
  return { type: /^[\d.]+$|:/.test(value) ? 'ip' : 'dns', value }
}

function attributesOf(attributes: Readonly<Record<string, string>>): Extension {
  return new Extension(FABRIC_ATTRIBUTES, false, new TextEncoder().encode(JSON.stringify({ attrs: attributes })))
}
