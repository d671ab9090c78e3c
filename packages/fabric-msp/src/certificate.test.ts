import { join } from 'node:path'
import { GOLDEN, goldenFile } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { expect, it } from 'vitest'
import { type Certificate, parseCertificate } from './certificate.ts'
import { derElement, TAG } from './der.ts'
import { commonNameOf, organizationalUnitsOf } from './name.ts'
import { decodePem } from './pem.ts'

const PEER = join('crypto/peerOrganizations/org1.example.com/peers/peer0.org1.example.com/msp/signcerts/peer0.org1.example.com-cert.pem')
const der = decodePem(goldenFile(PEER))!.bytes

/** The certificate with some bytes, found once in it, replaced by as many others. */
const withBytes = (from: string, to: string): Certificate | string => {
  const bytes = Buffer.from(der)
  const at = bytes.indexOf(Buffer.from(from, 'hex'))
  if (at < 0) throw new Error(`${GOLDEN}/${PEER} does not hold ${from}`)
  bytes.write(to, at, 'hex')
  const certificate = parseCertificate(new Uint8Array(bytes))
  return isFault(certificate) ? certificate.detail! : certificate
}

it('reads a recorded certificate', () => {
  const certificate = parseCertificate(der)
  if (isFault(certificate)) throw new Error(certificate.detail)
  expect(commonNameOf(certificate.subject)).toBe('peer0.org1.example.com')
  expect(organizationalUnitsOf(certificate.subject)).toEqual(['peer'])
  expect(certificate).toMatchObject({ version: 3, basicConstraints: { isCa: false }, extKeyUsage: [], keyUsage: 1, unhandledCritical: [] })
  expect(certificate.publicKey).toMatchObject({ algorithm: 'ecdsa', curve: 'P-256' })
})

// By the rules of Go 1.26's x509.ParseCertificate.
it('refuses what Go refuses', () => {
  expect(withBytes('a003020102', 'a003020103')).toBe('version')
  expect(withBytes('060355040b1304', '060355040b0404')).toBe('subject')
  expect(withBytes('060355040b1304', '060355040b1204')).toBe('subject')
  expect(withBytes('06082a8648ce3d030107', '06082a8648ce3d030108')).toBe('elliptic curve')
  expect(withBytes('03420004', '03420003')).toBe('elliptic curve point')
  expect(withBytes('170d', '180d')).toBe('notBefore')
  expect(withBytes('551d0f0101ff', '551d0f010101')).toBe('extension criticality')
  expect(withBytes('0603551d0f', '0603551d13')).toBe('extension twice')
  expect(parseCertificate(derElement(TAG.sequence, der))).toMatchObject({ fault: 'fabric-msp/bad-certificate' })
  expect(parseCertificate(new Uint8Array((1 << 20) + 1))).toEqual({ fault: 'fabric-msp/bad-certificate', detail: 'too long' })
})

it('marks critical extensions that it does not know', () => {
  expect(withBytes('0603551d0f', '0603551d7f')).toMatchObject({ unhandledCritical: ['2.5.29.127'], keyUsage: 0 })
})
