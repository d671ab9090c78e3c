import { encodeRlp } from '@kumiko/identity'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { applyChange, decodeNodeEntry, encodeNodeEntry, factsOf, joinChanges, nodeOf } from './node-entry.ts'
import { seal, unseal } from './seal.ts'

const fact = fc.option(fc.nat({ max: 2 ** 48 - 1 }), { nil: undefined })
const bytes = fc.uint8Array({ maxLength: 80 })
const { rlp } = fc.letrec<{ rlp: Uint8Array | unknown[] }>((tie) => ({
  rlp: fc.oneof({ maxDepth: 3 }, bytes, fc.array(tie('rlp'), { maxLength: 7 })),
}))

describe('the entry of a node', () => {
  it('is a value or undefined, whatever the bytes are', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          bytes,
          rlp.map((item) => encodeRlp(item as Uint8Array)),
        ),
        (input) => {
          const entry = decodeNodeEntry(input)
          if (entry !== undefined) nodeOf(entry)
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('decodes to what was encoded', () => {
    const facts = fc.record({ lastPing: fact, lastPong: fact, findFailures: fact }).map((all) => factsOf(all as object))
    const entry = fc.record({ since: fc.nat({ max: 2 ** 48 - 1 }), seq: fc.bigInt(0n, 2n ** 64n - 1n), record: bytes })
    fc.assert(
      fc.property(facts, entry, (known, rest) => {
        const whole = { ...rest, ...known }
        expect(decodeNodeEntry(encodeNodeEntry(whole))).toEqual(whole)
      }),
    )
  })

  it('comes out the same, whether changes are joined before they are written or not', () => {
    const change = fc.record({
      seq: fc.bigInt(0n, 3n),
      facts: fc.record({ lastPing: fc.nat(), lastPong: fc.nat() }, { requiredKeys: [] }),
      at: fc.nat(),
    })
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (list) => {
        const changes = list.map(({ seq, facts, at }) => ({ node: nodeWith(seq), facts, at }))
        const oneByOne = changes.reduce<ReturnType<typeof applyChange> | undefined>((entry, each) => applyChange(entry, each), undefined)
        const joined = changes.reduce<ReturnType<typeof joinChanges> | undefined>((all, each) => joinChanges(all, each), undefined)
        expect(joined === undefined ? undefined : applyChange(undefined, joined)).toEqual(oneByOne)
      }),
    )
  })
})

describe('a seal', () => {
  it('comes off as it was put on, and shows any bit that was turned, in the key too', () => {
    fc.assert(
      fc.property(bytes, bytes, fc.nat(), (key, value, at) => {
        const sealed = seal(key, value)
        expect(unseal(key, sealed)).toEqual(value)
        const turned = Uint8Array.from([...key, ...sealed])
        const bit = at % (turned.length * 8)
        turned[bit >> 3] = (turned[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        expect(unseal(turned.subarray(0, key.length), turned.subarray(key.length))).toBeUndefined()
      }),
    )
  })

  it('is not found on what is too short', () => {
    for (const length of [0, 1, 3]) expect(unseal(new Uint8Array(), new Uint8Array(length))).toBeUndefined()
  })
})

function nodeWith(seq: bigint) {
  const host = `10.0.0.${seq}`
  return {
    nodeId: '',
    publicKey: new Uint8Array(33),
    seq,
    endpoints: [{ host }],
    addresses: [],
    entry: () => undefined,
    get peerId(): never {
      throw new Error('not asked for')
    },
  }
}
