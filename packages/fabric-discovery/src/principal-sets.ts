import type { SignaturePolicyEnvelope, SignaturePolicyRule } from '@kumiko/fabric-protocol'
import type { Random } from '@kumiko/interface'
import type { Principals } from './principals.ts'

/** Principals by number, one as often as it must sign: together they satisfy a policy. Ascending. */
export type PrincipalSet = readonly number[]

/** Ways to satisfy one rule, and those to choose some of several: Fabric's bound. @see Fabric `common/policies/inquire/inquire.go` combinationsUpperBound */
const COMBINATIONS_MAX = 10_000

/** Signatures in all sets of one policy together: what one policy may cost. */
const SIGNATURES_MAX = 500_000

/** Deeper rules nobody satisfies, as when they are validated. */
const DEPTH_MAX = 499

/** Pairs of sets that one merge of two policies looks at: 100 of each, or more of one where the other has fewer. */
const PAIRS_MAX = 10_000

/** Sets that a merge gives: those with the fewest signatures. */
const MERGED_MAX = 500

/** Comparisons of principals in one merge, and then among what it gives; at least one pair is merged, whatever it costs. */
const COMPARISONS_MAX = 1_000_000

/** What a policy's sets are made with. */
export interface PrincipalSetOptions {
  readonly principals: Principals
  /** Whether anybody is there for a principal: sets with others are left out, for nobody could satisfy them. */
  readonly isPresent: (principal: number) => boolean
  /** Picks what is left out of too many. */
  readonly random: Random
}

/**
 * All ways to satisfy a policy, as far as peers are there for them; no more than 10,000. Of rules with more ways than that some parts are left
 * out at random, as in Fabric.
 * @returns None where the policy cannot be satisfied, or needs nobody.
 * @see Fabric `common/policies/inquire/inquire.go` SatisfiedBy, `common/graph/perm.go`
 */
export function principalSets({ rule, identities }: SignaturePolicyEnvelope, options: PrincipalSetOptions): readonly PrincipalSet[] {
  const numbers = identities.map((identity) => options.principals.number(identity))
  const search = new Search(numbers, options)
  return search.sets(rule, 0).filter((set) => set.length > 0)
}

class Search {
  readonly #numbers: readonly (number | undefined)[]
  readonly #options: PrincipalSetOptions
  #signaturesLeft = SIGNATURES_MAX

  constructor(numbers: readonly (number | undefined)[], options: PrincipalSetOptions) {
    this.#numbers = numbers
    this.#options = options
  }

  sets(rule: SignaturePolicyRule | undefined, depth: number): readonly PrincipalSet[] {
    if (rule === undefined || depth > DEPTH_MAX) return []
    if (rule.nOutOf === undefined) {
      const principal = rule.signedBy === undefined ? undefined : this.#numbers[rule.signedBy]
      return principal !== undefined && this.#options.isPresent(principal) ? [[principal]] : []
    }
    const { n, rules } = rule.nOutOf
    // No more parts than there are bytes, and each is asked once: deep rules cost what their sets do, which is bounded.
    const parts = rules.map((part) => this.sets(part, depth + 1)).filter((ways) => ways.length > 0)
    while (parts.length > COMBINATIONS_MAX) parts.pop()
    while (chooseCount(parts.length, n) > COMBINATIONS_MAX) parts.splice(Math.floor(this.#options.random() * parts.length), 1)
    return this.#choose(parts, n)
  }

  #choose(parts: readonly (readonly PrincipalSet[])[], n: number): readonly PrincipalSet[] {
    const found = new Map<string, PrincipalSet>()
    for (const chosen of choices(parts.length, n)) {
      for (const set of combinations(chosen.map((index) => parts[index] ?? []))) {
        if (found.size >= COMBINATIONS_MAX || this.#signaturesLeft <= 0) return [...found.values()]
        this.#signaturesLeft -= set.length + 1
        const sorted = set.toSorted((a, b) => a - b)
        found.set(sorted.join(), sorted)
      }
    }
    return [...found.values()]
  }
}

/** How many ways there are to choose; more than {@link COMBINATIONS_MAX} is not counted to its end. */
function chooseCount(of: number, n: number): number {
  let count = n > of ? 0 : 1
  const smaller = Math.min(n, of - n)
  for (let k = 1; k <= smaller && count <= COMBINATIONS_MAX; k++) count = (count * (of - smaller + k)) / k
  return count
}

/** Indexes below `of`, `n` of them at a time, in order. */
function* choices(of: number, n: number): Generator<readonly number[]> {
  if (n > of) return
  const chosen = Array.from({ length: n }, (_, index) => index)
  for (;;) {
    yield chosen
    let at = n - 1
    while (at >= 0 && chosen[at] === of - n + at) at--
    if (at < 0) return
    const next = (chosen[at] ?? 0) + 1
    for (let index = at; index < n; index++) chosen[index] = next + index - at
  }
}

/** One way of each part, joined. */
function* combinations(parts: readonly (readonly PrincipalSet[])[]): Generator<PrincipalSet> {
  const at = parts.map(() => 0)
  for (;;) {
    yield parts.flatMap((ways, part) => ways[at[part] ?? 0] ?? [])
    let part = parts.length - 1
    while (part >= 0 && (at[part] ?? 0) + 1 === parts[part]?.length) at[part--] = 0
    if (part < 0) return
    at[part] = (at[part] ?? 0) + 1
  }
}

/**
 * Ways to satisfy two policies at once: of each two ways the union, where one signature stands for two principals if one is the other too. Those
 * that a way with fewer signatures stands for are left out, and those beyond 500 with the most. Fabric leaves out more: where a way of one policy
 * satisfies the other, it offers no others.
 * @see Fabric `common/policies/inquire/merge.go` Merge
 */
export function mergeSets(some: readonly PrincipalSet[], others: readonly PrincipalSet[], principals: Principals): readonly PrincipalSet[] {
  const [left, right] = within(bySize(some), bySize(others))
  const merged = new Map<string, PrincipalSet>()
  let comparisonsLeft = COMPARISONS_MAX
  for (const one of left)
    for (const other of right) {
      if (comparisonsLeft <= 0 && merged.size > 0) break
      comparisonsLeft -= one.length * other.length + 1
      const set = mergePair(one, other, principals)
      merged.set(set.join(), set)
    }
  return minimal(bySize([...merged.values()]).slice(0, MERGED_MAX), principals)
}

function within(
  some: readonly PrincipalSet[],
  others: readonly PrincipalSet[],
): readonly [readonly PrincipalSet[], readonly PrincipalSet[]] {
  if (some.length * others.length <= PAIRS_MAX) return [some, others]
  const most = Math.floor(Math.sqrt(PAIRS_MAX))
  if (some.length <= most) return [some, others.slice(0, Math.floor(PAIRS_MAX / some.length))]
  if (others.length <= most) return [some.slice(0, Math.floor(PAIRS_MAX / others.length)), others]
  return [some.slice(0, most), others.slice(0, most)]
}

function bySize(sets: readonly PrincipalSet[]): readonly PrincipalSet[] {
  return sets.toSorted((a, b) => a.length - b.length)
}

/** Each principal of the one is stood for by one of the other, or stands for it, or is added. */
function mergePair(one: PrincipalSet, other: PrincipalSet, principals: Principals): PrincipalSet {
  const result = [...other]
  const free = new Set(other.keys())
  const take = (fits: (index: number) => boolean): number | undefined => {
    for (const index of free)
      if (fits(index)) {
        free.delete(index)
        return index
      }
    return
  }
  const unmatched = one.filter((principal) => take((index) => other[index] === principal) === undefined)
  for (const principal of unmatched) {
    if (take((index) => principals.isA(other[index] ?? -1, principal)) !== undefined) continue
    const general = take((index) => principals.isA(principal, other[index] ?? -1))
    if (general === undefined) result.push(principal)
    else result[general] = principal
  }
  return result.sort((a, b) => a - b)
}

/**
 * Without sets that a smaller one stands for: of which each principal is one of theirs, or is related to one. @param sets - By size.
 */
function minimal(sets: readonly PrincipalSet[], principals: Principals): readonly PrincipalSet[] {
  const kept: PrincipalSet[] = []
  let comparisonsLeft = COMPARISONS_MAX
  for (const set of sets) {
    const isStoodFor = kept.some((smaller) => {
      if (smaller.length === set.length || comparisonsLeft <= 0) return false
      comparisonsLeft -= smaller.length * set.length
      return isWithin(smaller, set, principals)
    })
    if (!isStoodFor) kept.push(set)
  }
  return kept
}

/** Has each principal of the smaller set one of the larger to itself, which it is or which is it? */
function isWithin(smaller: PrincipalSet, larger: PrincipalSet, principals: Principals): boolean {
  const free = [...larger]
  return smaller.every((principal) => {
    const at = free.findIndex((other) => principals.isA(principal, other) || principals.isA(other, principal))
    if (at >= 0) free.splice(at, 1)
    return at >= 0
  })
}
