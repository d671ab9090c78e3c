import { SignaturePolicyEnvelope, type SignaturePolicyRule } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { identityOf } from '../../test/identities.ts'
import { parsePolicy } from './policy-language.ts'
import { compileSignaturePolicy, readSignaturePolicy, SIGNATURE_POLICY_BYTES_MAX, SIGNATURE_POLICY_DEPTH_MAX } from './signature-policy.ts'

function isSatisfied(policy: string | SignaturePolicyEnvelope, ...names: string[]): boolean {
  const compiled = compileSignaturePolicy(typeof policy === 'string' ? parsePolicy(policy) : policy)
  if (isFault(compiled)) throw new Error(compiled.detail)
  return compiled.evaluate(names.map(identityOf)) === undefined
}

describe('a signature policy', () => {
  it('counts who is meant', () => {
    expect(isSatisfied("AND('A.peer', 'B.peer')", 'B.peer.x', 'A.peer.y')).toBe(true)
    expect(isSatisfied("AND('A.peer', 'B.peer')", 'A.peer.x', 'A.peer.y')).toBe(false)
    expect(isSatisfied("OutOf(2, 'A.member', 'B.member', 'C.member')", 'C.client.x', 'A.admin.y')).toBe(true)
    expect(isSatisfied("OutOf(2, 'A.member', 'B.member', 'C.member')", 'C.client.x')).toBe(false)
  })

  it('uses an identity once', () => {
    expect(isSatisfied("AND('A.member', 'A.peer')", 'A.peer.x')).toBe(false)
    expect(isSatisfied("AND('A.member', 'A.peer')", 'A.client.y', 'A.peer.x')).toBe(true)
  })

  it('is greedy: it says no where a matching exists that it did not choose', () => {
    // The peer is spent on "any member", for it stands first; the client, who would have done for that, is no peer.
    expect(isSatisfied("AND('A.member', 'A.peer')", 'A.peer.x', 'A.client.y')).toBe(false)
    expect(isSatisfied("AND('A.peer', 'A.member')", 'A.peer.x', 'A.client.y')).toBe(true)
  })

  it('goes on after enough rules were satisfied, and so spends identities that a later rule needs', () => {
    // OR takes A and B, though A would do: nothing is left for B.
    const either = "OR('A.member', 'B.member')"
    expect(isSatisfied(`AND(${either}, OR('B.member'))`, 'A.peer.x', 'B.peer.y')).toBe(false)
    expect(isSatisfied(`AND(OR('B.member'), ${either})`, 'A.peer.x', 'B.peer.y')).toBe(true)
  })

  it('gives back what a rule used that failed', () => {
    expect(isSatisfied("OR(AND('A.member', 'B.member'), 'A.peer')", 'A.peer.x')).toBe(true)
  })

  it('takes none of nothing', () => {
    const none: SignaturePolicyEnvelope = { version: 0, rule: { signedBy: undefined, nOutOf: { n: 0, rules: [] } }, identities: [] }
    expect(isSatisfied(none)).toBe(true)
    expect(isSatisfied({ ...none, rule: { signedBy: undefined, nOutOf: { n: 1, rules: [] } } }, 'A.peer.x')).toBe(false)
    expect(isSatisfied({ ...none, rule: { signedBy: undefined, nOutOf: { n: -1, rules: [] } } })).toBe(true)
  })

  it('has no place for a principal that cannot be read, and works without it', () => {
    const policy = parsePolicy("OR('A.peer', 'B.peer')")
    const broken = [{ principalClassification: 77, principal: new Uint8Array() }, ...policy.identities.slice(1)]
    expect(isSatisfied({ ...policy, identities: broken }, 'A.peer.x')).toBe(false)
    expect(isSatisfied({ ...policy, identities: broken }, 'B.peer.x')).toBe(true)
  })
})

describe('readSignaturePolicy', () => {
  const bytesOf = (rule: SignaturePolicyRule | undefined, version = 0) =>
    SignaturePolicyEnvelope.encode({ version, rule, identities: [{ principalClassification: 0, principal: new Uint8Array() }] })
  const signedBy = (index: number): SignaturePolicyRule => ({ signedBy: index, nOutOf: undefined })

  it.each([
    ['without a rule', bytesOf(undefined)],
    ['with an empty rule', bytesOf({ signedBy: undefined, nOutOf: { n: 0, rules: [{ signedBy: undefined, nOutOf: undefined }] } })],
    ['with an index out of range', bytesOf(signedBy(1))],
    ['with a negative index', bytesOf(signedBy(-1))],
    ['of another version', bytesOf(signedBy(0), 1)],
    ['larger than the bound', new Uint8Array(SIGNATURE_POLICY_BYTES_MAX + 1)],
  ])('refuses one %s', (_, bytes) => {
    expect(readSignaturePolicy(bytes)).toMatchObject({ fault: 'fabric-msp/bad-signature-policy' })
  })

  it('refuses rules nested deeper than the bound, and takes those at it', () => {
    let rule = signedBy(0)
    for (let depth = 0; depth < SIGNATURE_POLICY_DEPTH_MAX; depth++) rule = { signedBy: undefined, nOutOf: { n: 1, rules: [rule] } }
    expect(isFault(readSignaturePolicy(bytesOf(rule)))).toBe(false)
    expect(readSignaturePolicy(bytesOf({ signedBy: undefined, nOutOf: { n: 1, rules: [rule] } }))).toMatchObject({
      detail: expect.stringContaining('too deep'),
    })
  })
})
