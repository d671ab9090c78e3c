import { type AlgorithmIdentifier, isEqual, readAlgorithm } from './certificate.ts'
import type { MspFault } from './contract.ts'
import { contextTag, DerReader, rightAligned, TAG } from './der.ts'
import { EXTENSION, type Extension, readAuthorityKeyId, readExtension } from './extension.ts'
import { readName } from './name.ts'
import { decodePem } from './pem.ts'
import { readTime } from './time.ts'

/** A list of revoked certificates. Dates are read, and not looked at: Fabric revokes from the moment that it has the list. */
export interface RevocationList {
  /** What is signed: the whole element `tbsCertList`. */
  readonly tbs: Uint8Array
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly signature: Uint8Array
  /** Shortest two's complement each. */
  readonly serialNumbers: readonly Uint8Array[]
  /** Of the CA that revokes; `undefined` if the list does not say, and then nobody passes (`mspimplvalidate.go`). */
  readonly authorityKeyId: Uint8Array | undefined
}

/** Reads a list in DER, or in PEM if it begins as PEM does, like Go's `x509.ParseCRL`. */
export function parseRevocationList(bytes: Uint8Array): RevocationList | MspFault {
  const block = PEM_START.every((byte, i) => bytes[i] === byte) ? decodePem(bytes) : undefined
  const input = new DerReader(block?.type === 'X509 CRL' ? block.bytes : bytes)
  const outer = input.open(TAG.sequence, 'revocation list')
  if (!input.isEmpty) input.fail('trailing data')
  const { whole: tbs, content } = outer.element(TAG.sequence, 'tbsCertList')
  const fields = readFields(new DerReader(content, outer))
  const signatureAlgorithm = readAlgorithm(outer.open(TAG.sequence, 'signature algorithm'), 'signature algorithm')
  const signature = rightAligned(outer.bitString('signature'))
  if (outer.failure !== undefined) return { fault: 'fabric-msp/bad-revocation-list', detail: outer.failure }
  return { tbs, signatureAlgorithm, signature, ...fields }
}

/** Whether the list names the certificate. */
export function isListed(list: RevocationList, serialNumber: Uint8Array): boolean {
  return list.serialNumbers.some((revoked) => isEqual(revoked, serialNumber))
}

const PEM_START = new TextEncoder().encode('-----BEGIN X509 CRL')

function readFields(tbs: DerReader): Pick<RevocationList, 'serialNumbers' | 'authorityKeyId'> {
  if (tbs.peek() === TAG.integer) tbs.integer('version')
  readAlgorithm(tbs.open(TAG.sequence, 'signature algorithm'), 'signature algorithm')
  readName(tbs, 'issuer', true)
  readTime(tbs, 'thisUpdate')
  if (isTime(tbs.peek())) readTime(tbs, 'nextUpdate')
  const serialNumbers = readRevoked(tbs.openOptional(TAG.sequence, 'revoked certificates'))
  const extensions = readAll(tbs.openOptional(contextTag(0, 'constructed'), 'extensions')?.openOptional(TAG.sequence, 'extensions'))
  const identifier = extensions.find(({ id }) => id === EXTENSION.authorityKeyId)?.value
  return { serialNumbers, authorityKeyId: identifier && keyIdFrom(identifier) }
}

/** One that is not sound is as good as none; but one that holds no identifier is empty. */
function keyIdFrom(value: Uint8Array): Uint8Array | undefined {
  const reader = new DerReader(value)
  const identifier = readAuthorityKeyId(value, reader) ?? new Uint8Array(0)
  return reader.failure === undefined ? identifier : undefined
}

function readRevoked(list: DerReader | undefined): Uint8Array[] {
  const serialNumbers: Uint8Array[] = []
  while (list !== undefined && !list.isEmpty) {
    const entry = list.open(TAG.sequence, 'revoked certificate')
    serialNumbers.push(entry.integer('serial number'))
    readTime(entry, 'revocation date')
    readAll(entry.openOptional(TAG.sequence, 'extensions'))
  }
  return serialNumbers
}

function readAll(list: DerReader | undefined): Extension[] {
  const extensions: Extension[] = []
  while (list !== undefined && !list.isEmpty) extensions.push(readExtension(list.open(TAG.sequence, 'extension')))
  return extensions
}

function isTime(tag: number | undefined): boolean {
  return tag === TAG.utcTime || tag === TAG.generalizedTime
}
