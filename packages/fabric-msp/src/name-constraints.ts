import { contextTag, type DerReader, TAG } from './der.ts'
import { isAscii, latin1 } from './name.ts'

/** The names for which a CA may sign, and those for which it may not (RFC 5280 § 4.2.1.10). */
export interface NameConstraints {
  readonly permitted: readonly NameConstraint[]
  readonly excluded: readonly NameConstraint[]
  /** Whether names of a kind are bound that are not looked at. */
  readonly hasUnknown: boolean
}

/** A name and those below it. */
export interface NameConstraint {
  /** As {@link GeneralName}: 1 is mail, 2 DNS, 6 URI, 7 IP (address, then mask). */
  readonly type: number
  readonly value: Uint8Array
}

/** Reads the extension; `undefined` if there is none. */
export function readNameConstraints(reader: DerReader | undefined): NameConstraints | undefined {
  if (reader === undefined) return undefined
  const outer = reader.open(TAG.sequence, WHAT)
  const permitted = readSubtrees(outer, 0)
  const excluded = readSubtrees(outer, 1)
  const isEmpty = (permitted?.length ?? excluded?.length ?? 0) === 0 || excluded?.length === 0
  if (!outer.isEmpty || !reader.isEmpty || isEmpty) outer.fail(WHAT)
  const all = [...(permitted ?? []), ...(excluded ?? [])]
  const isKnown = ({ type }: NameConstraint): boolean => MATCHES[type] !== undefined
  return { permitted: (permitted ?? []).filter(isKnown), excluded: (excluded ?? []).filter(isKnown), hasUnknown: !all.every(isKnown) }
}

/**
 * Whether a CA with these constraints may vouch for the name. A name that cannot be understood is refused; a type that Go does not know is allowed.
 * @param name - Of the subject's alternative names.
 */
export function permits(constraints: NameConstraints, name: NameConstraint): boolean {
  const matches = MATCHES[name.type]
  if (matches === undefined) return true
  const isExcluded = constraints.excluded.some(({ type, value }) => type === name.type && matches(name.value, value) !== false)
  const permitted = constraints.permitted.filter(({ type }) => type === name.type)
  return !isExcluded && (permitted.length === 0 || permitted.some(({ value }) => matches(name.value, value) === true))
}

const WHAT = 'name constraints'

function readSubtrees(outer: DerReader, number: number): NameConstraint[] | undefined {
  const subtrees = outer.openOptional(contextTag(number, 'constructed'), WHAT)
  if (subtrees === undefined) return undefined
  const constraints: NameConstraint[] = []
  while (!subtrees.isEmpty) {
    const { tag, content } = subtrees.open(TAG.sequence, WHAT).any(WHAT)
    const constraint = { type: tag ^ 0x80, value: content }
    if (!isSound(constraint)) subtrees.fail(WHAT)
    constraints.push(constraint)
  }
  return constraints
}

function isSound({ type, value }: NameConstraint): boolean {
  if (type === 7) return (value.length === 8 || value.length === 32) && isMask(value.subarray(value.length / 2))
  if (MATCHES[type] === undefined) return true
  const text = latin1(value)
  return isAscii(value) && (text.includes('@') ? type === 1 : isDomain(text.replace(/^\./, '')))
}

/** Ones, then zeros. */
function isMask(mask: Uint8Array): boolean {
  const bits = Array.from(mask, (byte) => byte.toString(2).padStart(8, '0')).join('')
  return /^1*0*$/.test(bits)
}

/** Whether a name is at or below the constraint; `undefined` if the name is not understood. */
type Match = (name: Uint8Array, constraint: Uint8Array) => boolean | undefined

const MATCHES: Readonly<Record<number, Match>> = {
  1: (name, constraint) => matchesMail(latin1(name), latin1(constraint)),
  2: (name, constraint) => matchesDomain(latin1(name), latin1(constraint)),
  6: (name, constraint) => matchesUri(latin1(name), latin1(constraint)),
  7: matchesIp,
}

function matchesMail(mail: string, constraint: string): boolean | undefined {
  const at = mail.lastIndexOf('@')
  if (at < 1) return undefined
  if (!constraint.includes('@')) return matchesDomain(mail.slice(at + 1), constraint)
  const split = constraint.lastIndexOf('@')
  return mail.slice(0, at) === constraint.slice(0, split) && mail.slice(at).toLowerCase() === constraint.slice(split).toLowerCase()
}

/** A constraint with a leading dot asks for at least a label more. */
function matchesDomain(domain: string, constraint: string): boolean | undefined {
  if (!isDomain(domain)) return undefined
  if (constraint === '') return true
  const name = domain.toLowerCase()
  const below = constraint.toLowerCase()
  return below.startsWith('.') ? name.endsWith(below) && name.length > below.length : name === below || name.endsWith(`.${below}`)
}

function matchesUri(uri: string, constraint: string): boolean | undefined {
  const host = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]+)/i.exec(uri)?.[1]
  const isAddress = host === undefined || host.startsWith('[') || /^\d+(\.\d+){3}$/.test(host)
  return isAddress ? undefined : matchesDomain(host, constraint)
}

function matchesIp(address: Uint8Array, constraint: Uint8Array): boolean {
  if (address.length * 2 !== constraint.length) return false
  return address.every((byte, i) => ((byte ^ (constraint[i] ?? 0)) & (constraint[address.length + i] ?? 0)) === 0)
}

function isDomain(text: string): boolean {
  return text === '' || text.split('.').every((label) => /^[!-~]+$/.test(label))
}
