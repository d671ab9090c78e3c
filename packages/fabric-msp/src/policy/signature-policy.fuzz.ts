import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { identityOf } from '../../test/identities.ts'
import { readApplicationPolicy } from './application-policy.ts'
import { parsePolicy, printPolicy } from './policy-language.ts'
import { readPolicyTree } from './policy-tree.ts'
import { compileSignaturePolicy, decodeSignaturePolicy, readSignaturePolicy } from './signature-policy.ts'

const ORGS = ['A', 'B']
const ROLES = ['member', 'admin', 'peer']

type Tree = string | { readonly n: number; readonly rules: readonly Tree[] }

const leaf = fc.tuple(fc.constantFrom(...ORGS), fc.constantFrom(...ROLES)).map(([org, role]) => `${org}.${role}`)
const gate = fc.letrec<{ gate: Tree; rule: Tree }>((tie) => ({
  rule: fc.oneof({ maxDepth: 3 }, leaf, tie('gate')),
  gate: fc
    .array(tie('rule'), { minLength: 1, maxLength: 4 })
    .chain((rules) => fc.integer({ min: 0, max: rules.length + 1 }).map((n) => ({ n, rules }))),
})).gate

const names = fc.uniqueArray(
  fc.tuple(fc.constantFrom(...ORGS), fc.constantFrom('admin', 'peer', 'client'), fc.constantFrom('x', 'y')).map((parts) => parts.join('.')),
  { maxLength: 6 },
)

const written = (tree: Tree): string =>
  typeof tree === 'string' ? `'${tree}'` : `OutOf(${[tree.n, ...tree.rules.map(written)].join(', ')})`

/** The rule text as a function without state: who is left when a rule is satisfied by those that are there, undefined if it is not. */
function left(tree: Tree, present: readonly string[]): readonly string[] | undefined {
  if (typeof tree === 'string') {
    const [org, role] = tree.split('.')
    const first = present.find((name) => name.startsWith(`${org}.`) && (role === 'member' || name.split('.')[1] === role))
    return first === undefined ? undefined : present.filter((name) => name !== first)
  }
  const results = tree.rules.reduce<{ count: number; rest: readonly string[] }>(
    ({ count, rest }, rule) => {
      const after = left(rule, rest)
      return after === undefined ? { count, rest } : { count: count + 1, rest: after }
    },
    { count: 0, rest: present },
  )
  return results.count >= tree.n ? results.rest : undefined
}

describe('a signature policy', () => {
  it('says what the rule’s text says', () => {
    fc.assert(
      fc.property(gate, names, (tree, present) => {
        const policy = compileSignaturePolicy(parsePolicy(written(tree)))
        if (isFault(policy)) throw new Error(policy.detail)
        expect(policy.evaluate(present.map(identityOf)) === undefined).toBe(left(tree, present) !== undefined)
      }),
      { numRuns: 1000 },
    )
  })

  it('is printed and read back to the same envelope', () => {
    fc.assert(
      fc.property(gate, (tree) => {
        const envelope = parsePolicy(written(tree))
        const printed = printPolicy(envelope)
        expect(isFault(printed) ? printed : parsePolicy(printed)).toEqual(envelope)
      }),
    )
  })
})

describe('reading a policy', () => {
  it('makes a policy or a fault of any bytes', () => {
    const empty = { version: 0n, groups: new Map(), values: new Map(), policies: new Map(), modPolicy: '' }
    const channel = readPolicyTree('Channel', empty)
    if (isFault(channel)) throw new Error(channel.detail)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        for (const policy of [readSignaturePolicy(bytes), readApplicationPolicy(bytes, channel)]) {
          if (!isFault(policy)) policy.evaluate([identityOf('A.peer.x')])
        }
        const envelope = decodeSignaturePolicy(bytes)
        if (!isFault(envelope)) printPolicy(envelope)
      }),
      { numRuns: 1000 },
    )
  })

  it('reads any text, or says where it is wrong', () => {
    const text = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom('AND', '(', ')', ',', "'A.peer'", 'OutOf', '1', ' ', "'"), { maxLength: 12 }),
    )
    fc.assert(
      fc.property(text, (parts) => {
        try {
          parsePolicy(typeof parts === 'string' ? parts : parts.join(''))
        } catch (error) {
          expect(error).toMatchObject({ code: 'fabric-msp/bad-policy-text', context: { position: expect.any(Number) } })
        }
      }),
      { numRuns: 1000 },
    )
  })
})
