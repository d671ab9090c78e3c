import { MspRoleMessage } from '@kumiko/fabric-protocol'
import { describe, expect, it } from 'vitest'
import { parsePolicy, printPolicy } from './policy-language.ts'

const principal = (mspIdentifier: string, role: number) => ({
  principalClassification: 0,
  principal: MspRoleMessage.encode({ mspIdentifier, role }),
})

function problem(text: string): string {
  try {
    parsePolicy(text)
  } catch (error) {
    return String(error).replace('KumikoError: ', '')
  }
  return 'none'
}

describe('parsePolicy', () => {
  it('reads gates, in any of their spellings', () => {
    expect(parsePolicy("OR('Org1MSP.admin', 'Org1MSP.peer')")).toEqual({
      version: 0,
      identities: [principal('Org1MSP', 1), principal('Org1MSP', 3)],
      rule: {
        signedBy: undefined,
        nOutOf: {
          n: 1,
          rules: [
            { signedBy: 0, nOutOf: undefined },
            { signedBy: 1, nOutOf: undefined },
          ],
        },
      },
    })
    for (const text of [
      "And( 'A.member',\n'B.client')",
      `and("A.member","B.client")`,
      "outof(2,'A.member','B.client')",
      "OutOf('2', 'A.member', 'B.client')",
    ]) {
      expect(parsePolicy(text)).toEqual(parsePolicy("AND('A.member', 'B.client')"))
    }
  })

  it('numbers principals as Fabric does: inner gates first, each mention anew', () => {
    const { identities, rule } = parsePolicy("AND('A.member', OR('B.member', 'A.member'), 'C.orderer')")
    expect(identities).toEqual([principal('B', 0), principal('A', 0), principal('A', 0), principal('C', 4)])
    expect(rule?.nOutOf?.rules.map(({ signedBy, nOutOf }) => signedBy ?? nOutOf?.rules.map((inner) => inner.signedBy))).toEqual([
      2,
      [0, 1],
      3,
    ])
  })

  it.each([
    [
      "AND('A.member', 'A.boss')",
      "policy has 'A.boss' for a principal: write 'MspId.role' with member, admin, client, peer or orderer (at 16, near 'A.boss'))",
    ],
    ["'A.member'", "policy needs a gate here: write AND(…), OR(…) or OutOf(n, …) (at 0, near 'A.member')"],
    ["XOR('A.member')", "policy needs a gate here: write AND(…), OR(…) or OutOf(n, …) (at 0, near XOR('A.member'))"],
    ["OutOf(3, 'A.member')", "policy asks for 3 of 1: ask for at most 1 (at 6, near 3, 'A.member'))"],
    ["OutOf('A.member')", "policy needs a whole number here: how many of the others must sign (at 6, near 'A.member'))"],
    ["OR('A.member'", "policy lacks ')': write ',' and more, or ')' (at 13, the end)"],
    ["OR('A.member') OR", 'policy goes on after its end: put one gate around all (at 15, near OR)'],
    ["OR('A.member)", "policy does not end its quotes: close them (at 3, near 'A.member))"],
    ['AND()', 'policy needs a gate here: write AND(…), OR(…) or OutOf(n, …) (at 4, near ))'],
  ])('says what is wrong with %s', (text, message) => {
    expect(problem(text)).toBe(message)
  })

  it('bounds depth and length', () => {
    expect(problem(`${'OR('.repeat(200)}'A.member'${')'.repeat(200)}`)).toContain('nests more than 100 gates: flatten it')
    expect(problem(' '.repeat(70_000))).toContain('has 70000 characters')
  })
})

describe('printPolicy', () => {
  it('writes gates by their names', () => {
    const text = "AND(OR('A.member', 'B.client'), OutOf(2, 'A.peer', 'B.peer', 'C.peer'))"
    expect(printPolicy(parsePolicy(text))).toBe(text)
  })

  it('puts a gate around a lone principal', () => {
    expect(printPolicy({ ...parsePolicy("OR('A.peer')"), rule: { signedBy: 0, nOutOf: undefined } })).toBe("OR('A.peer')")
  })

  it('has no words for other principals', () => {
    const policy = parsePolicy("OR('A.peer')")
    const identities = [{ principalClassification: 2, principal: new Uint8Array() }]
    expect(printPolicy({ ...policy, identities })).toMatchObject({ fault: 'fabric-msp/unprintable-policy' })
  })
})
