import { parsePolicy } from '@kumiko/fabric-msp'
import type { SignaturePolicyEnvelope, SignaturePolicyRule } from '@kumiko/fabric-protocol'
import { cpuTimed, must, seeded } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import { mergeSets, type PrincipalSet, principalSets } from './principal-sets.ts'
import { Principals } from './principals.ts'

const anybody = { isPresent: () => true, random: seeded(1).random }

/** Sets of several policies, by the principals' names: `1p` for Org1MSP.peer. */
function named(policies: readonly string[], isPresent: (name: string) => boolean = () => true): string[] {
  const principals = new Principals()
  const nameOf = (number: number) => {
    const principal = principals.principal(number)
    return principal?.kind === 'role' ? `${principal.mspId.replace(/\D/g, '')}${principal.role[0]}` : '?'
  }
  const options = { ...anybody, principals, isPresent: (number: number) => isPresent(nameOf(number)) }
  const [first = [], ...others] = policies.map((policy) => principalSets(must(parsePolicy(policy)), options))
  const merged = others.reduce((sets, other) => mergeSets(sets, other, principals), first)
  return merged.map((set) => set.map(nameOf).sort().join(' ')).sort()
}

const peers = (n: number, of: number) => `OutOf(${n}, ${Array.from({ length: of }, (_, index) => `'Org${index + 1}MSP.peer'`).join(', ')})`

/** `common/policies/inquire/inquire_test.go`, `merge_test.go` */
describe('ways to satisfy a policy', () => {
  it('are the choices of its parts', () => {
    expect(named([peers(2, 3)])).toEqual(['1p 2p', '1p 3p', '2p 3p'])
    expect(named(["AND('Org1MSP.peer', OR('Org2MSP.peer', 'Org3MSP.peer'))"])).toEqual(['1p 2p', '1p 3p'])
    expect(named(["OutOf(2, 'Org1MSP.peer', 'Org1MSP.peer', 'Org2MSP.admin')"])).toEqual(['1p 1p', '1p 2a'])
    expect(named(["OutOf(3, 'Org1MSP.peer', 'Org2MSP.peer')"])).toEqual([])
    expect(named(["OutOf(1, OutOf(0, 'Org2MSP.peer'), 'Org1MSP.peer')"])).toEqual(['1p'])
  })

  it('are only those that somebody is there for', () => {
    expect(named([peers(2, 3)], (name) => name !== '2p')).toEqual(['1p 3p'])
    expect(named([peers(3, 3)], (name) => name !== '2p')).toEqual([])
  })

  it('are none where the policy is broken', () => {
    const principals = new Principals()
    const envelope = must(parsePolicy("OR('Org1MSP.peer')"))
    const sets = (rule: SignaturePolicyRule | undefined) => principalSets({ ...envelope, rule }, { ...anybody, principals })
    expect(sets(undefined)).toEqual([])
    expect(sets({ signedBy: 7, nOutOf: undefined })).toEqual([])
    expect(sets({ signedBy: -1, nOutOf: undefined })).toEqual([])
    expect(sets({ signedBy: undefined, nOutOf: undefined })).toEqual([])
    expect(sets({ signedBy: undefined, nOutOf: { n: -1, rules: [] } })).toEqual([])
    expect(sets({ signedBy: 0, nOutOf: undefined })).toEqual([[0]])
  })
})

describe('ways to satisfy several policies at once', () => {
  it('need each signature once, and none that another stands for', () => {
    expect(named(["AND('Org1MSP.peer', 'Org2MSP.peer')", "OR('Org1MSP.member')"])).toEqual(['1p 2p'])
    expect(named(["OR('Org1MSP.member')", "OR('Org1MSP.peer')"])).toEqual(['1p'])
    expect(named(["AND('Org1MSP.member', 'Org2MSP.peer')", "AND('Org1MSP.peer', 'Org2MSP.member')"])).toEqual(['1p 2p'])
    expect(named(["OR('Org1MSP.admin')", "OR('Org1MSP.peer')"])).toEqual(['1a 1p'])
    expect(named(["OutOf(2, 'Org1MSP.peer', 'Org1MSP.peer')", "OR('Org1MSP.member')"])).toEqual(['1p 1p'])
  })

  it('are all choices, without those that have more than another', () => {
    expect(named(["OR('Org1MSP.peer', 'Org2MSP.peer')", "OR('Org2MSP.peer', 'Org3MSP.peer')"])).toEqual(['1p 3p', '2p'])
    expect(named(["OR('Org1MSP.peer')", "OR(AND('Org1MSP.peer', 'Org2MSP.peer'), 'Org3MSP.peer')"])).toEqual(['1p 2p', '1p 3p'])
  })

  it('are none where one of them has none', () => {
    expect(named(["OR('Org1MSP.peer')", "OutOf(2, 'Org1MSP.peer')"])).toEqual([])
  })
})

describe('policies with more ways than anybody could look at', () => {
  const timed = <T>(run: () => T): T => {
    const { result, cpuMs } = cpuTimed(run)
    expect(cpuMs).toBeLessThan(3000)
    return result
  }

  it('are cut, and what is left satisfies them', () => {
    const principals = new Principals()
    const envelope = must(parsePolicy(peers(20, 40)))
    const sets = timed(() => principalSets(envelope, { ...anybody, principals }))
    expect(sets.length).toBeGreaterThan(0)
    expect(sets.length).toBeLessThanOrEqual(10_000)
    for (const set of sets) expect(new Set(set).size).toBe(20)
  })

  it('are bounded where many are nested or merged', () => {
    const envelope = must(parsePolicy(peers(5, 10)))
    const inner = must(envelope.rule)
    const nested = (depth: number): SignaturePolicyRule =>
      depth === 0 ? inner : { signedBy: undefined, nOutOf: { n: 5, rules: Array.from({ length: 5 }, () => nested(depth - 1)) } }
    const principals = new Principals()
    const sets = (rule: SignaturePolicyRule): readonly PrincipalSet[] => principalSets({ ...envelope, rule }, { ...anybody, principals })
    expect(timed(() => sets(nested(3))).length).toBeLessThanOrEqual(10_000)
    let deep = inner
    for (let depth = 0; depth < 2000; depth++) deep = { signedBy: undefined, nOutOf: { n: 1, rules: [deep] } }
    expect(timed(() => sets(deep))).toEqual([])
    const some = sets(inner)
    const merged = timed(() => Array.from({ length: 20 }).reduce<readonly PrincipalSet[]>((one) => mergeSets(one, some, principals), some))
    expect(merged.length).toBeGreaterThan(0)
    expect(merged.length).toBeLessThanOrEqual(500)
  })

  it('are bounded where they have very many parts', () => {
    const envelope: SignaturePolicyEnvelope = must(parsePolicy("OR('Org1MSP.peer')"))
    const rules = Array.from({ length: 200_000 }, () => ({ signedBy: 0, nOutOf: undefined }))
    const sets = timed(() =>
      principalSets({ ...envelope, rule: { signedBy: undefined, nOutOf: { n: 3, rules } } }, { ...anybody, principals: new Principals() }),
    )
    expect(sets).toEqual([[0, 0, 0]])
  })
})
