import {
  ApplicationPolicyMessage,
  type ConfigGroup,
  ImplicitMetaMessage,
  POLICY_TYPE,
  type PolicyMessage,
  RULE_NAMES,
  SignaturePolicyEnvelope,
} from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { identityOf } from '../../test/identities.ts'
import { readApplicationPolicy } from './application-policy.ts'
import { parsePolicy } from './policy-language.ts'
import { type PolicyTree, readPolicyTree } from './policy-tree.ts'

const signature = (text: string): PolicyMessage => ({
  type: POLICY_TYPE.signature,
  value: SignaturePolicyEnvelope.encode(parsePolicy(text)),
})
const implicit = (rule: string, subPolicy: string): PolicyMessage => ({
  type: POLICY_TYPE.implicitMeta,
  value: ImplicitMetaMessage.encode({ rule: rule === '?' ? 9 : RULE_NAMES.indexOf(rule), subPolicy }),
})
function group(policies: Record<string, PolicyMessage | undefined>, groups: Record<string, ConfigGroup> = {}): ConfigGroup {
  const configured = Object.entries(policies).map(([name, policy]) => [name, { version: 0n, policy, modPolicy: 'Admins' }] as const)
  return { version: 0n, groups: new Map(Object.entries(groups)), values: new Map(), policies: new Map(configured), modPolicy: 'Admins' }
}
function treeOf(root: ConfigGroup): PolicyTree {
  const tree = readPolicyTree('Channel', root)
  if (isFault(tree)) throw new Error(tree.detail)
  return tree
}
function isSatisfied(tree: PolicyTree, name: string, ...names: string[]): boolean {
  return tree.policyOrReject(name).evaluate(names.map(identityOf)) === undefined
}

const orgs = (count: number, policies = (org: string) => ({ Admins: signature(`OR('${org}.admin')`) })) =>
  Object.fromEntries(['A', 'B', 'C', 'D'].slice(0, count).map((org) => [org, group(policies(org))]))

describe('an implicit-meta policy', () => {
  it.each([
    ['ANY', 4, 1],
    ['ALL', 4, 4],
    ['MAJORITY', 4, 3],
    ['MAJORITY', 3, 2],
    ['MAJORITY', 1, 1],
    ['ANY', 0, 0],
    ['ALL', 0, 0],
    ['MAJORITY', 0, 0],
  ])('%s of %i asks for %i', (rule, count, needed) => {
    const tree = treeOf(group({ Admins: implicit(rule, 'Admins') }, orgs(count)))
    const admins = ['A', 'B', 'C', 'D'].map((org) => `${org}.admin.x`)
    expect(isSatisfied(tree, 'Admins', ...admins.slice(0, needed))).toBe(true)
    if (needed > 0) expect(isSatisfied(tree, 'Admins', ...admins.slice(0, needed - 1))).toBe(false)
  })

  it('counts a group without the policy as one that rejects', () => {
    const tree = treeOf(group({ Admins: implicit('ALL', 'Admins') }, { ...orgs(1), B: group({}) }))
    expect(isSatisfied(tree, 'Admins', 'A.admin.x', 'B.admin.x')).toBe(false)
  })

  it('gives each sub-policy the whole set', () => {
    const same = () => ({ Admins: signature("OR('A.admin')") })
    expect(isSatisfied(treeOf(group({ Admins: implicit('ALL', 'Admins') }, orgs(3, same))), 'Admins', 'A.admin.x')).toBe(true)
  })

  it('with a rule that nobody knows is satisfied as long as no sub-policy is, as in Fabric', () => {
    const tree = treeOf(group({ Admins: implicit('?', 'Admins') }, orgs(2)))
    expect(isSatisfied(tree, 'Admins')).toBe(true)
    expect(isSatisfied(tree, 'Admins', 'A.admin.x')).toBe(false)
  })
})

describe('a policy tree', () => {
  const tree = treeOf(
    group(
      { Admins: implicit('ANY', 'Admins') },
      { Application: group({ Admins: implicit('MAJORITY', 'Admins'), Own: signature("OR('B.peer')") }, orgs(2)) },
    ),
  )

  it.each([
    ['/Channel/Application/Own', true],
    ['Application/Own', true],
    ['/Channel/Application/B/Admins', true],
    ['/Channel/Application/Nothing', false],
    ['/Channel/Nothing/Own', false],
    ['/Elsewhere/Application/Own', false],
    ['/Channel', false],
    ['/Channel/Application//Own', false],
    ['Own', false],
    ['', false],
    // As in Fabric, which skips one letter after the path without looking.
    ['/Channel-Application/Own', true],
  ])('has %s: %s', (name, isThere) => {
    expect(tree.policy(name) !== undefined).toBe(isThere)
    if (!isThere) expect(isSatisfied(tree, name, 'A.admin.x', 'B.peer.x')).toBe(false)
  })

  it('finds absolute names from below only under the path', () => {
    const application = tree.group(['Application'])
    expect(application?.path).toBe('Channel/Application')
    expect(application?.policy('/Channel/Application/Own')).toBe(tree.policy('Application/Own'))
    expect(application?.policy('/Channel/Admins')).toBeUndefined()
    expect(application?.policy('Own')).toBe(tree.policy('Application/Own'))
    expect(tree.group(['Nothing'])).toBeUndefined()
  })

  it('goes down through implicit policies', () => {
    expect(isSatisfied(tree, '/Channel/Admins', 'A.admin.x', 'B.admin.x')).toBe(true)
    expect(isSatisfied(tree, '/Channel/Admins', 'A.admin.x')).toBe(false)
  })

  it.each([
    ['is missing', undefined],
    ['is of type MSP', { type: POLICY_TYPE.msp, value: new Uint8Array() }],
    ['does not compile', { type: POLICY_TYPE.signature, value: new Uint8Array() }],
    ['is malformed', { type: POLICY_TYPE.implicitMeta, value: Uint8Array.of(0xff) }],
  ])('is not made where a policy %s', (_, policy) => {
    expect(readPolicyTree('Channel', group({}, { Orderer: group({ Writers: policy }) }))).toMatchObject({
      fault: expect.stringMatching(/^fabric-(msp|protocol)\//),
      detail: expect.stringContaining('/Channel/Orderer/Writers: '),
    })
  })
})

describe('an application policy', () => {
  const tree = treeOf(group({ Endorsement: signature("OR('A.peer')") }))
  const read = (message: ApplicationPolicyMessage) => readApplicationPolicy(ApplicationPolicyMessage.encode(message), tree)

  it('is a signature policy of any version, or one of the channel', () => {
    const own = read({ signaturePolicy: { ...parsePolicy("OR('B.peer')"), version: 1 }, channelConfigPolicyReference: undefined })
    expect(isFault(own) ? own : own.evaluate([identityOf('B.peer.x')])).toBeUndefined()
    expect(read({ signaturePolicy: undefined, channelConfigPolicyReference: '/Channel/Endorsement' })).toBe(tree.policy('Endorsement'))
  })

  it('is refused where it is empty or names what is not there', () => {
    expect(read({ signaturePolicy: undefined, channelConfigPolicyReference: undefined })).toMatchObject({
      fault: 'fabric-msp/bad-application-policy',
    })
    expect(read({ signaturePolicy: undefined, channelConfigPolicyReference: '/Channel/No' })).toEqual({
      fault: 'fabric-msp/bad-application-policy',
      detail: "the channel has no policy '/Channel/No'",
    })
  })
})
