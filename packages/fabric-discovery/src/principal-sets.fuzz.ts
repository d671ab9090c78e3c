import { compileSignaturePolicy, type FabricIdentity, type MspPrincipal } from '@kumiko/fabric-msp'
import { MspPrincipalMessage, MspRoleMessage, type SignaturePolicyEnvelope, type SignaturePolicyRule } from '@kumiko/fabric-protocol'
import { must } from '@kumiko/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mergeSets, type PrincipalSet, principalSets } from './principal-sets.ts'
import { Principals } from './principals.ts'

const ORGANIZATIONS = 4
const PEER = 3

const identities = Array.from({ length: ORGANIZATIONS }, (_, index) =>
  MspPrincipalMessage.create({
    principalClassification: 0,
    principal: MspRoleMessage.encode({ mspIdentifier: `Org${index}`, role: PEER }),
  }),
)

const rule = fc.letrec<{ rule: SignaturePolicyRule }>((tie) => ({
  rule: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    fc.nat(ORGANIZATIONS - 1).map((signedBy) => ({ signedBy, nOutOf: undefined })),
    fc
      .record({ n: fc.integer({ min: 1, max: 3 }), rules: fc.array(tie('rule'), { minLength: 1, maxLength: 3 }) })
      .map((nOutOf) => ({ signedBy: undefined, nOutOf })),
  ),
})).rule
/** Each organisation is named once: validation is greedy, and may want more of one that is named twice than is needed. */
const policy = rule
  .filter((each) => new Set(leaves(each)).size === leaves(each).length)
  .map((each): SignaturePolicyEnvelope => ({ version: 0, rule: each, identities }))

function leaves({ signedBy, nOutOf }: SignaturePolicyRule): readonly number[] {
  return nOutOf?.rules.flatMap(leaves) ?? [signedBy ?? -1]
}

/** As many peers of each organisation as there are numbers. */
function peersOf(organizations: readonly number[]): readonly FabricIdentity[] {
  return organizations.map((organization, index) => ({
    mspId: `Org${organization}`,
    id: String(index),
    serialized: new Uint8Array(),
    verify: () => true,
    validate: () => undefined,
    satisfies: (principal: MspPrincipal) => principal.kind === 'role' && principal.mspId === `Org${organization}`,
  }))
}

function isSatisfied(envelope: SignaturePolicyEnvelope, organizations: readonly number[]): boolean {
  return must(compileSignaturePolicy(envelope)).evaluate(peersOf(organizations)) === undefined
}

function setsOf(envelope: SignaturePolicyEnvelope, principals: Principals): readonly PrincipalSet[] {
  return principalSets(envelope, { principals, isPresent: () => true, random: () => 0 })
}

/** Which organisation a number stands for. */
function organizations(set: PrincipalSet, principals: Principals): readonly number[] {
  return set.map((number) => {
    const principal = principals.principal(number)
    return principal?.kind === 'role' ? Number(principal.mspId.slice(3)) : -1
  })
}

/** Endorsers of each of 4 organisations: none to two. */
const endorsers = fc
  .array(fc.nat(2), { minLength: ORGANIZATIONS, maxLength: ORGANIZATIONS })
  .map((counts) => counts.flatMap((count, organization) => Array.from({ length: count }, () => organization)))

describe('ways to satisfy policies', () => {
  it('satisfy them, and are found wherever endorsers do', () => {
    fc.assert(
      fc.property(policy, endorsers, (envelope, present) => {
        const principals = new Principals()
        const sets = setsOf(envelope, principals).map((set) => organizations(set, principals))
        for (const set of sets) expect(isSatisfied(envelope, set)).toBe(true)
        if (isSatisfied(envelope, present)) expect(sets.some((set) => isWithin(set, present))).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  it('satisfy both of two that are merged, and are found wherever endorsers do', () => {
    fc.assert(
      fc.property(policy, policy, endorsers, (one, other, present) => {
        const principals = new Principals()
        const sets = mergeSets(setsOf(one, principals), setsOf(other, principals), principals).map((set) => organizations(set, principals))
        for (const set of sets) expect([isSatisfied(one, set), isSatisfied(other, set)]).toEqual([true, true])
        if (isSatisfied(one, present) && isSatisfied(other, present)) expect(sets.some((set) => isWithin(set, present))).toBe(true)
      }),
      { numRuns: 300 },
    )
  })
})

function isWithin(set: readonly number[], present: readonly number[]): boolean {
  const left = [...present]
  return set.every((organization) => {
    const at = left.indexOf(organization)
    if (at >= 0) left.splice(at, 1)
    return at >= 0
  })
}
