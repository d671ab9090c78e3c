import { encodeRlp, nodeFromEnr, parseNetList, signEnr } from '@kumiko/identity'
import type { NodeRecord } from '@kumiko/interface'
import { seeded } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import { converse, faultsOf, nodeIdFor, Party, packetsOf, pairOf, recordAt, toldOf } from '../test/party.ts'
import type { Reply } from './calls.ts'
import type { ExchangeEffect } from './exchange.ts'
import { HeaderMask } from './header-mask.ts'
import { encodeMessage, type RequestBody, type ResponseBody } from './message.ts'
import { decodePacket, encodePacket, handshakeHeader, messageHeader } from './packet.ts'

const PING: RequestBody = { type: 'ping', enrSeq: 1n }
const bytesOf = (id: string): Uint8Array => Buffer.from(id, 'hex')

function only(effects: readonly ExchangeEffect[]): Uint8Array {
  const [packet, ...more] = packetsOf(effects)
  if (packet === undefined || more.length > 0) throw new Error(`${packetsOf(effects).length} packets, not one`)
  return packet
}

function repliesOf(effects: readonly ExchangeEffect[]): (Reply | undefined)[] {
  return effects.flatMap((effect) => (effect.do === 'ended' ? [effect.reply] : []))
}

function kindOf(packet: Uint8Array, recipient: Party): string | undefined {
  const decoded = decodePacket(packet, new HeaderMask(bytesOf(recipient.record.nodeId)))
  return decoded !== undefined && 'kind' in decoded ? decoded.kind : undefined
}

/** Both have a session, opened by `a`. */
function bonded(...options: Parameters<typeof pairOf>): { a: Party; b: Party } {
  const pair = pairOf(...options)
  expect(repliesOf(converse(pair.a, pair.b, pair.a.ask(pair.b, PING)).a)).toHaveLength(1)
  return pair
}

describe('a handshake', () => {
  it('takes four packets, and answers the request that began it', () => {
    const { a, b } = pairOf()
    const random = only(a.ask(b, PING))
    const whoareyou = only(b.take(random, a.endpoint))
    const handshake = only(a.take(whoareyou, b.endpoint))
    const answered = b.take(handshake, a.endpoint)
    expect([kindOf(random, b), kindOf(whoareyou, a), kindOf(handshake, b)]).toEqual(['message', 'whoareyou', 'handshake'])
    expect(toldOf(answered)).toEqual([{ do: 'met', node: a.record, from: a.endpoint }])
    expect(a.take(only(answered), b.endpoint)).toEqual([
      { do: 'seen', by: '127.0.0.1', ip: '127.0.0.1', udp: 30301 },
      { do: 'ended', call: 1, reply: { type: 'pong', enrSeq: 1n, ip: '127.0.0.1', port: 30301 } },
    ])
    expect([a.exchange.sizes, b.exchange.sizes]).toEqual(Array(2).fill({ sessions: 1, challenges: 0, calls: 0 }))
    expect(a.exchange.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  it('is not needed again, in either direction', () => {
    const { a, b } = bonded()
    expect(kindOf(only(a.ask(b, PING)), b)).toBe('message')
    expect(repliesOf(converse(b, a, b.ask(a, PING)).a)).toEqual([expect.objectContaining({ type: 'pong' })])
    expect(b.exchange.sizes.challenges).toBe(0)
  })

  it('is told of again later, by key and endpoint where nobody has kept the record', () => {
    const { a, b } = bonded()
    const now = 20_000
    const met = toldOf(b.take(only(a.ask(b, PING, now)), a.endpoint, now))
    const { nodeId, publicKey } = a.record
    const endpoints = [{ host: a.endpoint.ip, udp: a.endpoint.port }]
    expect(met).toEqual([{ do: 'met', node: expect.objectContaining({ nodeId, publicKey, endpoints, seq: 0n }), from: a.endpoint }])
  })

  it('never makes us send more than we were sent, before the other one is known', () => {
    const { a, b } = pairOf()
    const random = only(a.ask(b, PING))
    expect(only(b.take(random, a.endpoint)).length).toBeLessThan(random.length)
  })

  // geth: Handshake_norecord
  it('goes without a record that is known', () => {
    const pair = pairOf()
    const { a } = pair
    const b = new Party({ endpoint: pair.b.endpoint, seed: 2, nodeOf: () => a.record })
    const whoareyou = only(b.take(only(a.ask(b, PING)), a.endpoint))
    const handshake = only(a.take(whoareyou, b.endpoint))
    const decoded = decodePacket(handshake, new HeaderMask(bytesOf(b.record.nodeId)))
    expect(decoded).toMatchObject({ kind: 'handshake', record: undefined })
    expect(toldOf(b.take(handshake, a.endpoint))).toEqual([{ do: 'met', node: a.record, from: a.endpoint }])
  })

  it('brings a record that is newer than the one that is known', () => {
    const pair = pairOf()
    const { a } = pair
    const old = a.record
    a.record = recordAt(a.secretKey, a.endpoint, 2n)
    const b = new Party({ endpoint: pair.b.endpoint, seed: 2, nodeOf: () => old })
    const { b: told } = converse(a, b, a.ask(b, PING))
    expect(told).toEqual([{ do: 'met', node: expect.objectContaining({ nodeId: old.nodeId }), from: a.endpoint }])
    expect(told.map((effect) => (effect.do === 'met' ? effect.node.seq : undefined))).toEqual([2n])
  })

  it('fails without a record that is not known', () => {
    const { a, b } = pairOf()
    const knowing = new Party({ endpoint: b.endpoint, seed: 2, nodeOf: () => a.record })
    const whoareyou = only(knowing.take(only(a.ask(knowing, PING)), a.endpoint))
    const handshake = only(a.take(whoareyou, b.endpoint))
    // The same seed makes the same challenge, of a node that knows nobody: the header differs in enr-seq only.
    const random = only(new Party({ endpoint: a.endpoint, seed: 1 }).ask(b, PING))
    only(b.take(random, a.endpoint))
    expect(faultsOf(b.take(handshake, a.endpoint))).toEqual(['discv5/no-record'])
  })

  // geth: handshakeRepeatChallenge, EncodeWhoareyouResend; conformance: HandshakeResend
  it('has its whole second from the last time that its challenge was sent', () => {
    const { a, b } = pairOf()
    const random = only(a.ask(b, PING))
    b.take(random, a.endpoint, 0)
    const whoareyou = only(b.take(random, a.endpoint, 700))
    const handshake = only(a.take(whoareyou, b.endpoint, 900))
    expect(faultsOf(b.take(handshake, a.endpoint, 1500))).toEqual([])
  })

  it('repeats its challenge byte for byte while it waits for the answer', () => {
    const { a, b } = pairOf()
    const first = only(b.take(only(a.ask(b, PING)), a.endpoint))
    const other = new Party({ endpoint: a.endpoint, seed: 1 })
    other.seeded.bytes(100)
    const second = only(b.take(only(other.ask(b, PING)), a.endpoint, 999))
    expect(second).toEqual(first)
    expect(b.exchange.sizes.challenges).toBe(1)
  })

  // geth: Handshake_timeout
  it('has to be over in a second', () => {
    const { a, b } = pairOf()
    const whoareyou = only(b.take(only(a.ask(b, PING)), a.endpoint, 0))
    const handshake = only(a.take(whoareyou, b.endpoint, 0))
    expect(faultsOf(b.take(handshake, a.endpoint, 1000))).toEqual(['discv5/unexpected-handshake'])
    expect(b.exchange.sizes).toMatchObject({ sessions: 0, challenges: 0 })
  })

  it('is not taken twice', () => {
    const { a, b } = pairOf()
    const handshake = only(a.take(only(b.take(only(a.ask(b, PING)), a.endpoint)), b.endpoint))
    b.take(handshake, a.endpoint)
    expect(faultsOf(b.take(handshake, a.endpoint))).toEqual(['discv5/unexpected-handshake'])
  })

  // geth: Handshake_BadHandshakeAttack
  it('has one attempt a challenge: a wrong one ends it', () => {
    const { a, b } = pairOf()
    const whoareyou = only(b.take(only(a.ask(b, PING)), a.endpoint))
    const good = only(a.take(whoareyou, b.endpoint))
    const thief = new Party({ endpoint: a.endpoint, seed: 9 })
    const theirs = only(thief.take(only(b.take(only(thief.ask(b, PING)), a.endpoint)), b.endpoint))
    // The thief's signature under the other one's id: bytes 16 + 23 … are its source id, masked by the same key and its own iv.
    const decoded = decodePacket(theirs, new HeaderMask(bytesOf(b.record.nodeId)))
    if (decoded === undefined || !('kind' in decoded) || decoded.kind !== 'handshake') throw new Error('no handshake')
    const forged = decoded.header.slice()
    forged.set(bytesOf(a.record.nodeId), 39)
    const attack = encodePacket(forged, decoded.sealed, new HeaderMask(bytesOf(b.record.nodeId)))
    expect(faultsOf(b.take(attack, a.endpoint))).toEqual(['discv5/bad-record'])
    expect(faultsOf(b.take(good, a.endpoint))).toEqual(['discv5/unexpected-handshake'])
    expect(b.exchange.sizes.sessions).toBe(0)
  })

  it.each([
    [39 + 34, 'discv5/bad-signature'],
    [39 + 34 + 64, 'discv5/bad-signature'],
    [-1, 'discv5/bad-seal'],
  ])('is refused where byte %i is wrong: %s', (at, fault) => {
    const { a, b } = pairOf()
    const handshake = only(a.take(only(b.take(only(a.ask(b, PING)), a.endpoint)), b.endpoint)).slice()
    const index = at < 0 ? handshake.length + at : at
    handshake[index] = (handshake[index] ?? 0) ^ 1
    expect(faultsOf(b.take(handshake, a.endpoint))).toEqual([fault])
    expect(b.exchange.sizes.sessions).toBe(0)
  })

  // geth: Handshake_rekey
  it('is made anew where the other one has lost its keys, and repeats what was asked', () => {
    const { a, b } = bonded()
    const restarted = new Party({ endpoint: b.endpoint, seed: 2 })
    restarted.seeded.bytes(64)
    const { a: told } = converse(a, restarted, a.ask(b, PING))
    expect(repliesOf(told)).toEqual([expect.objectContaining({ type: 'pong' })])
    expect(repliesOf(converse(restarted, a, restarted.ask(a, PING)).a)).toHaveLength(1)
  })

  // geth: Handshake_rekey2
  it('is made anew where we have lost ours', () => {
    const { a, b } = bonded()
    const restarted = new Party({ endpoint: a.endpoint, seed: 1 })
    restarted.seeded.bytes(64)
    expect(repliesOf(converse(restarted, b, restarted.ask(b, PING)).a)).toHaveLength(1)
    expect(repliesOf(converse(b, restarted, b.ask(restarted, PING)).a)).toHaveLength(1)
  })

  it('may be begun by both at once', () => {
    const { a, b } = pairOf()
    const [fromA, fromB] = [only(a.ask(b, PING)), only(b.ask(a, PING))]
    const [whoIsA, whoIsB] = [only(b.take(fromA, a.endpoint)), only(a.take(fromB, b.endpoint))]
    const [byA, byB] = [only(a.take(whoIsA, b.endpoint)), only(b.take(whoIsB, a.endpoint))]
    const [pongToB, pongToA] = [only(a.take(byB, b.endpoint)), only(b.take(byA, a.endpoint))]
    expect(repliesOf(a.take(pongToA, b.endpoint))).toHaveLength(1)
    expect(repliesOf(b.take(pongToB, a.endpoint))).toHaveLength(1)
    for (let round = 0; round < 3; round++) {
      expect(repliesOf(converse(a, b, a.ask(b, PING)).a)).toEqual([expect.objectContaining({ type: 'pong' })])
      expect(repliesOf(converse(b, a, b.ask(a, PING)).a)).toEqual([expect.objectContaining({ type: 'pong' })])
    }
    expect([a.exchange.sizes.challenges, b.exchange.sizes.challenges]).toEqual([0, 0])
  })

  it('goes by the one that arrives last, where both have begun it', () => {
    const { a, b } = pairOf()
    const forgetful = new Party({ endpoint: b.endpoint, seed: 2 }) // the same as b, but with the session of a's handshake only
    const [fromA, fromB] = [only(a.ask(b, PING)), only(b.ask(a, PING))]
    expect(only(forgetful.ask(a, PING))).toEqual(fromB)
    const [whoIsA, whoIsB] = [only(b.take(fromA, a.endpoint)), only(a.take(fromB, b.endpoint))]
    expect(only(forgetful.take(fromA, a.endpoint))).toEqual(whoIsA)
    const [byA, byB] = [only(a.take(whoIsA, b.endpoint)), only(b.take(whoIsB, a.endpoint))]
    const pongToA = only(forgetful.take(byA, a.endpoint))
    expect(repliesOf(forgetful.take(only(a.take(byB, b.endpoint)), a.endpoint))).toEqual([expect.objectContaining({ type: 'pong' })])
    expect(repliesOf(a.take(pongToA, b.endpoint))).toEqual([expect.objectContaining({ type: 'pong' })])
    expect(kindOf(only(forgetful.take(only(a.ask(b, PING)), a.endpoint)), a)).toBe('message')
  })

  it('leaves what waits behind it to be asked, where both have begun it', () => {
    const { a, b } = pairOf()
    const begun = (from: Party, to: Party): Uint8Array[] => [1, 2, 3].flatMap(() => packetsOf(from.ask(to, PING)))
    const onTheWay = [...begun(a, b).map((packet) => [packet, b, a] as const), ...begun(b, a).map((packet) => [packet, a, b] as const)]
    const answered = new Map([a, b].map((party) => [party, 0]))
    let challenges = 0
    for (let next = onTheWay.shift(); next !== undefined; next = onTheWay.shift()) {
      const [packet, to, from] = next
      if (kindOf(packet, to) === 'whoareyou') challenges++
      const effects = to.take(packet, from.endpoint)
      answered.set(to, (answered.get(to) ?? 0) + repliesOf(effects).length)
      onTheWay.push(...packetsOf(effects).map((sent) => [sent, from, to] as const))
    }
    expect([...answered.values()]).toEqual([3, 3])
    expect(challenges).toBe(2)
    expect([a, b].map(({ exchange }) => exchange.sizes)).toEqual(Array(2).fill({ sessions: 1, challenges: 0, calls: 0 }))
  })

  // conformance: PingMultiIP
  it('holds for one endpoint', () => {
    const { a, b } = bonded()
    const moved = { ip: '127.0.0.2', port: a.endpoint.port }
    const answer = only(b.take(only(a.ask(b, PING)), moved))
    expect(kindOf(answer, a)).toBe('whoareyou')
    expect(faultsOf(a.take(answer, moved))).toEqual(['discv5/unsolicited-whoareyou'])
  })

  it('is not begun with ourselves', () => {
    const { a } = pairOf()
    expect(faultsOf(a.take(only(a.ask(a, PING)), a.endpoint))).toEqual(['discv5/self'])
  })
})

describe('a WHOAREYOU', () => {
  // geth: unknownPacket, unknownPacketKnownNode
  it('tells which record of the other one is known', () => {
    const pair = pairOf()
    const known = recordAt(pair.a.secretKey, pair.a.endpoint, 7n)
    for (const [node, enrSeq] of [
      [undefined, 0n],
      [known, 7n],
    ] as const) {
      const b = new Party({ endpoint: pair.b.endpoint, seed: 2, nodeOf: () => node })
      const whoareyou = only(b.take(only(new Party({ seed: 1 }).ask(b, PING)), pair.a.endpoint))
      expect(decodePacket(whoareyou, new HeaderMask(bytesOf(pair.a.record.nodeId)))).toMatchObject({ kind: 'whoareyou', enrSeq })
    }
  })

  it('that answers nothing is passed over', () => {
    const { a, b } = pairOf()
    const whoareyou = only(b.take(only(a.ask(b, PING)), a.endpoint))
    const other = new Party({ endpoint: a.endpoint, seed: 1 })
    expect(faultsOf(other.take(whoareyou, b.endpoint))).toEqual(['discv5/unsolicited-whoareyou'])
    expect(faultsOf(a.take(whoareyou, { ip: '127.0.0.9', port: b.endpoint.port }))).toEqual(['discv5/unsolicited-whoareyou'])
  })

  // geth: multipleHandshakeRounds
  it('is answered once an attempt', () => {
    const { a, b } = pairOf()
    const whoareyou = only(b.take(only(a.ask(b, PING)), a.endpoint))
    only(a.take(whoareyou, b.endpoint))
    expect(faultsOf(a.take(whoareyou, b.endpoint))).toEqual(['discv5/repeated-whoareyou'])
  })

  // geth: callResend
  it('has all that was asked sent again', () => {
    const { a, b } = bonded()
    const restarted = new Party({ endpoint: b.endpoint, seed: 2 })
    restarted.seeded.bytes(64)
    const asked = [...a.ask(b, PING), ...a.ask(b, PING), ...a.ask(b, PING)]
    expect(repliesOf(converse(a, restarted, asked).a)).toHaveLength(3)
  })
})

describe('a request', () => {
  it('waits for the handshake that another began', () => {
    const { a, b } = pairOf()
    const first = a.ask(b, PING)
    expect([a.ask(b, PING), a.ask(b, { type: 'findnode', distances: [0] })]).toEqual([[], []])
    expect(repliesOf(converse(a, b, first).a).map((reply) => reply?.type)).toEqual(['pong', 'pong', 'nodes'])
    expect(a.exchange.sizes.calls).toBe(0)
  })

  it('finds no room where too many wait', () => {
    const { a, b } = pairOf()
    for (let i = 0; i < 64; i++) a.ask(b, PING)
    expect(a.exchange.request(b.record, b.endpoint, PING, 0)).toBeUndefined()
    for (let i = 0; i < 2048 - 64; i++) a.exchange.request(b.record, { ip: '127.0.0.1', port: 40000 + i }, PING, 0)
    expect(a.exchange.request(b.record, { ip: '127.0.0.1', port: 60000 }, PING, 0)).toBeUndefined()
    expect(a.exchange.sizes.calls).toBe(2048)
    expect(repliesOf(a.exchange.expire(700))).toEqual([])
    expect(repliesOf(a.exchange.expire(1400))).toEqual(Array(2048).fill(undefined))
    expect(a.exchange.sizes.calls).toBe(0)
  })

  it('is tried twice, with the same random packet', () => {
    const { a, b } = pairOf()
    const first = only(a.ask(b, PING))
    expect(a.exchange.deadline).toBe(700)
    expect(a.exchange.expire(699)).toEqual([])
    expect(only(a.exchange.expire(700))).toEqual(first)
    expect(a.exchange.expire(1400)).toEqual([{ do: 'ended', call: 1, reply: undefined }])
    expect(a.exchange.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  it.each([0, 1, 2, 3])('survives the loss of its packet %i', (lost) => {
    const { a, b } = pairOf()
    let effects = a.ask(b, PING)
    let [to, from] = [b, a]
    for (let i = 0; i < lost; i++) {
      effects = to.take(only(effects), from.endpoint)
      ;[to, from] = [from, to]
    }
    expect(repliesOf(converse(a, b, a.exchange.expire(700), 700).a)).toEqual([expect.objectContaining({ type: 'pong' })])
  })

  it('takes those behind it along when nobody answers', () => {
    const { a, b } = pairOf()
    a.ask(b, PING)
    a.ask(b, PING)
    a.exchange.expire(700)
    expect(repliesOf(a.exchange.expire(1400))).toEqual([undefined, undefined])
  })

  it('is not answered by another kind of answer, from elsewhere, or twice', () => {
    const { a, b } = bonded()
    const ping = only(a.ask(b, PING))
    const pong = only(b.take(ping, a.endpoint))
    expect(repliesOf(a.take(pong, b.endpoint))).toHaveLength(1)
    expect(faultsOf(a.take(pong, b.endpoint))).toEqual(['discv5/unsolicited-answer'])
  })

  it('tells of its answer also where the record of the other one is not known', () => {
    const { a, b } = pairOf()
    const bare = { ...b.record, seq: 0n } as NodeRecord
    const request = a.exchange.request(bare, b.endpoint, PING, 0)
    expect(repliesOf(converse(a, b, request?.effects ?? []).a)).toHaveLength(1)
  })
})

describe('PING', () => {
  // geth: pingHandling; conformance: Ping, TalkRequest with an empty request id
  it('is answered with where it came from, over IPv6 as well', () => {
    const { a, b } = bonded({ endpoint: { ip: '2600:1::1', port: 30301 } }, { endpoint: { ip: '2600:2::1', port: 30302 } })
    expect(repliesOf(converse(a, b, a.ask(b, PING)).a)).toEqual([{ type: 'pong', enrSeq: 1n, ip: '2600:1::1', port: 30301 }])
  })

  it('lets the other one be told of as met, at most once in ten seconds', () => {
    const { a, b } = bonded()
    const met = (now: number): number => {
      const effects = b.take(only(a.ask(b, PING, now)), a.endpoint, now)
      return effects.filter((effect) => effect.do === 'met').length
    }
    expect([met(0), met(9999), met(10_000), met(10_001)]).toEqual([0, 0, 1, 0])
  })
})

describe('a session', () => {
  it('is over when the other one uses the next', () => {
    const { a, b } = bonded()
    const [old, other] = [only(a.ask(b, PING)), only(a.ask(b, PING))]
    const restarted = new Party({ endpoint: a.endpoint, seed: 1 })
    restarted.seeded.bytes(64)
    converse(restarted, b, restarted.ask(b, PING))
    expect(kindOf(only(b.take(old, a.endpoint)), a)).toBe('message')
    b.take(only(restarted.ask(b, PING)), a.endpoint)
    expect(kindOf(only(b.take(other, a.endpoint)), a)).toBe('whoareyou')
  })

  it('is agreed anew after half a day', () => {
    const { a, b } = bonded()
    const later = 13 * 3_600_000
    expect(kindOf(only(a.ask(b, PING, later)), b)).toBe('message')
    expect(a.exchange.sizes.sessions).toBe(0)
    const fresh = only(a.exchange.expire(later + 700))
    expect(kindOf(only(b.take(fresh, a.endpoint, later + 700)), a)).toBe('whoareyou')
    expect(b.exchange.sizes.sessions).toBe(0)
  })
})

describe('TALKREQ', () => {
  const protocol = new TextEncoder().encode('echo')

  // geth: talkHandling, talkRequest
  it('is handed on, and answered when the answer is there', () => {
    const { a, b } = pairOf()
    const told = converse(a, b, a.ask(b, { type: 'talkreq', protocol, message: Uint8Array.of(1, 2) })).b
    const talk = told.find((effect) => effect.do === 'talk')
    if (talk === undefined) throw new Error('no talk')
    expect(talk.query).toMatchObject({ node: a.record, from: a.endpoint })
    expect(Buffer.from(talk.query.message)).toEqual(Buffer.from([1, 2]))
    expect(repliesOf(a.take(only(b.exchange.talkResponse(talk.query, Uint8Array.of(3))), b.endpoint))).toEqual([
      { type: 'talkresp', message: Uint8Array.of(3) },
    ])
  })

  it('that leaves no room for a handshake lets a ping go first', () => {
    const { a, b } = pairOf()
    const message = new Uint8Array(1100).fill(7)
    const told = converse(a, b, a.ask(b, { type: 'talkreq', protocol, message }))
    expect(told.b.map((effect) => effect.do)).toEqual(['met', 'talk'])
    expect(told.a).toEqual([expect.objectContaining({ do: 'seen' })])
    expect(a.exchange.sizes.calls).toBe(1)
  })

  it('is not repeated once the other one may have read it', () => {
    const { a, b } = bonded()
    a.ask(b, { type: 'talkreq', protocol, message: new Uint8Array(1) })
    expect(repliesOf(a.exchange.expire(700))).toEqual([undefined])
  })
})

describe('FINDNODE', () => {
  const { bytes } = seeded(77)
  /** Neighbours at 127.0.0.1. */
  const neighbours = Array.from({ length: 20 }, (_, i) => recordAt(bytes(32), { ip: '127.0.0.1', port: 40000 + i }))

  // conformance: FindnodeZeroDistance
  it('at distance 0 is answered with our record', () => {
    const { a, b } = pairOf()
    expect(repliesOf(converse(a, b, a.ask(b, { type: 'findnode', distances: [0] })).a)).toEqual([{ type: 'nodes', nodes: [b.record] }])
  })

  // geth: findnodeHandling
  it('is answered with sixteen at most, in packets that fit', () => {
    const big = Array.from({ length: 20 }, (_, i) => {
      const entries = { ip: encodeRlp(Uint8Array.of(127, 0, 0, 1)), udp: encodeRlp(40000 + i), x: encodeRlp(new Uint8Array(160)) }
      return nodeFromEnr(signEnr(bytes(32), 1n, entries))
    })
    for (const [known, packets] of [
      [neighbours, 2],
      [big, 5],
      [[], 1],
    ] as const) {
      const { a, b } = bonded({}, { nodesAt: () => known })
      const answer = b.take(only(a.ask(b, { type: 'findnode', distances: [256] })), a.endpoint)
      expect(packetsOf(answer)).toHaveLength(packets)
      for (const packet of packetsOf(answer)) expect(packet.length).toBeLessThanOrEqual(1280)
    }
  })

  it('collects an answer in several packets, and gives up nothing of it where one is lost', () => {
    const asked: RequestBody = { type: 'findnode', distances: Array.from({ length: 256 }, (_, i) => i + 1) }
    const { a, b } = bonded({}, { nodesAt: () => neighbours })
    const packets = packetsOf(b.take(only(a.ask(b, asked)), a.endpoint))
    expect(packets.slice(1).flatMap((packet) => a.take(packet, b.endpoint, 600))).toEqual([])
    // geth: callTimeoutReset
    expect(a.exchange.deadline).toBe(1300)
    const [reply] = repliesOf(a.exchange.expire(1300))
    expect(reply?.type === 'nodes' ? reply.nodes.length : 0).toBeGreaterThan(4)
    const again = packetsOf(b.take(only(a.ask(b, asked)), a.endpoint)).flatMap((packet) => a.take(packet, b.endpoint))
    expect(again).toEqual([{ do: 'ended', call: 3, reply: { type: 'nodes', nodes: neighbours.slice(0, 16) } }])
  })

  it('does not tell those outside of nodes inside', () => {
    const { a, b } = bonded({ endpoint: { ip: '8.8.8.8', port: 30301 } }, { nodesAt: () => neighbours })
    expect(repliesOf(converse(a, b, a.ask(b, { type: 'findnode', distances: [256] })).a)).toEqual([{ type: 'nodes', nodes: [] }])
  })

  describe('answered by hand', () => {
    /** Has `b` answer a FINDNODE of `a` with these. */
    function answered(
      bodies: readonly ResponseBody[],
      options: Parameters<typeof pairOf>[0] = {},
      distances = [256, 255, 254],
    ): ExchangeEffect[] {
      const { a, b } = bonded({ endpoint: { ip: '8.8.4.4', port: 30301 }, ...options }, { endpoint: { ip: '8.8.8.8', port: 30302 } })
      const request = a.exchange.request(b.record, b.endpoint, { type: 'findnode', distances }, 0)
      const opened = openFor(b, only(request?.effects ?? []), a)
      return bodies.flatMap((body) => a.take(opened(body), b.endpoint))
    }

    /** Reads what `b` was sent and seals answers to it, as its own machine would. */
    function openFor(b: Party, packet: Uint8Array, a: Party): (body: ResponseBody) => Uint8Array {
      const talk = (requestId: Uint8Array, body: ResponseBody): Uint8Array => {
        const query = { node: a.record, from: a.endpoint, protocol: bytes(0), message: bytes(0), requestId, session: sessionOf(b, a) }
        const { session } = query
        const nonce = session.nonce(bytes)
        const header = messageHeader(bytes(16), nonce, bytesOf(b.record.nodeId))
        const sealed = session.seal(nonce, encodeMessage({ requestId, body }), header)
        return encodePacket(header, sealed, new HeaderMask(bytesOf(a.record.nodeId)))
      }
      const decoded = decodePacket(packet, new HeaderMask(bytesOf(b.record.nodeId)))
      if (decoded === undefined || !('kind' in decoded) || decoded.kind !== 'message') throw new Error('no message')
      const plain = sessionOf(b, a).open(decoded.nonce, decoded.sealed, decoded.header) ?? new Uint8Array(0)
      const requestId = plain.slice(3, 9)
      return (body) => talk(requestId, body)
    }

    /** The session that a TALKREQ shows. */
    function sessionOf(b: Party, a: Party) {
      const told = b.take(only(a.ask(b, { type: 'talkreq', protocol: bytes(1), message: bytes(1) })), a.endpoint)
      const talk = told.find((effect) => effect.do === 'talk')
      if (talk === undefined) throw new Error('no talk')
      return talk.query.session
    }

    const b = new Party({ endpoint: { ip: '8.8.8.8', port: 30302 }, seed: 2 })
    /** A record at a distance of at least 254 from `b`, with this endpoint. */
    const near = (ip: string, port: number): NodeRecord =>
      recordAt(
        keyAt((at) => at >= 254),
        { ip, port },
      )
    const rlp = (node: NodeRecord): Uint8Array => (node as NodeRecord & { enr: { bytes: Uint8Array } }).enr.bytes

    function keyAt(isWanted: (distance: number) => boolean): Uint8Array {
      for (;;) {
        const key = bytes(32)
        if (isWanted(distanceTo(nodeIdFor(key)))) return key
      }
    }
    function distanceTo(id: string): number {
      const xor = BigInt(`0x${id}`) ^ BigInt(`0x${b.record.nodeId}`)
      return xor.toString(2).length
    }

    it('total 0 keeps nobody waiting', () => {
      const node = near('8.8.1.1', 30303)
      expect(answered([{ type: 'nodes', total: 0, records: [rlp(node)] }])).toEqual([
        { do: 'ended', call: 2, reply: { type: 'nodes', nodes: [node] } },
      ])
    })

    it('a total beyond the limit counts as the limit', () => {
      const body: ResponseBody = { type: 'nodes', total: 200, records: [] }
      expect(repliesOf(answered(Array(4).fill(body)))).toEqual([])
      expect(answered(Array(6).fill(body))).toEqual([
        { do: 'ended', call: 2, reply: { type: 'nodes', nodes: [] } },
        { do: 'fault', fault: { fault: 'discv5/unsolicited-answer' }, from: b.endpoint },
      ])
    })

    // geth: findnodeCall InvalidNodes
    it.each([
      [
        'of a distance that was not asked for',
        recordAt(
          keyAt((at) => at < 254),
          { ip: '8.8.1.1', port: 30303 },
        ),
        'wrong-distance',
      ],
      ['in our private network, told from outside', near('192.168.1.1', 30303), 'bad-relay'],
      ['on loopback, told from outside', near('127.0.0.1', 30303), 'bad-relay'],
      ['in a documentation network', near('192.0.2.1', 30303), 'bad-relay'],
      ['at a low port', near('8.8.1.1', 1024), 'low-port'],
      [
        'without an endpoint',
        nodeFromEnr(
          signEnr(
            keyAt((at) => at >= 254),
            1n,
            {},
          ),
        ),
        'no-endpoint',
      ],
    ])('a record %s is refused', (_, node, refusal) => {
      const good = near('8.8.1.2', 1025)
      expect(answered([{ type: 'nodes', total: 1, records: [rlp(node), rlp(good)] }])).toEqual([
        { do: 'fault', fault: { fault: `discv5/${refusal}` }, from: b.endpoint },
        { do: 'ended', call: 2, reply: { type: 'nodes', nodes: [good] } },
      ])
    })

    it('a record that was changed, and one that is there twice, are refused', () => {
      const node = near('8.8.1.1', 30303)
      const changed = rlp(node).slice()
      changed[20] = (changed[20] ?? 0) ^ 1
      expect(answered([{ type: 'nodes', total: 1, records: [changed, rlp(node), rlp(node)] }])).toEqual([
        { do: 'fault', fault: { fault: 'discv5/bad-record' }, from: b.endpoint },
        { do: 'fault', fault: { fault: 'discv5/repeated' }, from: b.endpoint },
        { do: 'ended', call: 2, reply: { type: 'nodes', nodes: [node] } },
      ])
    })

    it('a record elsewhere than where we may go is refused', () => {
      const netRestrict = parseNetList('8.8.4.0/24, 8.8.8.0/24')
      expect(faultsOf(answered([{ type: 'nodes', total: 1, records: [rlp(near('9.9.9.9', 30303))] }], { netRestrict }))).toEqual([
        'discv5/net-restricted',
      ])
    })
  })
})

describe('floods', () => {
  const at = (i: number): string => `11.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`
  /** A random packet of somebody new. */
  function stranger(b: Party, i: number): Uint8Array {
    const { bytes } = seeded(1000 + i)
    const header = messageHeader(bytes(16), bytes(12), bytes(32))
    return encodePacket(header, bytes(20), new HeaderMask(bytesOf(b.record.nodeId)))
  }

  it('from one address are answered at a bounded rate', () => {
    const { b } = pairOf({}, { limits: { perAddress: 10 } })
    const from = { ip: '11.1.1.1', port: 30303 }
    const effects = Array.from({ length: 1000 }, (_, i) => b.take(stranger(b, i), { ...from, port: 1025 + i }, i)).flat()
    expect(packetsOf(effects)).toHaveLength(29)
    expect(faultsOf(effects)).toHaveLength(971)
    // IPv6: by /64.
    const six = Array.from({ length: 100 }, (_, i) => b.take(stranger(b, i), { ip: `2600::${i.toString(16)}`, port: 30303 }, 0)).flat()
    expect(packetsOf(six)).toHaveLength(20)
  })

  it('from many addresses leave a bounded number of challenges', () => {
    const { b } = pairOf({}, { limits: { challenges: 100 } })
    for (let i = 0; i < 5000; i++) b.take(stranger(b, i), { ip: at(i), port: 30303 }, 0)
    expect(b.exchange.sizes).toEqual({ sessions: 0, challenges: 100, calls: 0 })
    b.take(stranger(b, 5000), { ip: at(5000), port: 30303 }, 1000)
    expect(b.exchange.sizes.challenges).toBe(1)
  })

  it('of handshakes leave a bounded number of sessions', () => {
    const { b } = pairOf({}, { limits: { sessions: 5 } })
    for (let i = 0; i < 12; i++) {
      const a = new Party({ endpoint: { ip: at(i), port: 30303 }, seed: 100 + i })
      expect(repliesOf(converse(a, b, a.ask(b, PING)).a)).toHaveLength(1)
    }
    expect(b.exchange.sizes.sessions).toBe(5)
  })

  it('of wrong handshakes from many addresses are looked at at a bounded rate, and others a second later', () => {
    const { b } = pairOf()
    const wrong = (i: number, now: number): string[] => {
      const { bytes } = seeded(i)
      const sourceId = bytes(32)
      const from = { ip: at(i), port: 30303 }
      const mask = new HeaderMask(bytesOf(b.record.nodeId))
      b.take(encodePacket(messageHeader(bytes(16), bytes(12), sourceId), bytes(20), mask), from, now)
      const header = handshakeHeader(bytes(16), bytes(12), { sourceId, idSignature: bytes(64), ephemeralKey: bytes(33), record: undefined })
      return faultsOf(b.take(encodePacket(header, bytes(20), mask), from, now))
    }
    const faults = Array.from({ length: 2100 }, (_, i) => wrong(i, 0)).flat()
    expect(faults.filter((fault) => fault === 'discv5/no-record')).toHaveLength(2000)
    expect(faults.filter((fault) => fault === 'discv5/rate-limited')).toHaveLength(100)
    const inside = new Party({ endpoint: { ip: '10.0.0.9', port: 30303 }, seed: 7 })
    expect(repliesOf(converse(inside, b, inside.ask(b, PING)).a)).toHaveLength(1)
    const outside = new Party({ endpoint: { ip: '12.0.0.9', port: 30303 }, seed: 8 })
    expect(repliesOf(converse(outside, b, outside.ask(b, PING)).a)).toEqual([])
    expect(repliesOf(converse(outside, b, outside.exchange.expire(1000), 1000).a)).toHaveLength(1)
  })

  it('of one node’s requests are answered at a bounded rate', () => {
    const { a, b } = bonded({}, { limits: { perNode: 10 } })
    const effects = Array.from({ length: 40 }, () => b.take(only(a.ask(b, PING)), a.endpoint, 0)).flat()
    expect(packetsOf(effects)).toHaveLength(19)
    expect(faultsOf(effects)).toEqual(Array(21).fill('discv5/rate-limited'))
  })

  it('of many nodes at one address count as those of one', () => {
    const { b } = pairOf({}, { limits: { perNode: 10 } })
    const nodes = Array.from({ length: 5 }, (_, i) => new Party({ endpoint: { ip: '11.1.1.1', port: 30301 + i }, seed: 100 + i }))
    for (const a of nodes) converse(a, b, a.ask(b, PING))
    const effects = nodes.flatMap((a) => Array.from({ length: 40 }, () => b.take(only(a.ask(b, PING)), a.endpoint)).flat())
    expect(packetsOf(effects)).toHaveLength(15)
  })

  it('of answers that nobody asked for are not read for long', () => {
    const { a, b } = bonded({ limits: { perNode: 10 } })
    const pong = only(b.take(only(a.ask(b, PING)), a.endpoint))
    const faults = faultsOf(Array.from({ length: 40 }, () => a.take(pong, b.endpoint)).flat())
    expect(faults.filter((fault) => fault === 'discv5/unsolicited-answer')).toHaveLength(20)
    expect(faults.filter((fault) => fault === 'discv5/rate-limited')).toHaveLength(19)
  })

  it('of answers to what was asked are all read', () => {
    const { a, b } = bonded({}, { limits: { perNode: 1 } })
    for (let i = 0; i < 50; i++) expect(repliesOf(converse(b, a, b.ask(a, PING)).a)).toHaveLength(1)
  })

  it('of sessions from one address leave those of others', () => {
    const { b } = pairOf({}, { limits: { sessions: 16 } })
    const ask = (ip: string, i: number): Party => {
      const a = new Party({ endpoint: { ip, port: 30303 }, seed: 100 + i })
      converse(a, b, a.ask(b, PING))
      return a
    }
    const others = [ask('11.1.1.1', 0), ask('11.1.1.2', 1)]
    for (let i = 2; i < 30; i++) ask(i % 2 === 0 ? '12.1.1.1' : `2600::${i}`, i)
    expect(b.exchange.sizes.sessions).toBe(2 + 2 + 2)
    for (const a of others) expect(kindOf(only(b.take(only(a.ask(b, PING)), a.endpoint)), a)).toBe('message')
  })

  it('of questions for many nodes look no further than an answer reaches', () => {
    const looks: string[] = []
    const { a, b } = pairOf(
      {},
      {
        nodesAt: () => Array.from({ length: 200 }, (_, i) => recordAt(seeded(i + 10).bytes(32), { ip: '127.0.0.1', port: 30303 })),
        endpointOf: (node) => {
          looks.push(node.nodeId)
          return node.endpoints[0]
        },
      },
    )
    const { a: told } = converse(a, b, a.ask(b, { type: 'findnode', distances: Array.from({ length: 256 }, (_, i) => i + 1) }))
    expect(repliesOf(told)).toMatchObject([{ type: 'nodes', nodes: { length: 16 } }])
    expect(looks).toHaveLength(16)
  })

  it('from outside of the networks that are allowed are not answered', () => {
    const { b } = pairOf({}, { netRestrict: parseNetList('10.0.0.0/8') })
    expect(b.take(stranger(b, 0), { ip: '11.1.1.1', port: 30303 }).map((effect) => effect.do)).toEqual(['fault'])
    expect(packetsOf(b.take(stranger(b, 0), { ip: '10.1.1.1', port: 30303 }))).toHaveLength(1)
  })
})
