import { contextTag, type DerReader, DerReader as Reader, TAG } from './der.ts'
import { isAscii, latin1 } from './name.ts'
import { type NameConstraints, readNameConstraints } from './name-constraints.ts'
import { OTHER_EXTENSIONS } from './other-extensions.ts'

/** An extension of a certificate or a revocation list, not interpreted. */
export interface Extension {
  /** `2.5.29.19` */
  readonly id: string
  readonly isCritical: boolean
  readonly value: Uint8Array
}

/** What a certificate's extensions say. */
export interface Extensions {
  /** All, in order; no two have one id. */
  readonly extensions: readonly Extension[]
  /** `basicConstraints`: present or not, and what it says. */
  readonly basicConstraints: BasicConstraints | undefined
  /** `keyUsage`: bit 0 is `digitalSignature`, bit 5 is `keyCertSign`; 0 if absent. */
  readonly keyUsage: number
  /** `extKeyUsage` as object identifiers; empty if absent. */
  readonly extKeyUsage: readonly string[]
  readonly subjectKeyId: Uint8Array | undefined
  readonly authorityKeyId: Uint8Array | undefined
  /** `subjectAltName`: `undefined` if absent. */
  readonly subjectAltNames: readonly GeneralName[] | undefined
  readonly nameConstraints: NameConstraints | undefined
  /** Critical extensions that nobody here understands: such a certificate is in no chain. */
  readonly unhandledCritical: readonly string[]
}

export interface BasicConstraints {
  readonly isCa: boolean
  /** How many CAs may stand between this one and the leaf; `undefined` for any number. */
  readonly maxPathLength: number | undefined
}

/** A name that is not distinguished. */
export interface GeneralName {
  /** The number of the context-specific tag: 1 is mail, 2 DNS, 6 URI, 7 IP. */
  readonly type: number
  readonly value: Uint8Array
}

/** Ids of the extensions that are asked for by id. */
export const EXTENSION = {
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyId: '2.5.29.35',
  extKeyUsage: '2.5.29.37',
  /** Fabric CA writes the identity's attributes here, as JSON. */
  fabricAttributes: '1.2.3.4.5.6.7.8.1',
} as const

/** The bit of `keyUsage` for signing certificates. */
export const KEY_CERT_SIGN: number = 1 << 5

/** Reads a SEQUENCE OF Extension's content; two with one id are a failure. */
export function readExtensions(reader: DerReader): Extension[] {
  const seen = new Set<string>()
  const extensions: Extension[] = []
  while (!reader.isEmpty) {
    const extension = readExtension(reader.open(TAG.sequence, 'extension'))
    if (seen.has(extension.id)) reader.fail('extension twice')
    seen.add(extension.id)
    extensions.push(extension)
  }
  return extensions
}

/** Reads a single Extension's content. */
export function readExtension(reader: DerReader): Extension {
  const id = reader.oid('extension id')
  const isCritical = reader.peek() === TAG.boolean && reader.boolean('extension criticality')
  return { id, isCritical, value: reader.content(TAG.octetString, 'extension value') }
}

/** The key identifier in an `authorityKeyIdentifier`, if it holds one. */
export function readAuthorityKeyId(value: Uint8Array, parent: DerReader): Uint8Array | undefined {
  const identifier = new Reader(value, parent).open(TAG.sequence, 'authority key identifier')
  const tag = contextTag(0, 'primitive')
  return identifier.peek() === tag ? identifier.content(tag, 'authority key identifier') : undefined
}

/** What the extensions say. @param parent - Fails where one of them is not sound. */
export function interpretExtensions(extensions: readonly Extension[], parent: DerReader): Extensions {
  const contentOf = (id: string): Uint8Array | undefined => extensions.find((extension) => extension.id === id)?.value
  const readerOf = (id: string): DerReader | undefined => {
    const value = contentOf(id)
    return value && new Reader(value, parent)
  }
  for (const { id, isCritical } of extensions) if (isCritical && NEVER_CRITICAL.has(id)) parent.fail(`${id} is critical`)
  for (const { id, value } of extensions) OTHER_EXTENSIONS.get(id)?.(new Reader(value, parent))
  const authorityKeyId = contentOf(EXTENSION.authorityKeyId)
  const subjectAltNames = readSubjectAltNames(readerOf(EXTENSION.subjectAltName))
  const nameConstraints = readNameConstraints(readerOf(EXTENSION.nameConstraints))
  const read = {
    extensions,
    basicConstraints: readBasicConstraints(readerOf(EXTENSION.basicConstraints)),
    keyUsage: readKeyUsage(readerOf(EXTENSION.keyUsage)),
    extKeyUsage: readExtKeyUsage(readerOf(EXTENSION.extKeyUsage)),
    subjectKeyId: readerOf(EXTENSION.subjectKeyId)?.content(TAG.octetString, 'subject key identifier'),
    authorityKeyId: authorityKeyId && readAuthorityKeyId(authorityKeyId, parent),
    subjectAltNames,
    nameConstraints,
  }
  return { ...read, unhandledCritical: unhandled(extensions, read) }
}

/** Go refuses certificates in which these are critical. */
const NEVER_CRITICAL: ReadonlySet<string> = new Set([EXTENSION.subjectKeyId, EXTENSION.authorityKeyId, '1.3.6.1.5.5.7.1.1'])

const KNOWN: ReadonlySet<string> = new Set([...Object.values(EXTENSION), ...OTHER_EXTENSIONS.keys()])

function unhandled(extensions: readonly Extension[], read: Pick<Extensions, 'subjectAltNames' | 'nameConstraints'>): string[] {
  const isHandled = (id: string): boolean => {
    if (id === EXTENSION.fabricAttributes) return false
    if (id === EXTENSION.subjectAltName) return read.subjectAltNames?.some(({ type }) => HANDLED_NAMES.has(type)) === true
    if (id === EXTENSION.nameConstraints) return read.nameConstraints?.hasUnknown === false
    return KNOWN.has(id)
  }
  return extensions.filter(({ id, isCritical }) => isCritical && !isHandled(id)).map(({ id }) => id)
}

function readBasicConstraints(reader: DerReader | undefined): BasicConstraints | undefined {
  const constraints = reader?.open(TAG.sequence, 'basic constraints')
  if (constraints === undefined) return undefined
  const isCa = constraints.peek() === TAG.boolean && constraints.boolean('basic constraints')
  const maxPathLength = constraints.peek() === TAG.integer ? constraints.smallInteger('basic constraints') : undefined
  return { isCa, maxPathLength }
}

function readKeyUsage(reader: DerReader | undefined): number {
  const bytes = reader?.bitString('key usage').bytes ?? []
  let usage = 0
  for (let bit = 0; bit < 9; bit++) if ((((bytes[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1) === 1) usage |= 1 << bit
  return usage
}

function readExtKeyUsage(reader: DerReader | undefined): string[] {
  const list = reader?.open(TAG.sequence, 'extended key usage')
  const usages: string[] = []
  while (list !== undefined && !list.isEmpty) usages.push(list.oid('extended key usage'))
  return usages
}

const HANDLED_NAMES: ReadonlySet<number> = new Set([1, 2, 6, 7])

function readSubjectAltNames(reader: DerReader | undefined): GeneralName[] | undefined {
  const list = reader?.open(TAG.sequence, 'subject alternative names')
  if (list === undefined) return undefined
  const names: GeneralName[] = []
  while (!list.isEmpty) {
    const { tag, content } = list.any('subject alternative name')
    const type = tag ^ 0x80
    if (!isName(type, content)) list.fail('subject alternative name')
    names.push({ type, value: content })
  }
  return names
}

/** Addresses have 4 or 16 bytes, the other names that Go reads are ASCII; of URIs it refuses more than is looked at here. */
function isName(type: number, value: Uint8Array): boolean {
  if (type === 7) return value.length === 4 || value.length === 16
  if (type === 6) return isAscii(value) && isUri(latin1(value))
  return !HANDLED_NAMES.has(type) || isAscii(value)
}

/** No control characters, and two digits behind each `%` before the query. */
function isUri(text: string): boolean {
  const hasControl = Array.from(text).some((character) => character < ' ' || character === '\x7f')
  return !hasControl && !/^[^?]*%(?![0-9A-Fa-f]{2})/.test(text)
}
