import { Envelope, Payload } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { goldenPeerBlock } from '../../test/golden.ts'
import { eventsOf } from '../legacy/events-of-block.ts'
import { SeekInfo } from '../seek.ts'
import { filterBlock } from './filtered-block.ts'
import { seekRange } from './seek-range.ts'
import { readSeekRequest } from './seek-request.ts'

const parameters = { seed: 22, numRuns: 300 }
const rules = { now: 0, timeWindowMs: 1000, binding: null }

describe('hostile seeks', () => {
  it('are read or refused, never thrown at', () => {
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc
        .uint8Array({ maxLength: 60 })
        .map((channelHeader) => Payload.encode({ header: { channelHeader, signatureHeader: new Uint8Array() } })),
    )
    fc.assert(
      fc.property(payload, fc.uint8Array({ maxLength: 80 }), (payload, signature) => {
        const request = readSeekRequest({ payload, signature }, rules)
        expect(isFault(request) || request.signed.message === payload).toBe(true)
      }),
      parameters,
    )
  })

  it('have a range within the chain, or none', () => {
    const position = fc
      .constantFrom('oldest', 'newest', 'nextCommit', 'specified', 'none')
      .chain((kind) =>
        fc.bigInt({ min: 0n, max: 30n }).map((number) => (kind === 'none' ? {} : { [kind]: kind === 'specified' ? { number } : {} })),
      )
    fc.assert(
      fc.property(
        position,
        position,
        fc.bigInt({ min: 5n, max: 20n }),
        fc.bigInt({ min: 0n, max: 5n }),
        (start, stop, height, firstBlock) => {
          const info = SeekInfo.create({ start: whole(start), stop: whole(stop) })
          const range = seekRange(info, { height, firstBlock })
          if (typeof range === 'string') return
          expect(range.first).toBeGreaterThanOrEqual(firstBlock)
          expect(range.first).toBeLessThanOrEqual(height)
          if ('specified' in stop) expect(range.last).toBeGreaterThanOrEqual(range.first)
        },
      ),
      parameters,
    )
  })
})

function whole(position: object) {
  return { newest: undefined, oldest: undefined, specified: undefined, nextCommit: undefined, ...position }
}

describe('hostile transactions', () => {
  it('are filtered or skipped, and told of in no event that they are not', () => {
    const good = goldenPeerBlock(10)
    const original = good.data[0] ?? new Uint8Array()
    const broken = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.tuple(fc.nat(original.length - 1), fc.nat(255)).map(([at, value]) => original.with(at, value)),
      fc.uint8Array({ maxLength: 40 }).map((data) => Envelope.encode({ payload: Payload.encode({ data }) })),
    )
    fc.assert(
      fc.property(fc.array(broken, { maxLength: 4 }), (data) => {
        const filtered = filterBlock({ ...good, data })
        if (!isFault(filtered)) expect(filtered.transactions.length).toBeLessThanOrEqual(data.length)
        const interests = [1, 2, 3, 4].map((eventType) => ({
          eventType,
          chaincode: { chaincodeId: 'golden', eventName: '' },
          channelId: '',
        }))
        for (const { filteredBlock } of eventsOf({ ...good, data }, interests))
          expect(filteredBlock?.transactions.length ?? 0).toBeLessThanOrEqual(4)
      }),
      parameters,
    )
  })
})
