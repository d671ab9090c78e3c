import type { MspFault } from './contract.ts'
import { contextTag, DerReader, rightAligned, TAG } from './der.ts'
import { type Extension, type Extensions, interpretExtensions, readExtensions } from './extension.ts'
import { type Name, readName } from './name.ts'
import { readTime } from './time.ts'

/** An X.509 certificate as Go's `x509.ParseCertificate` sees it. All bytes are views of {@link raw}. */
export interface Certificate extends Extensions {
  readonly raw: Uint8Array
  /** What is signed: the whole element `tbsCertificate`. */
  readonly tbs: Uint8Array
  /** 1, 2 or 3. */
  readonly version: number
  /** The INTEGER's content: shortest two's complement. Never negative. */
  readonly serialNumber: Uint8Array
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly signature: Uint8Array
  readonly issuer: Name
  readonly subject: Name
  /** Unix seconds. */
  readonly notBefore: number
  /** Unix seconds. */
  readonly notAfter: number
  readonly publicKey: PublicKeyInfo
}

/** An algorithm and its parameters. */
export interface AlgorithmIdentifier {
  /** `1.2.840.10045.4.3.2` */
  readonly algorithm: string
  /** The elements `algorithm` and `parameters` (empty if absent), whole. */
  readonly elements: readonly Uint8Array[]
}

/** A public key as the certificate holds it. */
export interface PublicKeyInfo {
  readonly algorithm: 'ecdsa' | 'ed25519' | 'rsa' | 'other'
  /** Of ECDSA: the curve's name in OpenSSL. */
  readonly curve?: CurveName
  /** Of ECDSA: the point, not compressed; of Ed25519: 32 bytes; else what the bit string holds. */
  readonly key: Uint8Array
  /** The whole `SubjectPublicKeyInfo`. */
  readonly raw: Uint8Array
}

/** The curves that Go knows. */
export type CurveName = 'P-224' | 'P-256' | 'P-384' | 'P-521'

/** Longer certificates are refused: Fabric puts no bound, but no message of it may be as long as this. */
const CERTIFICATE_BYTES_MAX = 1 << 20

/**
 * Reads a certificate with the strictness and the leniency of Go, which decides what Fabric's peers agree on: Fabric 3.1 is built with Go 1.26.
 * Whether an ECDSA point is on its curve is found when the key is used.
 * @param raw - DER; kept.
 */
export function parseCertificate(raw: Uint8Array): Certificate | MspFault {
  if (raw.length > CERTIFICATE_BYTES_MAX) return badCertificate('too long')
  const input = new DerReader(raw)
  const outer = input.open(TAG.sequence, 'certificate')
  if (!input.isEmpty) input.fail('trailing data')
  const { whole: tbs, content } = outer.element(TAG.sequence, 'tbsCertificate')
  const fields = readFields(new DerReader(content, outer))
  const outerAlgorithm = outer.content(TAG.sequence, 'signature algorithm')
  if (!isEqual(outerAlgorithm, fields.innerAlgorithm)) outer.fail('signature algorithms differ')
  const signature = rightAligned(outer.bitString('signature'))
  const extensions = interpretExtensions(fields.extensions, outer)
  if (outer.failure !== undefined) return badCertificate(outer.failure)
  const { innerAlgorithm: _, ...rest } = fields
  return { raw, tbs, signature, ...rest, ...extensions }
}

/** An algorithm identifier's content. */
export function readAlgorithm(reader: DerReader, what: string): AlgorithmIdentifier {
  const { whole } = reader.any(what)
  const algorithm = new DerReader(whole, reader).oid(what)
  return { algorithm, elements: reader.isEmpty ? [whole] : [whole, reader.any(what).whole] }
}

/** Bytes are equal. Not in constant time: nothing secret is compared. */
export function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

type Fields = Omit<Certificate, 'raw' | 'tbs' | 'signature' | keyof Extensions> & {
  readonly innerAlgorithm: Uint8Array
  readonly extensions: readonly Extension[]
}

function readFields(tbs: DerReader): Fields {
  const version = readVersion(tbs)
  const serialNumber = tbs.integer('serial number')
  if (((serialNumber[0] ?? 0) & 0x80) !== 0) tbs.fail('negative serial number')
  const innerAlgorithm = tbs.content(TAG.sequence, 'signature algorithm')
  const signatureAlgorithm = readAlgorithm(new DerReader(innerAlgorithm, tbs), 'signature algorithm')
  const issuer = readName(tbs, 'issuer')
  const validity = tbs.open(TAG.sequence, 'validity')
  const notBefore = readTime(validity, 'notBefore')
  const notAfter = readTime(validity, 'notAfter')
  const subject = readName(tbs, 'subject')
  const publicKey = readPublicKey(tbs)
  const extensions = version > 1 ? readTail(tbs, version) : []
  return { version, serialNumber, innerAlgorithm, signatureAlgorithm, issuer, notBefore, notAfter, subject, publicKey, extensions }
}

function readVersion(tbs: DerReader): number {
  const explicit = tbs.openOptional(contextTag(0, 'constructed'), 'version')
  if (explicit === undefined) return 1
  const version = explicit.smallInteger('version') + 1
  if (!explicit.isEmpty || version > 3) tbs.fail('version')
  return version
}

/** Unique identifiers are skipped; extensions are those of version 3. */
function readTail(tbs: DerReader, version: number): Extension[] {
  tbs.openOptional(contextTag(1, 'primitive'), 'issuerUniqueID')
  tbs.openOptional(contextTag(2, 'primitive'), 'subjectUniqueID')
  const explicit = version === 3 ? tbs.openOptional(contextTag(3, 'constructed'), 'extensions') : undefined
  return explicit === undefined ? [] : readExtensions(explicit.open(TAG.sequence, 'extensions'))
}

function readPublicKey(tbs: DerReader): PublicKeyInfo {
  const { whole: raw, content } = tbs.element(TAG.sequence, 'public key')
  const info = new DerReader(content, tbs)
  const { algorithm: oid, elements } = readAlgorithm(info.open(TAG.sequence, 'public key algorithm'), 'public key algorithm')
  const key = rightAligned(info.bitString('public key'))
  const algorithm = KEY_ALGORITHMS[oid] ?? 'other'
  const curve = algorithm === 'ecdsa' ? readCurve(elements[1], tbs) : undefined
  const size = curve === undefined ? 32 : CURVE_POINT_BYTES[curve]
  if (curve !== undefined && (key.length !== size || key[0] !== 4)) tbs.fail('elliptic curve point')
  if (algorithm === 'ed25519' && (key.length !== size || elements.length > 1)) tbs.fail('Ed25519 public key')
  if (algorithm === 'rsa') checkRsaKey(key, elements[1], tbs)
  return { algorithm, ...(curve && { curve }), key, raw }
}

/** Modulus and exponent are positive; the parameters are NULL. */
function checkRsaKey(key: Uint8Array, parameters: Uint8Array | undefined, tbs: DerReader): void {
  const numbers = new DerReader(key, tbs).open(TAG.sequence, 'RSA public key')
  const modulus = numbers.integer('RSA public key')
  const exponent = numbers.integer('RSA public key')
  const isNegative = ((modulus[0] ?? 0) & 0x80) !== 0 || ((exponent[0] ?? 0) & 0x80) !== 0
  const isNull = parameters?.length === 2 && parameters[0] === TAG.null
  if (isNegative || !isNull || !hasBits(modulus) || !hasBits(exponent)) tbs.fail('RSA public key')
  if (exponent.length > 8) tbs.fail('RSA public exponent')
}

function hasBits(number: Uint8Array): boolean {
  return number.some((byte) => byte !== 0)
}

function readCurve(parameters: Uint8Array | undefined, tbs: DerReader): CurveName | undefined {
  const curve = CURVES[new DerReader(parameters ?? new Uint8Array(0), tbs).oid('elliptic curve')]
  if (curve === undefined) tbs.fail('elliptic curve')
  return curve
}

const KEY_ALGORITHMS: Readonly<Record<string, PublicKeyInfo['algorithm']>> = {
  '1.2.840.113549.1.1.1': 'rsa',
  '1.2.840.10045.2.1': 'ecdsa',
  '1.3.101.112': 'ed25519',
}

const CURVES: Readonly<Record<string, CurveName>> = {
  '1.3.132.0.33': 'P-224',
  '1.2.840.10045.3.1.7': 'P-256',
  '1.3.132.0.34': 'P-384',
  '1.3.132.0.35': 'P-521',
}

const CURVE_POINT_BYTES: Readonly<Record<CurveName, number>> = { 'P-224': 57, 'P-256': 65, 'P-384': 97, 'P-521': 133 }

function badCertificate(detail: string): MspFault {
  return { fault: 'fabric-msp/bad-certificate', detail }
}
