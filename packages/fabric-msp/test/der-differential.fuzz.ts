import 'reflect-metadata'
import { X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { GOLDEN } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { issue, issueCa, revoke } from '@kumiko/testkit/fabric'
import { AsnConvert } from '@peculiar/asn1-schema'
import { Certificate as Asn1Certificate, CertificateList } from '@peculiar/asn1-x509'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Certificate, parseCertificate } from '../src/certificate.ts'
import { parseRevocationList } from '../src/crl.ts'
import { commonNameOf, organizationalUnitsOf } from '../src/name.ts'
import { decodePem } from '../src/pem.ts'

let certificates: Uint8Array[]
let list: Uint8Array

beforeAll(async () => {
  const root = await issueCa('root', { pathLength: 1, units: ['a', 'b'] })
  const others = [
    root,
    await issue({ issuer: root, curve: 'P-384' }),
    await issue({ issuer: root, curve: 'Ed25519' }),
    await issue({ curve: 'RSA' }),
  ]
  const late = await issue({ issuer: root, from: '2049-12-31T23:59:59Z', to: '2050-01-01T00:00:00Z' })
  certificates = [...recorded(), ...[...others, late].map(({ der }) => der)]
  list = decodePem(await revoke(root, ['01', '7fffffff', '0080']))!.bytes
})

describe('certificates', () => {
  it('are read as others read them', () => {
    expect(certificates.length).toBeGreaterThan(20)
    for (const der of certificates) {
      const certificate = parsed(der)
      expect(viewOf(certificate)).toEqual(viewOfAsn1(der))
      expect(viewOfNode(certificate)).toEqual(viewFromNode(der))
    }
  })

  it('with bytes changed are refused, or read as others read them', () => {
    let read = 0
    const mutation = fc.record({ which: fc.nat(), changes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }) })
    const check = fc.property(mutation, ({ which, changes }) => {
      const der = certificates[which % certificates.length]!.slice()
      for (const [at, byte] of changes) der[at % der.length] = byte
      const certificate = parseCertificate(der)
      if (isFault(certificate)) return
      read++
      // What OpenSSL and the schema refuse and Go does not is for Go to say; what all read must be the same.
      const asn1 = attempt(() => viewOfAsn1(der))
      // The schema's parser does not look at the bits that pad a bit string; Go drops them.
      if (asn1 !== undefined && isWholeBytes(certificate)) expect(viewOf(certificate)).toEqual(asn1)
      const openSsl = attempt(() => viewFromNode(der))
      // OpenSSL takes nobody for a CA who has some extension that it finds unsound; Go refuses fewer of them.
      const { isCa, ...view } = viewOfNode(certificate)
      if (openSsl !== undefined && certificate.version === 3) expect({ ...view, isCa: isCa && openSsl.isCa }).toEqual(openSsl)
    })
    fc.assert(check, { numRuns: 3000, seed: 5 })
    expect(read).toBeGreaterThan(500)
  })

  it('cut short or with more behind them are refused', () => {
    for (const der of certificates) {
      for (const length of [0, 1, 2, 100, der.length - 1]) expect(isFault(parseCertificate(der.subarray(0, length)))).toBe(true)
      expect(parseCertificate(Uint8Array.of(...der, 0))).toEqual({ fault: 'fabric-msp/bad-certificate', detail: 'trailing data' })
    }
  })
})

describe('revocation lists', () => {
  it('are read as others read them', () => {
    const { tbsCertList, signature } = AsnConvert.parse(list, CertificateList)
    const read = parseRevocationList(list)
    if (isFault(read)) throw new Error(read.detail)
    expect(read.serialNumbers.map(hex)).toEqual(
      tbsCertList.revokedCertificates!.map(({ userCertificate }) => hex(new Uint8Array(userCertificate))),
    )
    expect(read.signature).toEqual(new Uint8Array(signature))
    expect(read.authorityKeyId).toHaveLength(20)
  })

  it('of any bytes are lists or faults', () => {
    const mutation = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 })
    const check = fc.property(mutation, (changes) => {
      const der = list.slice()
      for (const [at, byte] of changes) der[at % der.length] = byte
      const read = parseRevocationList(der)
      if (!isFault(read)) expect(read.serialNumbers.length).toBeLessThan(der.length)
    })
    fc.assert(check, { numRuns: 1000, seed: 5 })
  })
})

/** What the schema's parser tells of a certificate; in versions before 3 extensions do not count for Go. */
function viewOfAsn1(der: Uint8Array): Record<string, unknown> {
  const { tbsCertificate: tbs, signatureAlgorithm, signatureValue } = AsnConvert.parse(der, Asn1Certificate)
  const seconds = ({ utcTime, generalTime }: { utcTime?: Date; generalTime?: Date }) => (utcTime ?? generalTime)!.getTime() / 1000
  return {
    version: tbs.version + 1,
    serialNumber: hex(new Uint8Array(tbs.serialNumber)),
    algorithm: signatureAlgorithm.algorithm,
    signature: hex(new Uint8Array(signatureValue)),
    notBefore: seconds(tbs.validity.notBefore),
    notAfter: seconds(tbs.validity.notAfter),
    key: hex(new Uint8Array(tbs.subjectPublicKeyInfo.subjectPublicKey)),
    extensions: (tbs.version === 2 ? (tbs.extensions ?? []) : []).map(({ extnID, critical, extnValue }) => [
      extnID,
      critical,
      hex(new Uint8Array(extnValue.buffer)),
    ]),
    units: [...tbs.subject].flatMap((set) =>
      [...set].filter(({ type, value }) => type === '2.5.4.11' && value.anyValue === undefined).map(({ value }) => value.toString()),
    ),
  }
}

function viewOf(certificate: Certificate): Record<string, unknown> {
  const { version, notBefore, notAfter } = certificate
  return {
    version,
    serialNumber: hex(certificate.serialNumber),
    algorithm: certificate.signatureAlgorithm.algorithm,
    signature: hex(certificate.signature),
    notBefore,
    notAfter,
    key: hex(certificate.publicKey.key),
    extensions: certificate.extensions.map(({ id, isCritical, value }) => [id, isCritical, hex(value)]),
    units: organizationalUnitsOf(certificate.subject),
  }
}

/** What OpenSSL tells of a certificate. */
function viewFromNode(der: Uint8Array): Record<string, unknown> {
  const certificate = new X509Certificate(der)
  return {
    serialNumber: certificate.serialNumber.toLowerCase().replace(/^0+/, ''),
    notBefore: certificate.validFromDate.getTime() / 1000,
    notAfter: certificate.validToDate.getTime() / 1000,
    isCa: certificate.ca,
    keyUsage: certificate.keyUsage ?? [],
    name: [certificate.toLegacyObject().subject.CN ?? []].flat().at(-1) ?? '',
  }
}

function viewOfNode(certificate: Certificate): Record<string, unknown> {
  const hasKeyUsage = certificate.extensions.some(({ id }) => id === '2.5.29.15')
  return {
    serialNumber: hex(certificate.serialNumber).replace(/^0+/, ''),
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    // A key usage without bits counts as none for Go, and as all forbidden for OpenSSL.
    isCa: certificate.basicConstraints?.isCa === true && ((certificate.keyUsage & 32) !== 0 || !hasKeyUsage),
    keyUsage: certificate.extKeyUsage,
    name: commonNameOf(certificate.subject),
  }
}

/** Whether the bit strings of key and signature have no padding; each stands right behind its count of padding bits. */
function isWholeBytes({ raw, signature, publicKey }: Certificate): boolean {
  return [signature, publicKey.key].every((bits) => Buffer.from(raw).includes(Uint8Array.of(0, ...bits)))
}

/** All certificates of the recorded network. */
function recorded(): Uint8Array[] {
  const files = readdirSync(join(GOLDEN, 'crypto'), { recursive: true, encoding: 'utf8' }).filter((file) => /\.(pem|crt)$/.test(file))
  return files.map((file) => decodePem(new Uint8Array(readFileSync(join(GOLDEN, 'crypto', file))))!.bytes)
}

function parsed(der: Uint8Array): Certificate {
  const certificate = parseCertificate(der)
  if (isFault(certificate)) throw new Error(certificate.detail)
  return certificate
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
