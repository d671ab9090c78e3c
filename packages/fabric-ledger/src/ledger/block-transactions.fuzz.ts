import { toHex, ValidationCode } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { peerBlocks } from '../../test/golden.ts'
import { blockTransactions, readTransactionSet } from './block-transactions.ts'

const items = peerBlocks.flatMap(({ data }) => data)
const mutated = fc
  .record({
    at: fc.nat(items.length - 1),
    place: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    to: fc.nat(255),
    isCut: fc.boolean(),
  })
  .map(({ at, place, to, isCut }) => {
    const item = items[at] ?? new Uint8Array()
    const offset = Math.floor(place * item.length)
    return isCut ? item.subarray(0, offset) : item.with(offset, to)
  })

it('any bytes have a set, none, or a fault, and hold for themselves', () => {
  const kinds = new Set<string>()
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), mutated), (item) => {
      const before = toHex(item)
      const set = readTransactionSet(item)
      kinds.add(set === undefined ? 'none' : isFault(set) ? 'fault' : 'set')
      expect(toHex(item)).toBe(before)
      const block = { header: { number: 7n, previousHash: item, dataHash: item }, data: [item, item], metadata: [] }
      const { mvccReadConflict, valid } = ValidationCode
      expect(blockTransactions(block, Uint8Array.of(mvccReadConflict, valid))).toEqual(
        isFault(set)
          ? expect.objectContaining({ fault: 'fabric-ledger/unreadable-transaction' })
          : [
              { code: mvccReadConflict, set: undefined },
              { code: valid, set },
            ],
      )
    }),
    { seed: 20_261_121, numRuns: 1500 },
  )
  expect(kinds).toEqual(new Set(['none', 'fault', 'set']))
})
