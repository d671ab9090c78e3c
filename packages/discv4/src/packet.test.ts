import { readFileSync } from 'node:fs'
import { curve, decodeEnr, encodeRlp, fromHex, toHex } from '@kumiko/identity'
import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import {
  decodePacket,
  encodePacket,
  hashOf,
  isPacket,
  NEIGHBORS_PER_PACKET_MAX,
  PACKET_SIZE_MAX_BYTES,
  type Packet,
  type PacketType,
  sealPacket,
  signerOf,
  type WireEndpoint,
} from './packet.ts'

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8'))
const bytesOf = (hex: string): Uint8Array => Uint8Array.from(fromHex(hex)!)

interface WireJson extends Omit<Partial<WireEndpoint>, 'id'> {
  readonly id?: string
}

/** The three vector files, as far as they are read here. */
interface PacketsFile {
  readonly signerKey: string
  readonly signerPublicKey: string
  readonly packets: readonly { name: string; type: number; hex: string; want: Record<string, unknown> }[]
  readonly wild: readonly { name: string; type?: number; fragment?: string; hex: string; want: unknown }[]
}
interface VectorsFile {
  readonly privateKey: string
  readonly publicKey: string
  readonly vectors: readonly { name: string; hash: string; hex: string; packet: Record<string, unknown> }[]
}
interface RecordedFile {
  readonly nodes: readonly { privateKey: string; publicKey: string; id: string; enr: string }[]
  readonly packets: readonly { from: number; to: number; unixMs: number; type: PacketType; hex: string }[]
}

const published = read('discv4-packets') as PacketsFile
const made = read('discv4-vectors') as VectorsFile
const recorded = read('discv4-recorded') as RecordedFile

function decode(bytes: Uint8Array): Packet {
  expect(isPacket(bytes)).toBe(true)
  const packet = decodePacket(bytes)
  if (isFault(packet)) throw new Error(`${packet.fault}: ${packet.detail}`)
  return packet
}

/** A packet in the words of the vector files. */
function plain(packet: Packet): Record<string, unknown> {
  const entries = Object.entries(packet).map(([key, value]): [string, unknown] => [key, plainValue(value)])
  return Object.fromEntries(entries.filter(([key, value]) => key !== 'type' && value !== undefined))
}

function plainValue(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof Uint8Array) return toHex(value)
  if (!Array.isArray(value)) return value
  return value.map(({ publicKey, ...rest }: WireJson & { publicKey: Uint8Array }) => ({ id: toHex(publicKey), ...rest }))
}

/** The vectors' names for ours, and what is only a remark or behind what we read. */
function wanted(want: Record<string, unknown>): Record<string, unknown> {
  const { note: _, rest: __, extraRlp: ___, replyTok, ...fields } = want
  return { ...fields, ...(replyTok === undefined ? {} : { pingHash: replyTok }) }
}

describe('published packets', () => {
  for (const { name, type, hex, want } of published.packets) {
    it(name, () => {
      const bytes = bytesOf(hex)
      expect(bytes[97]).toBe(type)
      const packet = decode(bytes)
      expect(plain(packet)).toEqual(wanted(want))
      expect(toHex(signerOf(bytes)!)).toBe(published.signerPublicKey)
      // These are signed with a salt: what they say comes back, their signature does not.
      const again = encodePacket(packet, bytesOf(published.signerKey))
      expect([decode(again), toHex(signerOf(again)!)]).toEqual([packet, published.signerPublicKey])
    })
  }

  for (const { name, type, hex, fragment } of published.wild) {
    it(name, () => {
      const bytes = fragment === undefined ? bytesOf(hex) : sealPacket(1, pingOf(bytesOf(hex)), bytesOf(made.privateKey))
      const packet = decode(bytes)
      expect(packet.type).toBe(type === 2 ? 'pong' : 'ping')
      expect(signerOf(bytes)).toHaveLength(64)
      if (fragment !== undefined) expect(packet).toMatchObject({ from: { ip: '0.0.0.0', udp: 4444, tcp: 4445 } })
      if (name.includes('all-empty')) expect(packet).toMatchObject({ from: { ip: '0.0.0.0', udp: 0, tcp: 0 } })
    })
  }

  /** A ping's data around an endpoint that is RLP already. */
  function pingOf(endpoint: Uint8Array): Uint8Array {
    const inner = Uint8Array.of(4, ...endpoint, ...encodeRlp([new Uint8Array(4), 1, 1]), ...encodeRlp(1))
    return Uint8Array.of(0xc0 + inner.length, ...inner)
  }
})

describe('packets that go-ethereum makes', () => {
  const secretKey = bytesOf(made.privateKey)

  for (const { name, hex, hash, packet: want } of made.vectors) {
    it(`${name}: read, and where all of it is ours to write, written`, () => {
      const bytes = bytesOf(hex)
      const packet = decode(bytes)
      expect(toHex(hashOf(bytes))).toBe(hash)
      expect(toHex(signerOf(bytes)!)).toBe(made.publicKey)
      expect(plain(packet)).toMatchObject(comparable(want))
      expect(toHex(sealPacket(bytes[97]!, bytes.subarray(98), secretKey))).toBe(hex)
      if (want.extraRlp === undefined) expect(toHex(encodePacket(packet, secretKey))).toBe(hex)
    })
  }

  /** Fields under the names that we give them. */
  function comparable(want: Record<string, unknown>): Record<string, unknown> {
    const { expiration, version, from, to, enrSeq, target } = want
    return Object.fromEntries(Object.entries({ expiration, version, from, to, enrSeq, target }).filter(([, value]) => value !== undefined))
  }
})

describe('the recording of six nodes of go-ethereum', () => {
  it('is read whole, was signed by whom it says, and is written again byte for byte', () => {
    const counts: Partial<Record<PacketType, number>> = {}
    for (const { from, unixMs, type, hex } of recorded.packets) {
      const [bytes, node] = [bytesOf(hex), recorded.nodes[from]!]
      const packet = decode(bytes)
      expect(packet.type).toBe(type)
      expect(toHex(signerOf(bytes)!)).toBe(node.publicKey)
      expect(toHex(encodePacket(packet, bytesOf(node.privateKey)))).toBe(hex)
      if ('expiration' in packet) expect(packet.expiration - unixMs / 1000).toBeCloseTo(20, -1)
      if (packet.type === 'enrresponse') expect(decodeEnr(packet.record)).toMatchObject({ nodeId: node.id })
      counts[type] = (counts[type] ?? 0) + 1
    }
    expect(counts).toEqual({ ping: 49, pong: 49, findnode: 38, neighbors: 38, enrrequest: 13, enrresponse: 13 })
  })

  it('has an answer to each ping by its hash', () => {
    const pings = new Set(recorded.packets.filter(({ type }) => type === 'ping').map(({ hex }) => hex.slice(0, 64)))
    for (const { hex } of recorded.packets) {
      const packet = decode(bytesOf(hex))
      if (packet.type === 'pong') expect(pings.has(toHex(packet.pingHash))).toBe(true)
    }
  })
})

describe('isPacket', () => {
  const ping = bytesOf(published.packets[0]!.hex)

  it('refuses every packet with one byte flipped, and one more or less', () => {
    for (let at = 0; at < ping.length; at++) {
      const flipped = ping.slice()
      flipped[at]! ^= 1
      expect(isPacket(flipped)).toBe(false)
    }
    expect(isPacket(Uint8Array.of(...ping, 0))).toBe(false)
    expect(isPacket(ping.subarray(0, -1))).toBe(false)
  })

  it('refuses what is too small and too large, whatever its hash', () => {
    const key = bytesOf(made.privateKey)
    const largest = sealPacket(1, new Uint8Array(PACKET_SIZE_MAX_BYTES - 98), key)
    expect([largest.length, isPacket(largest)]).toEqual([1280, true])
    expect(isPacket(sealPacket(1, new Uint8Array(PACKET_SIZE_MAX_BYTES - 97), key))).toBe(false)
    expect([isPacket(new Uint8Array(97)), isPacket(new Uint8Array(0))]).toEqual([false, false])
  })
})

describe('decodePacket', () => {
  const key = bytesOf(made.privateKey)
  const endpoint = [Uint8Array.of(127, 0, 0, 1), 30303, 30303]

  it.each([
    ['a type that is none', 66, [4], 'discv4/unknown-type'],
    ['no type', 0, [4], 'discv4/unknown-type'],
    ['a ping without expiration', 1, [4, endpoint, endpoint], 'discv4/bad-packet'],
    ['a port beyond 16 bits', 1, [4, [Uint8Array.of(127, 0, 0, 1), 65536, 1], endpoint, 1], 'discv4/bad-packet'],
    ['a pong to half a hash', 2, [endpoint, new Uint8Array(16), 1], 'discv4/bad-packet'],
    ['a short target', 3, [new Uint8Array(33), 1], 'discv4/bad-packet'],
    ['a neighbor without a key', 4, [[endpoint], 1], 'discv4/bad-packet'],
    ['an expiration of nine bytes', 5, [2n ** 64n], 'discv4/bad-packet'],
    ['a record that is no list', 6, [new Uint8Array(32), new Uint8Array(3)], 'discv4/bad-packet'],
  ] as const)('tells of %s', (_, type, items, fault) => {
    expect(decodePacket(sealPacket(type, encodeRlp(items), key))).toMatchObject({ fault })
  })

  it('reads expirations beyond 2^63 as the past', () => {
    const expiration = BigInt.asUintN(64, -1_800_000_000n)
    expect(decode(sealPacket(5, encodeRlp([expiration]), key))).toEqual({ type: 'enrrequest', expiration: -1_800_000_000 })
  })

  it('unmaps IPv4 in IPv6, and passes over addresses that are none', () => {
    const mapped = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3)
    const bytes = sealPacket(1, encodeRlp([4, [mapped, 1, 2], [new Uint8Array(5), 3, 4], 1]), key)
    expect(decode(bytes)).toMatchObject({ from: { ip: '10.1.2.3', udp: 1, tcp: 2 }, to: { ip: '0.0.0.0', udp: 3, tcp: 4 } })
  })

  it('fits as many neighbors as there may be, with the longest addresses', () => {
    const node = { ip: '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', udp: 65535, tcp: 65535, publicKey: curve.publicKey(key) }
    const nodes = Array.from({ length: NEIGHBORS_PER_PACKET_MAX }, () => node)
    const bytes = encodePacket({ type: 'neighbors', nodes, expiration: 2 ** 40 }, key)
    expect(bytes.length).toBeLessThanOrEqual(PACKET_SIZE_MAX_BYTES)
    expect(decode(bytes)).toMatchObject({ nodes })
  })

  it('has no signer where the signature is none', () => {
    const bytes = sealPacket(5, encodeRlp([1]), key)
    bytes.fill(0xff, 32, 97)
    expect(signerOf(bytes)).toBeUndefined()
  })
})
