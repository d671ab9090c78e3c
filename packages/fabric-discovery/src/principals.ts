import { type MspPrincipal, principalFrom } from '@kumiko/fabric-msp'
import { equalBytes, type MspPrincipalMessage, SerializedIdentity, toHex } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'

/** A principal that can be compared with others. */
interface Comparable {
  readonly principal: Exclude<MspPrincipal, { readonly kind: 'combined' | 'anonymity' }>
  readonly mspId: string
}

/**
 * The principals that some policies name, by numbers from 0 on: equal ones have one. Bounded by the policies.
 * @see Fabric `common/policies/inquire/compare.go`
 */
export class Principals {
  readonly #numbers = new Map<string, number | undefined>()
  readonly #known: Comparable[] = []

  /** @returns Undefined for one that Fabric does not compare: combined, or of anonymity; or that is none. */
  number(message: MspPrincipalMessage): number | undefined {
    const key = `${message.principalClassification} ${toHex(message.principal)}`
    if (this.#numbers.has(key)) return this.#numbers.get(key)
    const comparable = comparableOf(message)
    const number = comparable && this.#known.push(comparable) - 1
    this.#numbers.set(key, number)
    return number
  }

  principal(number: number): MspPrincipal | undefined {
    return this.#known[number]?.principal
  }

  /** Does whoever satisfies the one satisfy the other too? */
  isA(one: number, other: number): boolean {
    if (one === other) return true
    const [a, b] = [this.#known[one], this.#known[other]]
    return a !== undefined && b !== undefined && a.mspId === b.mspId && isA(a.principal, b.principal)
  }
}

function comparableOf(message: MspPrincipalMessage): Comparable | undefined {
  const principal = principalFrom(message)
  if (isFault(principal) || principal.kind === 'combined' || principal.kind === 'anonymity') return
  if (principal.kind !== 'identity') return { principal, mspId: principal.mspId }
  const identity = SerializedIdentity.decode(principal.serialized)
  return isFault(identity) ? undefined : { principal, mspId: identity.mspId }
}

/** Of one organisation, and not the same bytes. */
function isA(one: Comparable['principal'], other: Comparable['principal']): boolean {
  if (other.kind === 'role' && other.role === 'member') return true
  if (one.kind === 'organization-unit' && other.kind === 'organization-unit')
    return one.organizationalUnit === other.organizationalUnit && equalBytes(one.certifiersIdentifier, other.certifiersIdentifier)
  if (one.kind === 'role' && other.kind === 'role') return one.role === other.role
  return one.kind === 'identity' && other.kind === 'identity' && equalBytes(one.serialized, other.serialized)
}
