import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HeaderMask } from './header-mask.ts'
import {
  decodePacket,
  encodePacket,
  handshakeHeader,
  messageHeader,
  PACKET_SIZE_MAX_BYTES,
  PACKET_SIZE_MIN_BYTES,
  whoareyouHeader,
} from './packet.ts'

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length })
const between = (minLength: number, maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength, maxLength })
const numRuns = 500

describe('packets of any bytes', () => {
  it('never throw, and are hardly ever ours', () => {
    const mask = new HeaderMask(new Uint8Array(32))
    fc.assert(
      fc.property(between(0, PACKET_SIZE_MAX_BYTES + 10), (datagram) => {
        expect(decodePacket(datagram, mask)).toBeUndefined()
      }),
      { numRuns },
    )
  })

  it('with our protocol in front are a packet or a fault', () => {
    const id = new Uint8Array(32).fill(3)
    const mask = new HeaderMask(id)
    const sizes = fc.oneof(fc.constantFrom(24, 32, 131, 200), fc.nat(0xffff))
    const kinds: Record<string, number> = {}
    fc.assert(
      fc.property(bytes(16), fc.nat(3), sizes, between(220, 400), (iv, flag, size, bytesBehind) => {
        const protocol = [0x64, 0x69, 0x73, 0x63, 0x76, 0x35, 0, 1]
        const rest = flag === 1 ? bytesBehind.subarray(0, 24) : bytesBehind
        // The sizes of signature and key, where a handshake has them, are right half of the time.
        const authdata = flag === 2 && (rest[0] ?? 0) & 1 ? Uint8Array.from([...rest.subarray(0, 32), 64, 33, ...rest.subarray(34)]) : rest
        const header = Uint8Array.from([...iv, ...protocol, flag, ...iv.subarray(4), size >> 8, size & 0xff, ...authdata])
        const packet = decodePacket(encodeWhole(header, mask), mask)
        const kind = packet === undefined ? 'none' : isFault(packet) ? packet.fault : packet.kind
        kinds[kind] = (kinds[kind] ?? 0) + 1
        if (packet !== undefined && !isFault(packet))
          expect(Buffer.compare(packet.header, header.subarray(0, packet.header.length))).toBe(0)
      }),
      { numRuns: 2000 },
    )
    expect(Object.keys(kinds).sort()).toEqual(['discv5/bad-header', 'handshake', 'message', 'whoareyou'])
  })
})

/** Masks what is the header by its size; the rest is a message. */
function encodeWhole(bytes: Uint8Array, mask: HeaderMask): Uint8Array {
  const end = Math.min(bytes.length, 39 + ((bytes[37] ?? 0) << 8) + (bytes[38] ?? 0))
  return encodePacket(bytes.subarray(0, end), bytes.subarray(end), mask)
}

describe('a packet', () => {
  it('is read as it was written, by its recipient alone', () => {
    const parts = fc.record({ iv: bytes(16), nonce: bytes(12), sourceId: bytes(32), to: bytes(32), sealed: between(16, 500) })
    fc.assert(
      fc.property(parts, fc.option(between(1, 300)), bytes(64), bytes(33), (each, record, idSignature, ephemeralKey) => {
        const { iv, nonce, sourceId, to, sealed } = each
        const mask = new HeaderMask(to)
        const message = encodePacket(messageHeader(iv, nonce, sourceId), sealed, mask)
        expect(decodePacket(message, mask)).toMatchObject({ kind: 'message', nonce, sourceId, sealed })
        const authdata = { sourceId, idSignature, ephemeralKey, record: record ?? undefined }
        const handshake = encodePacket(handshakeHeader(iv, nonce, authdata), sealed, mask)
        expect(decodePacket(handshake, mask)).toMatchObject({ kind: 'handshake', nonce, sealed, ...authdata })
        expect(decodePacket(message, new HeaderMask(to.map((byte) => byte ^ 1)))).toBeUndefined()
      }),
      { numRuns },
    )
  })

  it('that asks who we are is its own challenge data', () => {
    fc.assert(
      fc.property(bytes(16), bytes(12), bytes(16), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (iv, nonce, idNonce, enrSeq) => {
        const mask = new HeaderMask(idNonce)
        const header = whoareyouHeader(iv, nonce, idNonce, enrSeq)
        const packet = encodePacket(header, new Uint8Array(0), mask)
        expect(packet).toHaveLength(PACKET_SIZE_MIN_BYTES)
        expect(decodePacket(packet, mask)).toEqual({ kind: 'whoareyou', header, nonce, enrSeq })
      }),
      { numRuns },
    )
  })
})

describe('the mask', () => {
  it('is undone by itself, in one piece or in two, also where its counter overflows', () => {
    const ivs = fc.oneof(bytes(16), fc.constant(new Uint8Array(16).fill(255)))
    fc.assert(
      fc.property(bytes(32), ivs, between(0, 200), fc.integer({ min: 0, max: 12 }), (id, iv, header, block) => {
        const mask = new HeaderMask(id)
        const masked = new Uint8Array(header.length)
        mask.apply(iv, header, masked)
        const cut = Math.min(16 * block, header.length)
        const back = new Uint8Array(header.length)
        mask.apply(iv, masked, back.subarray(0, cut))
        mask.apply(iv, masked.subarray(cut), back.subarray(cut), 16 * block)
        expect(back.subarray(0, cut)).toEqual(header.subarray(0, cut))
        if (cut === 16 * block) expect(back).toEqual(header)
      }),
      { numRuns },
    )
  })
})
