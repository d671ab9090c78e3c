import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cleanName, decodeMessage, encodeMessage, LINE_MAX_BYTES, MESSAGE_MAX_BYTES, type Message, NAME_MAX } from './message.ts'

const time = fc.maxSafeNat()
const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record(
    { type: fc.constant('hello' as const), room: fc.string(), last: time, seen: time, name: fc.constantFrom('ann', 'Ann von B.') },
    { requiredKeys: ['type', 'room', 'last'] },
  ),
  fc.record({ type: fc.constant('said' as const), at: time, text: fc.string({ unit: 'binary' }) }),
  fc.constant({ type: 'bye' as const }),
)

test('what is encoded is decoded the same, and has no line end in it', () => {
  fc.assert(
    fc.property(message, (given) => {
      const line = encodeMessage(given)
      expect(line).not.toContain('\n')
      expect(decodeMessage(line)).toEqual(given)
    }),
  )
})

test('any line is a message, nothing or a fault', () => {
  const known = new Set(['hello', 'said', 'bye'])
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.object().map((value) => JSON.stringify({ type: 'hello', ...value })),
      ),
      (line) => {
        const got = decodeMessage(line)
        if (got !== undefined && !isFault(got)) expect(known).toContain(got.type)
      },
    ),
    { numRuns: 2000 },
  )
})

test('the longest text fits into the longest line', () => {
  const line = encodeMessage({ type: 'said', at: Number.MAX_SAFE_INTEGER, text: '\u0000'.repeat(LINE_MAX_BYTES) })
  expect(Buffer.byteLength(line)).toBeLessThanOrEqual(MESSAGE_MAX_BYTES)
  expect(isFault(decodeMessage(line))).toBe(false)
  expect(decodeMessage(encodeMessage({ type: 'said', at: 1, text: 'é'.repeat(LINE_MAX_BYTES / 2 + 1) }))).toMatchObject({
    fault: 'chat/line-too-long',
  })
})

test('a name is short and steers no terminal', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (name) => {
      const clean = cleanName(name)
      expect([...clean].length).toBeLessThanOrEqual(NAME_MAX)
      expect(clean).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
      expect(cleanName(clean)).toBe(clean)
    }),
  )
  expect(cleanName(' \u001b[31m ann\u202e  b ')).toBe('[31m ann b')
  // What looks like it is the same.
  for (const like of ['ann\u3164', 'a\u034fnn\ufe0f', '\u2800ann\u{e0061}']) expect(cleanName(like)).toBe('ann')
  expect(cleanName('jose\u0301')).toBe('jos\u00e9')
})
