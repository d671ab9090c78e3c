import { ordererBlock } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BlockMessage } from './block.ts'
import { ConfigEnvelope, ConfigGroup, ConfigUpdateEnvelope } from './config.ts'
import { isSameMessage, type Message } from './message.ts'
import { type Json, messageFromJson, messageToJson } from './message-json.ts'
import { MspConfig } from './msp-config.ts'
import { ApplicationPolicyMessage, SignaturePolicyEnvelope } from './policy.ts'
import { formatTimestamp, parseTimestamp } from './timestamp-text.ts'

const TYPES: readonly Message<object>[] = [
  BlockMessage,
  ConfigEnvelope,
  ConfigUpdateEnvelope,
  ConfigGroup,
  MspConfig,
  SignaturePolicyEnvelope,
  ApplicationPolicyMessage,
]

/** A block with some bytes changed and an end cut off. */
const mutated = fc
  .tuple(fc.constantFrom(0, 52), fc.array(fc.tuple(fc.nat(17_000), fc.nat(255)), { maxLength: 4 }), fc.nat(20_000))
  .map(([number, changes, end]) => {
    const bytes = ordererBlock(number).slice(0, end < 10_000 ? undefined : end)
    for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte
    return bytes
  })

const name = fc.string({ unit: 'grapheme', maxLength: 6 })
const bytes = fc.uint8Array({ maxLength: 6 })
const version = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const map = <T>(value: fc.Arbitrary<T>) => fc.array(fc.tuple(name, value), { maxLength: 3 }).map((entries) => new Map(entries))
/** Of types that are not known: in those that are, unknown fields of the value would not be shown. */
const policy = fc.option(fc.record({ type: fc.integer({ min: 4 }), value: bytes }), { nil: undefined })

const group: fc.Arbitrary<ConfigGroup> = fc.letrec<{ group: ConfigGroup }>((tie) => ({
  group: fc.record({
    version,
    groups: fc.oneof({ maxDepth: 3, withCrossShrink: true }, fc.constant(new Map()), map(tie('group'))),
    values: map(fc.record({ version, value: bytes, modPolicy: name })),
    policies: map(fc.record({ version, policy, modPolicy: name })),
    modPolicy: name,
  }),
})).group

describe('decode', () => {
  it('makes a value or a fault of any bytes, and the value again of what it writes', () => {
    fc.assert(
      fc.property(fc.constantFrom(...TYPES), fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), (type, input) => {
        const decoded = type.decode(input)
        if (isFault(decoded)) return
        const again = type.decode(type.encode(decoded))
        expect(again).toEqual(decoded)
      }),
      { numRuns: 400 },
    )
  })

  it('reads back what was written', () => {
    fc.assert(
      fc.property(group, (written) => {
        expect(ConfigGroup.decode(ConfigGroup.encode(written))).toEqual(written)
      }),
      { numRuns: 200 },
    )
  })
})

describe('messageToJson', () => {
  it('shows any message, and what it shows is read back', () => {
    fc.assert(
      fc.property(mutated, (input) => {
        const decoded = BlockMessage.decode(input)
        if (isFault(decoded)) return
        const json = JSON.parse(JSON.stringify(messageToJson(BlockMessage, decoded)))
        // Times out of RFC 3339's range and names that are no text of JSON are shown, but not read.
        const again = readOrUndefined(json)
        if (again === undefined) return
        const shown = messageToJson(BlockMessage, again)
        expect(shown).toEqual(emptiedAs(json, shown))
      }),
      { numRuns: 200 },
    )
  })

  it('loses nothing of a group', () => {
    fc.assert(
      fc.property(group, (written) => {
        const json = JSON.parse(JSON.stringify(messageToJson(ConfigGroup, written, 'Channel')))
        expect(isSameMessage(ConfigGroup, messageFromJson(ConfigGroup, json, 'Channel'), written)).toBe(true)
      }),
      { numRuns: 200 },
    )
  })
})

describe('formatTimestamp', () => {
  it('agrees with JavaScript’s calendar, and is read back', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -62_135_596_800n, max: 253_402_300_799n }), fc.nat(999_999_999), (seconds, nanos) => {
        const text = formatTimestamp({ seconds, nanos })
        expect(text?.slice(0, 19)).toBe(new Date(Number(seconds) * 1000).toISOString().slice(0, 19))
        expect(parseTimestamp(text ?? '')).toEqual({ seconds, nanos })
      }),
    )
  })
})

/** Bytes of nothing but defaults and unknown fields are shown as a message of defaults, which is written as no bytes: null. */
function emptiedAs(json: Json | undefined, shown: Json | undefined): Json {
  if (json === undefined || (shown === null && isDefault(json))) return null
  if (typeof json !== 'object' || json === null || typeof shown !== 'object' || shown === null) return json
  const below = new Map(Object.entries(shown))
  const entries = Object.entries(json).map(([key, value]) => [key, emptiedAs(value, below.get(key))] as const)
  return Array.isArray(json) ? entries.map(([, value]) => value) : Object.fromEntries(entries)
}

/** Enums are shown by name: their first. */
function isDefault(json: Json): boolean {
  if (typeof json === 'string') return /^0?$|^[A-Z_]+$/.test(json)
  return typeof json === 'object' && json !== null ? Object.values(json).every(isDefault) : !json
}

function readOrUndefined(json: Parameters<typeof messageFromJson>[1]) {
  try {
    return messageFromJson(BlockMessage, json)
  } catch (error) {
    expect(String(error)).toContain('needs a time')
    return undefined
  }
}
