import {
  type MspPrincipalMessage,
  MspRoleMessage,
  ROLE_NAMES,
  type SignaturePolicyEnvelope,
  type SignaturePolicyRule,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault, KumikoError } from '@kumiko/interface'

/** A policy's text has at most this many characters. */
const POLICY_TEXT_LENGTH_MAX = 65_536

/** Gates nest at most this deep in a policy's text. */
const POLICY_TEXT_DEPTH_MAX = 100

const GATES: ReadonlyMap<string, 'and' | 'or' | 'outof'> = new Map([
  ...(['and', 'And', 'AND'] as const).map((name) => [name, 'and'] as const),
  ...(['or', 'Or', 'OR'] as const).map((name) => [name, 'or'] as const),
  ...(['outof', 'OutOf', 'OUTOF'] as const).map((name) => [name, 'outof'] as const),
])

const PRINCIPAL = /^([0-9A-Za-z.-]+)\.(admin|member|client|peer|orderer)$/

/**
 * Reads the language that Fabric's tools take (`common/policydsl`): `AND(…)`, `OR(…)` and `OutOf(n, …)` over one another and over
 * `'Org1MSP.member'` with the roles member, admin, client, peer and orderer. Gates may be written And, and; quotes may be double.
 *
 * The envelope is Fabric's to the byte: a principal for each mention (no two mentions share one), and those of an inner gate before
 * those of the gate around it.
 * @throws KumikoError `fabric-msp/bad-policy-text`, with the position (from 0) and what would mend it.
 */
export function parsePolicy(text: string): SignaturePolicyEnvelope {
  if (text.length > POLICY_TEXT_LENGTH_MAX)
    throw wrong(text, 0, `has ${text.length} characters: at most ${POLICY_TEXT_LENGTH_MAX} are read`)
  const cursor = new Cursor(text)
  const gate = readGate(cursor, 0)
  cursor.expectEnd()
  const identities: MspPrincipalMessage[] = []
  return { version: 0, rule: buildGate(gate, identities), identities }
}

interface Gate {
  readonly n: number
  readonly parts: readonly (Gate | MspPrincipalMessage)[]
}

/** Gates first, in order, then the gate's own principals: as Fabric evaluates the text. */
function buildGate({ n, parts }: Gate, identities: MspPrincipalMessage[]): SignaturePolicyRule {
  const inner = parts.map((part) => ('parts' in part ? buildGate(part, identities) : undefined))
  const rules = parts.map((part, at) => inner[at] ?? signedBy('parts' in part ? -1 : identities.push(part) - 1))
  return { signedBy: undefined, nOutOf: { n, rules } }
}

function signedBy(index: number): SignaturePolicyRule {
  return { signedBy: index, nOutOf: undefined }
}

function readGate(cursor: Cursor, depth: number): Gate {
  const start = cursor.skipSpace()
  const word = cursor.take(/[A-Za-z_]+/y)
  const gate = GATES.get(word ?? '')
  if (gate === undefined) throw cursor.wrong(start, `needs a gate here: write AND(…), OR(…) or OutOf(n, …)`)
  if (depth > POLICY_TEXT_DEPTH_MAX) throw cursor.wrong(start, `nests more than ${POLICY_TEXT_DEPTH_MAX} gates: flatten it`)
  cursor.expect('(', `write '(' after ${word}`)
  const count = gate === 'outof' ? readCount(cursor) : undefined
  const parts = readParts(cursor, depth)
  const n = count?.n ?? (gate === 'and' ? parts.length : 1)
  // Fabric allows one more than there are.
  if (n > parts.length + 1) throw cursor.wrong(count?.at ?? start, `asks for ${n} of ${parts.length}: ask for at most ${parts.length}`)
  return { n, parts }
}

function readCount(cursor: Cursor): { readonly n: number; readonly at: number } {
  const at = cursor.skipSpace()
  const digits = cursor.take(/\d{1,9}(?![\w.])|'\d{1,9}'|"\d{1,9}"/y)
  if (digits === undefined) throw cursor.wrong(at, 'needs a whole number here: how many of the others must sign')
  cursor.expect(',', "write ',' and those of whom so many must sign")
  return { n: Number(digits.replaceAll(/['"]/g, '')), at }
}

function readParts(cursor: Cursor, depth: number): (Gate | MspPrincipalMessage)[] {
  const parts = [readPart(cursor, depth)]
  while (cursor.takeSymbol(',')) parts.push(readPart(cursor, depth))
  cursor.expect(')', "write ',' and more, or ')'")
  return parts
}

function readPart(cursor: Cursor, depth: number): Gate | MspPrincipalMessage {
  const start = cursor.skipSpace()
  if (!cursor.startsWith("'") && !cursor.startsWith('"')) return readGate(cursor, depth + 1)
  const quoted = cursor.take(/'[^']*'|"[^"]*"/y)
  if (quoted === undefined) throw cursor.wrong(start, 'does not end its quotes: close them')
  const match = PRINCIPAL.exec(quoted.slice(1, -1))
  const role = ROLE_NAMES.indexOf(match?.[2]?.toUpperCase() ?? '')
  if (match?.[1] === undefined || role < 0) {
    throw cursor.wrong(start, `has ${quoted.slice(0, 80)} for a principal: write 'MspId.role' with member, admin, client, peer or orderer`)
  }
  return { principalClassification: 0, principal: MspRoleMessage.encode({ mspIdentifier: match[1], role }) }
}

class Cursor {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  skipSpace(): number {
    while (/\s/.test(this.#text.charAt(this.#at))) this.#at++
    return this.#at
  }

  startsWith(symbol: string): boolean {
    return this.#text.startsWith(symbol, this.#at)
  }

  /** @param pattern - Sticky. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.skipSpace()
    const found = pattern.exec(this.#text)?.[0]
    this.#at += found?.length ?? 0
    return found
  }

  takeSymbol(symbol: string): boolean {
    this.skipSpace()
    if (!this.startsWith(symbol)) return false
    this.#at += symbol.length
    return true
  }

  expect(symbol: string, mend: string): void {
    if (!this.takeSymbol(symbol)) throw this.wrong(this.#at, `lacks '${symbol}': ${mend}`)
  }

  expectEnd(): void {
    if (this.skipSpace() < this.#text.length) throw this.wrong(this.#at, 'goes on after its end: put one gate around all')
  }

  wrong(at: number, what: string): KumikoError {
    return wrong(this.#text, at, what)
  }
}

function wrong(text: string, position: number, what: string): KumikoError {
  const near = text.slice(position, position + 20)
  const message = `policy ${what} (at ${position}${near === '' ? ', the end' : `, near ${near}`})`
  return new KumikoError('fabric-msp/bad-policy-text', message, { context: { position } })
}

/**
 * Writes a signature policy in the language of {@link parsePolicy}, which reads it back to the same policy: to the same bytes if the
 * policy came from there.
 * @returns A fault for principals that are no roles, and for rules without a type or with an index out of range.
 */
export function printPolicy(envelope: SignaturePolicyEnvelope): string | Fault {
  const printed = printRule(envelope.rule, envelope.identities, 0)
  return envelope.rule?.signedBy === undefined || isFault(printed) ? printed : `OR(${printed})`
}

function printRule(rule: SignaturePolicyRule | undefined, identities: readonly MspPrincipalMessage[], depth: number): string | Fault {
  if (rule?.signedBy !== undefined) return printPrincipal(identities[rule.signedBy])
  if (rule?.nOutOf === undefined || depth > POLICY_TEXT_DEPTH_MAX) return unprintable('a rule is empty, or nested too deep')
  const { n, rules } = rule.nOutOf
  const parts: string[] = []
  for (const part of rules) {
    const printed = printRule(part, identities, depth + 1)
    if (isFault(printed)) return printed
    parts.push(printed)
  }
  if (rules.length === 0 || n < 0 || n > rules.length + 1) return unprintable(`${n} of ${rules.length} has no words`)
  if (n === 1) return `OR(${parts.join(', ')})`
  return n === rules.length ? `AND(${parts.join(', ')})` : `OutOf(${[n, ...parts].join(', ')})`
}

function printPrincipal(principal: MspPrincipalMessage | undefined): string | Fault {
  if (principal?.principalClassification !== 0) return unprintable('a principal is missing, or is no role')
  const message = MspRoleMessage.decode(principal.principal)
  if (isFault(message)) return message
  const name = `${message.mspIdentifier}.${ROLE_NAMES[message.role]?.toLowerCase() ?? '?'}`
  return PRINCIPAL.test(name) ? `'${name}'` : unprintable('a role or the name of an MSP has no words')
}

function unprintable(detail: string): Fault {
  return { fault: 'fabric-msp/unprintable-policy', detail }
}
