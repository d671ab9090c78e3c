import { ValidationCode } from '@kumiko/fabric-protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CheckedTransaction } from './check-transaction.ts'
import { packChecked, unpackChecked } from './checked-batch.ts'
import { joinItems, viewsOf } from './worker-message.ts'

const SIZE = 64
const place = fc.tuple(fc.nat(SIZE), fc.nat(SIZE)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)
const code = fc.constantFrom(...Object.values(ValidationCode).filter((each) => each !== ValidationCode.valid))

/** A transaction's bytes, and what was made of it, with views of them. */
const transaction = fc
  .record({
    item: fc.uint8Array({ minLength: SIZE, maxLength: SIZE }),
    kind: fc.constantFrom('refused', 'config', 'endorsed'),
    code,
    faultBeforeSet: fc.option(code, { nil: undefined }),
    faultAfterSet: fc.option(code, { nil: undefined }),
    texts: fc.tuple(fc.string(), fc.string()),
    data: place,
    endorsers: fc.array(fc.tuple(place, fc.boolean()), { maxLength: 4 }),
  })
  .map(({ item, kind, code, data, texts: [txId, chaincode], endorsers, ...faults }): readonly [Uint8Array, CheckedTransaction] => {
    if (kind === 'refused') return [item, { kind: 'refused', code }]
    if (kind === 'config') return [item, { kind: 'config', data: item.subarray(...data) }]
    const endorsements = endorsers.map(([at, isVerified]) => ({ endorser: item.subarray(...at), isVerified }))
    return [item, { kind: 'endorsed', txId, chaincode, ...faults, results: item.subarray(...data), endorsements }]
  })

describe('a batch', () => {
  it('comes out of another thread as it went in', () => {
    fc.assert(
      fc.property(fc.array(transaction), (transactions) => {
        const items = transactions.map(([item]) => item)
        const checked = transactions.map(([, made]) => made)
        const { lengths, bytes } = joinItems(items)
        const there = viewsOf(bytes, lengths)
        expect(there.map((view) => [...view])).toEqual(items.map((item) => [...item]))
        const back = unpackChecked(items, structuredClone(packChecked(items, checked)))
        expect(back).toEqual(checked)
      }),
    )
  })
})
