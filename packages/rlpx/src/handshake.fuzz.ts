import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { testNode } from '../test/node.ts'
import { Initiator, Recipient } from './handshake.ts'

const [a, b] = [testNode(1), testNode(2)]
const { auth } = new Initiator(a, b.publicKey)

/** Bytes that begin as a message of either form does, more often than chance would have it. */
const start = fc.constantFrom([], [4], [0, 113], [0, 200], [1, 20], [4, 4], [8, 0])
const junk = fc.tuple(start, fc.uint8Array({ maxLength: 700 })).map(([head, rest]) => Uint8Array.of(...head, ...rest))

test('any bytes are awaited more of, or refused, by either side; in any chunks alike', () => {
  fc.assert(
    fc.property(junk, fc.integer({ min: 1, max: 300 }), (bytes, chunkSize) => {
      for (const make of [() => new Recipient(b), () => new Initiator(a, b.publicKey)]) {
        const whole = make().receive(bytes)
        if (whole !== undefined) expect(isFault(whole)).toBe(true)
        const side = make()
        let parts: ReturnType<typeof side.receive>
        for (let at = 0; at < bytes.length && parts === undefined; at += chunkSize) parts = side.receive(bytes.slice(at, at + chunkSize))
        expect(parts).toEqual(whole)
      }
    }),
    { numRuns: 200 },
  )
})

test('an auth with any byte changed is refused', () => {
  fc.assert(
    fc.property(fc.nat(auth.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const changed = Uint8Array.from(auth)
      changed[at]! ^= change
      const recipient = new Recipient(b)
      const result = recipient.receive(changed) ?? recipient.receive(new Uint8Array(2048))
      expect(['rlpx/bad-auth', 'rlpx/handshake-too-large']).toContain(isFault(result) ? result.fault : result)
    }),
    { numRuns: 150 },
  )
})

test('an ack with any byte changed is refused', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (where, change) => {
      const initiator = new Initiator(a, b.publicKey)
      const answered = new Recipient(b).receive(initiator.auth)
      const ack = Uint8Array.from((answered !== undefined && !isFault(answered) && answered.reply) || [])
      ack[where % ack.length]! ^= change
      const result = initiator.receive(ack) ?? initiator.receive(new Uint8Array(2048))
      expect(['rlpx/bad-ack', 'rlpx/handshake-too-large']).toContain(isFault(result) ? result.fault : result)
    }),
    { numRuns: 60 },
  )
})
