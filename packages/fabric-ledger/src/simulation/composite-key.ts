import { KumikoError } from '@kumiko/interface'

/** A part of a chaincode's keys. */
export interface KeyRange {
  readonly startKey: string
  /** Excluded. */
  readonly endKey: string
}

/** Separates the parts of a composite key, and stands before them: so composite keys have a room of their own. */
const SEPARATOR = '\0'
const LAST = '\u{10ffff}'

/**
 * A key of several parts, as Fabric's shims make it: ranges over its first parts are possible.
 * @throws KumikoError `fabric-ledger/bad-composite-key` for U+0000, U+10FFFF, half a surrogate pair, or an empty object type.
 * @see fabric-chaincode-go `shim/stub.go` CreateCompositeKey
 */
export function compositeKey(objectType: string, attributes: readonly string[]): string {
  if (objectType === '') throw badPart('an empty object type')
  for (const part of [objectType, ...attributes]) {
    if (!part.isWellFormed()) throw badPart('half a surrogate pair')
    if (part.includes(SEPARATOR)) throw badPart('U+0000')
    if (part.includes(LAST)) throw badPart('U+10FFFF')
  }
  return [SEPARATOR, ...[objectType, ...attributes].map((part) => part + SEPARATOR)].join('')
}

/** The parts of a composite key. @returns Undefined where the key is none. */
export function splitCompositeKey(key: string): { readonly objectType: string; readonly attributes: readonly string[] } | undefined {
  if (key.length < 2 || !key.startsWith(SEPARATOR) || !key.endsWith(SEPARATOR)) return
  const [objectType = '', ...attributes] = key.slice(1, -1).split(SEPARATOR)
  return { objectType, attributes }
}

/** All composite keys that begin with these parts, and have more. @throws KumikoError as {@link compositeKey}. */
export function compositeKeyRange(objectType: string, attributes: readonly string[]): KeyRange {
  const startKey = compositeKey(objectType, attributes)
  return { startKey, endKey: startKey + LAST }
}

/**
 * A range of plain keys, as Fabric's shims ask for it: an empty start is after all composite keys.
 * @throws KumikoError `fabric-ledger/bad-composite-key` where one is a composite key.
 */
export function plainKeyRange(startKey: string, endKey: string): KeyRange {
  for (const key of [startKey, endKey]) if (key.startsWith(SEPARATOR)) throw badPart('a range of plain keys that begins with U+0000')
  return { startKey: startKey === '' ? '\u0001' : startKey, endKey }
}

function badPart(what: string): KumikoError {
  return new KumikoError('fabric-ledger/bad-composite-key', `a composite key keeps parts apart, and cannot with ${what}`)
}
