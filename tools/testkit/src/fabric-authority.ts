import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { createSigner, encodePem, type IdentitySigner, X509Msp } from '@kumiko/fabric-msp'
import { FabricMspConfig } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import * as x509 from '@peculiar/x509'

x509.cryptoProvider.set(webcrypto as Crypto)

/** The units that NodeOUs tell apart. */
export type Unit = 'client' | 'peer' | 'admin' | 'orderer'

interface Credential {
  readonly certificate: x509.X509Certificate
  readonly pem: Uint8Array
  readonly keys: webcrypto.CryptoKeyPair
}

/** An organisation with a CA, which issues what members it is asked for. */
export class Authority {
  readonly mspId: string
  readonly #ca: Credential
  readonly #revoked: string[] = []
  #serial = 1

  private constructor(mspId: string, ca: Credential) {
    this.mspId = mspId
    this.#ca = ca
  }

  static async found(mspId: string): Promise<Authority> {
    return new Authority(mspId, await issue({ name: `ca.${mspId}`, serial: '01' }))
  }

  /** A member. @param wanted - `to`: when the certificate ends. `mspId`: what the member says instead. `isRevoked`: see {@link config}. */
  async member(
    unit: Unit,
    wanted: { readonly to?: string; readonly isRevoked?: boolean; readonly mspId?: string } = {},
  ): Promise<IdentitySigner> {
    const serial = (++this.#serial).toString(16).padStart(4, '0')
    const { keys, pem } = await issue({ name: `${unit}${serial}`, unit, serial, issuer: this.#ca, ...(wanted.to && { to: wanted.to }) })
    if (wanted.isRevoked === true) this.#revoked.push(serial)
    const msp = must(X509Msp.from(await this.config(wanted.mspId), 'V1_4_3'))
    const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
    return createSigner(must(msp.identityFrom(pem)), `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`)
  }

  /** The organisation's MSP as a channel has it. */
  async config(mspId: string = this.mspId): Promise<FabricMspConfig> {
    const unit = (organizationalUnitIdentifier: Unit) => ({ certificate: new Uint8Array(), organizationalUnitIdentifier })
    return FabricMspConfig.create({
      name: mspId,
      rootCerts: [this.#ca.pem],
      revocationList: this.#revoked.length === 0 ? [] : [await revoke(this.#ca, this.#revoked)],
      fabricNodeOus: {
        enable: true,
        clientOuIdentifier: unit('client'),
        peerOuIdentifier: unit('peer'),
        adminOuIdentifier: unit('admin'),
        ordererOuIdentifier: unit('orderer'),
      },
    })
  }
}

interface Wanted {
  readonly name: string
  readonly serial: string
  readonly unit?: Unit
  readonly issuer?: Credential
  readonly to?: string
}

/** A certificate; a CA's, signed by itself, where no issuer is named. */
async function issue({ name, serial, unit, issuer, to = '2046-01-01T00:00:00Z' }: Wanted): Promise<Credential> {
  const keys = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
  const subject = new x509.Name([...(unit === undefined ? [] : [{ OU: [unit] }]), { CN: [name] }])
  const isCa = issuer === undefined
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial,
    subject,
    issuer: issuer?.certificate.subjectName ?? subject,
    notBefore: new Date('2020-01-01T00:00:00Z'),
    notAfter: new Date(to),
    publicKey: keys.publicKey,
    signingKey: (issuer?.keys ?? keys).privateKey,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [
      new x509.BasicConstraintsExtension(isCa, undefined, true),
      new x509.KeyUsagesExtension(isCa ? x509.KeyUsageFlags.keyCertSign : x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ...(issuer === undefined ? [] : [await x509.AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey)]),
    ],
  })
  return { certificate, keys, pem: new TextEncoder().encode(encodePem('CERTIFICATE', new Uint8Array(certificate.rawData))) }
}

async function revoke(issuer: Credential, serials: readonly string[]): Promise<Uint8Array> {
  const list = await x509.X509CrlGenerator.create({
    issuer: issuer.certificate.subjectName,
    thisUpdate: new Date('2026-02-01T00:00:00Z'),
    nextUpdate: new Date('2036-02-01T00:00:00Z'),
    entries: serials.map((serialNumber) => ({ serialNumber, revocationDate: new Date('2026-02-01T00:00:00Z') })),
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [await x509.AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey)],
  })
  return new TextEncoder().encode(encodePem('X509 CRL', new Uint8Array(list.rawData)))
}

function must<T>(value: T | Fault): T {
  if (isFault(value)) throw new Error(`${value.fault}: ${value.detail}`)
  return value
}
