import { encodeRlp, type RlpInput } from '@kumiko/identity'
import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { secretKey } from '../test/remote.ts'
import { decodePacket, encodePacket, hashOf, isPacket, type Packet, sealPacket, signerOf } from './packet.ts'

const key = secretKey(1)

const ip = fc.oneof(
  fc.tuple(...Array.from({ length: 4 }, () => fc.nat(255))).map((bytes) => bytes.join('.')),
  fc.constantFrom('::1', '2001:db8::1', 'fe80::1:2:3:4'),
)
const port = fc.nat(65535)
const endpoint = fc.record({ ip, udp: port, tcp: port })
const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length })
const expiration = fc.nat(2 ** 31)
const enrSeq = fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { nil: undefined })

const packets = fc.oneof(
  fc.record({ type: fc.constant('ping' as const), version: fc.nat(1000), from: endpoint, to: endpoint, expiration, enrSeq }),
  fc.record({ type: fc.constant('pong' as const), to: endpoint, pingHash: bytes(32), expiration, enrSeq }),
  fc.record({ type: fc.constant('findnode' as const), target: bytes(64), expiration }),
  fc.record({
    type: fc.constant('neighbors' as const),
    nodes: fc.array(fc.record({ ip, udp: port, tcp: port, publicKey: bytes(64) }), { maxLength: 12 }),
    expiration,
  }),
  fc.record({ type: fc.constant('enrrequest' as const), expiration }),
  fc.record({
    type: fc.constant('enrresponse' as const),
    requestHash: bytes(32),
    record: fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 8 }).map((items) => encodeRlp(items)),
  }),
)

const rlp: fc.Arbitrary<RlpInput> = fc.letrec<{ item: RlpInput }>((tie) => ({
  item: fc.oneof({ maxDepth: 4 }, fc.uint8Array({ maxLength: 70 }), fc.nat(), fc.array(tie('item'), { maxLength: 6 })),
})).item

describe('packets', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(packets, (packet) => {
        const written = encodePacket(packet, key)
        expect([isPacket(written), decodePacket(written)]).toEqual([true, packet])
      }),
      { numRuns: 300 },
    )
  })

  it('are read with anything behind their elements and behind their list', () => {
    fc.assert(
      fc.property(packets, fc.array(rlp, { maxLength: 3 }), fc.uint8Array({ maxLength: 64 }), (packet, more, tail) => {
        const extended = withMore(packet, more, tail)
        if (extended.length > 1280) return
        const read = decodePacket(extended)
        // The first of the elements that are too many may stand where the sequence number would.
        expect(isFault(read)).toBe(false)
        expect({ ...read, enrSeq: undefined }).toEqual({ ...packet, enrSeq: undefined })
      }),
      { numRuns: 300 },
    )
  })

  it('of any data are read or found faulty, never thrown at', () => {
    const data = fc.oneof(
      fc.uint8Array({ maxLength: 1182 }),
      fc.array(rlp, { maxLength: 6 }).map((items) => encodeRlp(items)),
    )
    fc.assert(
      fc.property(fc.nat(8), data, (type, rest) => {
        const read = decodePacket(sealPacket(type, rest.subarray(0, 1182), key))
        expect(isFault(read) || read.type !== undefined).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  it('of any bytes are not even looked at', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1400 }), (any) => {
        expect(isPacket(any)).toBe(false)
        if (any.length >= 98) signerOf(any)
      }),
      { numRuns: 500 },
    )
  })
})

/** The same packet from a later version: further elements in the list, and bytes behind it. */
function withMore(packet: Packet, more: readonly RlpInput[], tail: Uint8Array): Uint8Array {
  const written = encodePacket(packet, key)
  expect(hashOf(written)).toHaveLength(32)
  const data = written.subarray(98)
  const headBytes = (data[0] ?? 0) <= 0xf7 ? 1 : 1 + ((data[0] ?? 0) - 0xf7)
  const payload = Uint8Array.of(...data.subarray(headBytes), ...more.flatMap((item) => [...encodeRlp(item)]))
  return sealPacket(written[97] ?? 0, Uint8Array.of(...listHead(payload.length), ...payload, ...tail), key)
}

function listHead(length: number): number[] {
  if (length <= 55) return [0xc0 + length]
  return length <= 255 ? [0xf8, length] : [0xf9, length >> 8, length & 0xff]
}
