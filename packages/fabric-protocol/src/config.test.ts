import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { Config, ConfigGroup } from './config.ts'
import { Capabilities } from './config-values.ts'
import { isSameMessage, MESSAGE_DEPTH_MAX, unknownFields } from './message.ts'
import { SignaturePolicyEnvelope } from './policy.ts'

const hex = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))

describe('decode', () => {
  it('has defaults for what is not there', () => {
    expect(Config.decode(new Uint8Array())).toEqual({ sequence: 0n, channelGroup: undefined })
  })

  it('merges repeated messages and takes the last scalar, as Go does', () => {
    // sequence 1, group {version 7}, sequence 2, group {mod_policy "A"}
    expect(Config.decode(hex('08011202080708021203' + '2a0141'))).toEqual({
      sequence: 2n,
      channelGroup: { version: 7n, groups: new Map(), values: new Map(), policies: new Map(), modPolicy: 'A' },
    })
  })

  it('takes no part of a message that is cut off, though the next goes on where it ends', () => {
    expect(Config.decode(hex('120108' + '120107'))).toMatchObject({ fault: 'fabric-protocol/malformed' })
  })

  it('merges many parts in one go', () => {
    const parts = new Uint8Array(2 * 100_000)
    for (let at = 0; at < parts.length; at += 2) parts[at] = 0x12
    expect(Config.decode(parts)).toMatchObject({ channelGroup: { version: 0n } })
  })

  it('takes the last member of a oneof, and the zero one', () => {
    // rule { n_out_of {n 1}, signed_by 0 } and rule { signed_by 3, n_out_of {n 2} }
    expect(SignaturePolicyEnvelope.decode(hex('120612020801' + '0800'))).toMatchObject({ rule: { signedBy: 0, nOutOf: undefined } })
    expect(SignaturePolicyEnvelope.decode(hex('1206080312020802'))).toMatchObject({
      rule: { signedBy: undefined, nOutOf: { n: 2 } },
    })
  })

  it('keeps fields that it does not know, and known ones of the wrong wire type, as they came', () => {
    // mod_policy "A", field 9 = 5, field 1 as bytes "x", version 3
    const decoded = ConfigGroup.decode(hex('2a014148050a01780803'))
    expect(decoded).toMatchObject({ version: 3n, modPolicy: 'A', [unknownFields]: [hex('4805'), hex('0a0178')] })
  })

  it('takes the last entry of a key, and empty messages and keys for those left out', () => {
    expect(Capabilities.decode(hex('0a030a01410a000a050a01411200'))).toEqual({
      capabilities: new Map([
        ['A', {}],
        ['', {}],
      ]),
    })
  })

  it('reads 64 bits exactly', () => {
    expect(Config.decode(hex('08ffffffffffffffffff01'))).toMatchObject({ sequence: 2n ** 64n - 1n })
    expect(Config.decode(hex('08ffffffffffffffffff02'))).toMatchObject({ fault: 'fabric-protocol/malformed' })
  })

  it.each([
    ['cut off in a varint', '0880'],
    ['cut off in bytes', '120a00'],
    ['field 0', '0001'],
    ['wire type 7', '0f'],
    ['text that is not UTF-8', '12032a01ff'],
  ])('refuses %s', (_, bytes) => {
    expect(Config.decode(hex(bytes))).toMatchObject({ fault: 'fabric-protocol/malformed' })
  })

  it('refuses what nests too deep', () => {
    let bytes: Uint8Array = new Uint8Array()
    for (let depth = 0; depth <= MESSAGE_DEPTH_MAX; depth++) {
      bytes = SignaturePolicyEnvelope.encode({ [unknownFields]: [bytes] } as object)
      const head = [0x12, ...varint(bytes.length)]
      bytes = Uint8Array.from([...head, ...bytes])
    }
    expect(SignaturePolicyEnvelope.decode(bytes)).toMatchObject({
      fault: 'fabric-protocol/malformed',
      detail: expect.stringContaining('deep'),
    })
  })
})

describe('encode', () => {
  it('writes maps by the keys’ UTF-8, and the defaults of entries', () => {
    const message = {
      capabilities: new Map([
        ['\u{10000}', {}],
        ['\uffff', {}],
        ['', {}],
      ]),
    }
    expect(Capabilities.encode(message)).toEqual(hex('0a040a0012000a070a03efbfbf12000a080a04f09080801200'))
  })

  it('writes negative numbers of 32 bits in ten bytes, as Go does', () => {
    expect(SignaturePolicyEnvelope.encode({ version: -1, rule: undefined, identities: [] })).toEqual(hex('08ffffffffffffffffff01'))
  })
})

describe('isSameMessage', () => {
  it('sees the structure, not the order on the wire', () => {
    const a = Config.decode(hex('080112020807'))
    const b = Config.decode(hex('120208070801'))
    const c = Config.decode(hex('120208080801'))
    const odd = Config.decode(hex('080112020807' + '480548065001'))
    const order = Config.decode(hex('080112020807' + '500148054806'))
    const other = Config.decode(hex('080112020807' + '480648055001'))
    for (const each of [a, b, c, odd, order, other]) if (isFault(each)) throw new Error('not decoded')
    expect(isSameMessage(Config, a as Config, b as Config)).toBe(true)
    expect(isSameMessage(Config, a as Config, c as Config)).toBe(false)
    expect(isSameMessage(Config, a as Config, odd as Config)).toBe(false)
    // Unknown fields of one number are compared in their order, numbers among each other in none.
    expect(isSameMessage(Config, odd as Config, order as Config)).toBe(true)
    expect(isSameMessage(Config, odd as Config, other as Config)).toBe(false)
  })
})

function varint(length: number): number[] {
  return length < 128 ? [length] : [(length & 127) | 128, ...varint(length >> 7)]
}
