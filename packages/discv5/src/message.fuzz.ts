import { encodeRlp, type RlpInput } from '@kumiko/identity'
import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decodeMessage, encodeMessage } from './message.ts'

const numRuns = 2000

it('any bytes are a message or a fault', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 9 }), fc.uint8Array({ maxLength: 300 }), (type, rest) => {
      const message = decodeMessage(Uint8Array.of(type, ...rest))
      if (isFault(message)) expect(message.fault).toMatch(/^discv5\/(bad|unknown)-message$/)
    }),
    { numRuns },
  )
})

it('any fields are a message, which is read again as the same, or a fault', () => {
  const { item } = fc.letrec<{ item: RlpInput }>((tie) => ({
    item: fc.oneof({ depthSize: 'small' }, fc.uint8Array({ maxLength: 20 }), fc.nat(300), fc.array(tie('item'), { maxLength: 4 })),
  }))
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.uint8Array({ maxLength: 9 }),
      fc.array(item, { maxLength: 4 }),
      (type, requestId, fields) => {
        const message = decodeMessage(Uint8Array.of(type, ...encodeRlp([requestId, ...fields])))
        if (isFault(message)) return
        expect(requestId.length).toBeLessThanOrEqual(8)
        expect(decodeMessage(encodeMessage(message))).toEqual(message)
      },
    ),
    { numRuns },
  )
})
