import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeToken, Initiator, MULTISTREAM, type Negotiator, Responder, type Step } from './negotiation.ts'

const protocols = ['/a/1.0.0', '/b/1.0.0', '/c']
const token = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(MULTISTREAM, 'na', 'ls', ...protocols).map(encodeToken) },
  { weight: 1, arbitrary: fc.string({ maxLength: 40 }).map(encodeToken) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }) },
)
const input = fc.array(token, { maxLength: 12 }).map((parts) => new Uint8Array(Buffer.concat([encodeToken(MULTISTREAM), ...parts])))
const makers: readonly (() => Negotiator)[] = [() => new Initiator(protocols), () => new Responder(protocols)]

/** What was sent in all, and how it ended; what is left over from `bytes` belongs to the protocol. */
function run(negotiator: Negotiator, bytes: Uint8Array, sizes: readonly number[]): { sent: Uint8Array; end: unknown } {
  const sent: Uint8Array[] = []
  let offset = 0
  for (let i = 0; offset < bytes.length; i++) {
    const chunk = bytes.subarray(offset, offset + (sizes[i % sizes.length] ?? 1))
    offset += chunk.length
    const step = negotiator.receive(chunk)
    if (isFault(step)) return { sent: Buffer.concat(sent), end: step.fault }
    if (step.do !== 'refuse' && step.send !== undefined) sent.push(step.send)
    if (step.do !== 'wait') return { sent: Buffer.concat(sent), end: ended(step, bytes.subarray(offset)) }
  }
  return { sent: Buffer.concat(sent), end: 'wait' }
}

function ended(step: Step, unread: Uint8Array): unknown {
  return step.do === 'settle' ? { protocol: step.protocol, rest: Buffer.concat([step.rest, unread]) } : step.do
}

test('whatever comes is answered or refused, and how it was cut up makes no difference', () => {
  fc.assert(
    fc.property(
      fc.nat(1),
      fc.oneof(input, fc.uint8Array({ maxLength: 60 })),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      (which, bytes, sizes) => {
        const make = makers[which] as () => Negotiator
        const [whole, cut, single] = [run(make(), bytes, [bytes.length]), run(make(), bytes, sizes), run(make(), bytes, [1])]
        expect(cut.end).toEqual(single.end)
        expect(cut.end).toEqual(whole.end)
        // What has been answered before the breach goes out only where it was seen first.
        if (whole.end !== 'host/bad-negotiation' && whole.end !== 'refuse') {
          expect(cut.sent).toEqual(single.sent)
          expect(cut.sent).toEqual(whole.sent)
        }
      },
    ),
    { numRuns: 3_000 },
  )
})

test('both ends settle on the first protocol that the remote serves, and lose no byte behind it', () => {
  const some = fc.uniqueArray(fc.constantFrom('/1', '/2', '/3', '/4', '/5'), { minLength: 1 })
  fc.assert(
    fc.property(some, some, fc.uint8Array({ maxLength: 50 }), (asked, served, data) => {
      const [initiator, responder] = [new Initiator(asked), new Responder(served)]
      const expected = asked.find((protocol) => served.includes(protocol))
      let question: Uint8Array = initiator.start()
      for (;;) {
        const answer = responder.receive(question)
        if (isFault(answer) || answer.do === 'refuse') throw new Error('it was asked in order')
        const isSettled = answer.do === 'settle'
        const reply = initiator.receive(Buffer.concat([answer.send ?? new Uint8Array(0), isSettled ? data : new Uint8Array(0)]))
        if (isFault(reply)) throw new Error('it was answered in order')
        if (reply.do === 'refuse') {
          expect(expected).toBeUndefined()
          return
        }
        if (reply.do === 'settle') {
          expect(answer).toMatchObject({ do: 'settle', protocol: expected })
          expect(reply).toMatchObject({ protocol: expected, rest: Buffer.from(data) })
          return
        }
        question = reply.send as Uint8Array
      }
    }),
  )
})
