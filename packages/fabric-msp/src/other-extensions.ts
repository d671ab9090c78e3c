import { contextTag, type DerReader, isShortestInteger, TAG } from './der.ts'

/**
 * Extensions that mean nothing to an MSP, but that Go reads: where one of them is not sound, it refuses the certificate. By id.
 */
export const OTHER_EXTENSIONS: ReadonlyMap<string, (reader: DerReader) => void> = new Map([
  ['2.5.29.31', each(checkDistributionPoint)],
  ['2.5.29.32', checkPolicies],
  ['2.5.29.33', each(checkPolicyMapping)],
  ['2.5.29.36', checkPolicyConstraints],
  ['2.5.29.54', (reader) => checkInteger(reader, TAG.integer)],
  ['1.3.6.1.5.5.7.1.1', each(checkAccess)],
])

const WHAT = 'an extension'
const URI = contextTag(6, 'primitive')

/** A SEQUENCE OF SEQUENCE. */
function each(check: (item: DerReader) => void): (reader: DerReader) => void {
  return (reader) => {
    const list = reader.open(TAG.sequence, WHAT)
    while (!list.isEmpty) check(list.open(TAG.sequence, WHAT))
  }
}

function checkDistributionPoint(point: DerReader): void {
  const tag = contextTag(0, 'constructed')
  const names = point.openOptional(tag, WHAT)?.open(tag, WHAT)
  while (names?.peek() === URI) names.content(URI, WHAT)
}

function checkPolicies(reader: DerReader): void {
  const seen = new Set<string>()
  each((policy) => {
    const id = policy.oid(WHAT)
    if (seen.has(id)) policy.fail(WHAT)
    seen.add(id)
  })(reader)
}

function checkPolicyMapping(mapping: DerReader): void {
  mapping.content(TAG.oid, WHAT)
  mapping.content(TAG.oid, WHAT)
}

function checkPolicyConstraints(reader: DerReader): void {
  const constraints = reader.open(TAG.sequence, WHAT)
  for (const number of [0, 1]) {
    const tag = contextTag(number, 'primitive')
    if (constraints.peek() === tag) checkInteger(constraints, tag)
  }
}

/** Of 64 bits at most. */
function checkInteger(reader: DerReader, tag: number): void {
  const content = reader.content(tag, WHAT)
  if (!isShortestInteger(content) || content.length > 8) reader.fail(WHAT)
}

function checkAccess(description: DerReader): void {
  description.oid(WHAT)
  if (description.peek() === URI) description.content(URI, WHAT)
}
