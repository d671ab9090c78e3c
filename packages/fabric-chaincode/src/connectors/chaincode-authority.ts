// The library's container of algorithms needs its metadata first.
import 'reflect-metadata'
import { createHash, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import { encodePem } from '@kumiko/fabric-msp'
import { toHex } from '@kumiko/fabric-protocol'
import { type Clock, systemClock } from '@kumiko/interface'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'

/** A certificate with its key, both in PEM. */
export interface KeyAndCertificate {
  readonly certificate: Uint8Array
  /** PKCS #8, not encrypted. */
  readonly privateKey: Uint8Array
}

/** What an authority is made of. */
export interface ChaincodeAuthorityOptions {
  /** Names and IP addresses under which chaincodes reach the listener: `['127.0.0.1', 'localhost']`. */
  readonly hosts: readonly string[]
  /** Default: the system's. */
  readonly clock?: Clock
}

/** The CA of a peer's chaincodes: made when the peer starts, and gone with it. */
export interface ChaincodeAuthority {
  /** The CA's own certificate, in PEM: for the listener's `clientRootCas`, and for chaincodes. */
  readonly certificate: Uint8Array
  /** The listener's. */
  readonly server: KeyAndCertificate
  /** Makes a certificate under which a chaincode may register, and none else. An earlier one of the name is good no more. @param packageId - Its name. */
  issue(packageId: string): Promise<KeyAndCertificate>
  /**
   * Whether a chaincode may register under a name.
   * @param certificateHash - SHA-256 of the certificate that it showed.
   * @returns Why not, in Fabric's words; undefined where it may.
   */
  refuse(name: string, certificateHash: Uint8Array | undefined): string | undefined
}

const YEAR_MS = 365 * 24 * 3600 * 1000
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

type KeyPair = webcrypto.CryptoKeyPair

/** Makes the CA of a peer's chaincodes. @see Fabric `common/crypto/tlsgen`, `core/chaincode/accesscontrol/mapper.go` */
export async function chaincodeAuthority({ hosts, clock = systemClock }: ChaincodeAuthorityOptions): Promise<ChaincodeAuthority> {
  const issuer = new Issuer(await newKey(), clock)
  const certificate = await issuer.authority()
  const server = await issuer.issue({ hosts })
  /** Names by certificate, and certificates by name: one for each package that was launched. */
  const names = new Map<string, string>()
  const hashes = new Map<string, string>()
  return {
    certificate: pemOf('CERTIFICATE', certificate),
    server: server.files,
    issue: async (packageId) => {
      const issued = await issuer.issue({ hosts: [] })
      names.delete(hashes.get(packageId) ?? '')
      hashes.set(packageId, issued.hash)
      names.set(issued.hash, packageId)
      return issued.files
    },
    refuse: (name, hash) => {
      if (hash === undefined) return `TLS is active but chaincode ${name} didn't send certificate`
      const registered = names.get(toHex(hash))
      if (registered === name) return undefined
      const what = `Chaincode ${name} with given certificate hash [${hash.join(' ')}]`
      return registered === undefined ? `${what} not found in registry` : `${what} belongs to a different chaincode`
    },
  }
}

class Issuer {
  readonly #key: KeyPair
  readonly #clock: Clock
  #serial = 0

  constructor(key: KeyPair, clock: Clock) {
    this.#key = key
    this.#clock = clock
  }

  async authority(): Promise<Uint8Array> {
    const usage = KeyUsageFlags.keyCertSign | KeyUsageFlags.digitalSignature
    return await this.#certify('CN=chaincode', this.#key.publicKey, [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(usage, true),
    ])
  }

  async issue({ hosts }: { readonly hosts: readonly string[] }): Promise<{ readonly files: KeyAndCertificate; readonly hash: string }> {
    const key = await newKey()
    const names = hosts.map((value) => ({ type: isIP(value) > 0 ? ('ip' as const) : ('dns' as const), value }))
    const certificate = await this.#certify(`CN=chaincode ${this.#serial}`, key.publicKey, [
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      ...(names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)]),
    ])
    const privateKey = pemOf('PRIVATE KEY', new Uint8Array(await webcrypto.subtle.exportKey('pkcs8', key.privateKey)))
    const files = { certificate: pemOf('CERTIFICATE', certificate), privateKey }
    return { files, hash: createHash('sha256').update(certificate).digest('hex') }
  }

  async #certify(subject: string, publicKey: webcrypto.CryptoKey, extensions: Extension[]): Promise<Uint8Array> {
    const now = this.#clock.now()
    const made = await X509CertificateGenerator.create({
      serialNumber: (++this.#serial).toString(16).padStart(2, '0'),
      subject,
      issuer: 'CN=chaincode',
      // A chaincode's clock may be behind.
      notBefore: new Date(now - 24 * 3600 * 1000),
      notAfter: new Date(now + 10 * YEAR_MS),
      publicKey,
      signingKey: this.#key.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions,
    })
    return new Uint8Array(made.rawData)
  }
}

async function newKey(): Promise<KeyPair> {
  return await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
}

function pemOf(label: string, der: Uint8Array): Uint8Array {
  return new TextEncoder().encode(encodePem(label, der))
}
