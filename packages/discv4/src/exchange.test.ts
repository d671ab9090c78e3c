import { curve, encodeRlp, enrOf, keccak256, toHex } from '@kumiko/identity'
import type { NodeRecord } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { allSent, at, brief, exchangeOf, PORT, Remote, receive, recordOf, SELF, secretKey, sent, T0 } from '../test/remote.ts'
import { encodePacket, hashOf, PACKET_SIZE_MAX_BYTES, sealPacket } from './packet.ts'

const HOUR = 3_600_000

describe('a ping', () => {
  const remote = new Remote(1)

  it('gets a pong at the address where it came from, and a ping back', () => {
    const exchange = exchangeOf()
    const ping = remote.ping(T0)
    const effects = receive(exchange, ping, remote.from, T0)
    expect(brief(effects)).toEqual(['received ping', 'send pong', 'send ping'])
    const [pong, back] = [sent(effects, 'pong'), sent(effects, 'ping')]
    expect([pong.to, back.to]).toEqual([remote.from, remote.from])
    const { ip, port: udp } = remote.from
    expect(pong.packet).toEqual({
      type: 'pong',
      to: { ip, udp, tcp: PORT },
      pingHash: hashOf(ping),
      expiration: at(T0),
      enrSeq: 1n,
    })
    const from = { ip: SELF.ip, udp: PORT, tcp: PORT }
    expect(back.packet).toEqual({ type: 'ping', version: 4, from, to: { ip, udp, tcp: 0 }, expiration: at(T0), enrSeq: 1n })
  })

  it('gets less than three times its bytes, however few they are', () => {
    const nowhere = [new Uint8Array(), 0, 0]
    const least = sealPacket(1, encodeRlp([4, nowhere, nowhere, at(T0)]), remote.key)
    for (const ip of [remote.from.ip, '2001:db9::1']) {
      const effects = receive(exchangeOf(), least, { ip, port: PORT }, T0)
      const bytes = sent(effects, 'pong').bytes.length + sent(effects, 'ping').bytes.length
      expect(bytes).toBeLessThan(3 * least.length)
    }
  })

  it('gets only a pong from then on, once the ping back was answered, for a day', () => {
    const exchange = exchangeOf()
    expect(brief(remote.bond(exchange, T0))).toEqual(['received pong', 'statement'])
    for (const [now, expected] of [
      [T0 + 1000, ['received ping', 'send pong']],
      [T0 + 24 * HOUR - 1, ['received ping', 'send pong']],
      [T0 + 24 * HOUR, ['received ping', 'send pong', 'send ping']],
    ] as const) {
      expect(brief(receive(exchange, remote.ping(now), remote.from, now))).toEqual(expected)
    }
  })

  it('that was answered tells of its node a second later, and not before', () => {
    const bonded = exchangeOf()
    remote.bond(bonded, T0)
    expect(bonded.expire(T0 + 999)).toEqual([])
    expect(bonded.expire(T0 + 1000)).toMatchObject([{ do: 'met', origin: 'verified', enrSeq: 0n, node: { nodeId: remote.nodeId } }])
    expect(bonded.deadline).toBe(Number.POSITIVE_INFINITY)
    receive(bonded, remote.ping(T0 + 5000, 7n), remote.from, T0 + 5000)
    receive(bonded, remote.ping(T0 + 5500, 8n), remote.from, T0 + 5500)
    const endpoints = [{ host: remote.from.ip, udp: PORT, tcp: PORT }]
    expect(bonded.expire(T0 + 6000)).toMatchObject([{ do: 'met', origin: 'inbound', enrSeq: 8n, node: { endpoints } }])
  })

  it('is dropped when it has expired, also long before 1970', () => {
    const exchange = exchangeOf()
    for (const expiration of [T0 / 1000 - 1, 0]) {
      const { ip } = remote.from
      const late = remote.say({ type: 'ping', version: 4, from: here(ip), to: here(ip), expiration, enrSeq: undefined })
      expect(brief(receive(exchange, late, remote.from, T0))).toEqual(['discv4/expired'])
    }
    expect(exchange.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  it('of our own is passed over', () => {
    const own = encodePacket({ type: 'ping', version: 4, from: here(SELF.ip), to: here(SELF.ip), expiration: at(T0), enrSeq: 1n }, SELF.key)
    expect(brief(receive(exchangeOf(), own, remote.from, T0))).toEqual(['discv4/self'])
  })

  const here = (ip: string): { ip: string; udp: number; tcp: number } => ({ ip, udp: PORT, tcp: PORT })
})

describe('a proof', () => {
  const remote = new Remote(1)

  it('is a pong to our ping, with its hash, from its address, by its node, once', () => {
    const exchange = exchangeOf()
    const back = hashOf(sent(receive(exchange, remote.ping(T0), remote.from, T0), 'ping').bytes)
    const elsewhere = { ...remote.from, ip: '6.9.9.9' }
    const other = new Remote(2, remote.from.ip)
    expect(brief(receive(exchange, remote.pong(new Uint8Array(32), T0), remote.from, T0))).toContain('discv4/unsolicited')
    expect(brief(receive(exchange, remote.pong(back, T0), elsewhere, T0))).toContain('discv4/unsolicited')
    expect(brief(receive(exchange, other.pong(back, T0), remote.from, T0))).toContain('discv4/unsolicited')
    expect(exchange.sizes.proofs).toBe(0)
    expect(brief(receive(exchange, remote.pong(back, T0), remote.from, T0))).toEqual(['received pong', 'statement'])
    expect(exchange.sizes.proofs).toBe(1)
    expect(brief(receive(exchange, remote.pong(back, T0), remote.from, T0))).toEqual(['discv4/unsolicited'])
  })

  it('of one address is none of another, though both were pinged', () => {
    const exchange = exchangeOf()
    const elsewhere = { ip: '6.9.9.9', port: PORT }
    const back = hashOf(sent(receive(exchange, remote.ping(T0), remote.from, T0), 'ping').bytes)
    receive(exchange, remote.ping(T0), elsewhere, T0)
    expect(brief(receive(exchange, remote.pong(back, T0), elsewhere, T0))).toEqual(['received pong', 'discv4/unsolicited'])
  })

  it('may come from another port, and not too late', () => {
    const exchange = exchangeOf()
    const back = hashOf(sent(receive(exchange, remote.ping(T0), remote.from, T0), 'ping').bytes)
    const port = { ...remote.from, port: 1234 }
    expect(brief(receive(exchange, remote.pong(back, T0), port, T0 + 999))).toEqual(['received pong', 'statement'])
    const late = exchangeOf()
    const lateBack = hashOf(sent(receive(late, remote.ping(T0), remote.from, T0), 'ping').bytes)
    expect(late.expire(T0 + 1000)).toEqual([])
    expect(brief(receive(late, remote.pong(lateBack, T0), remote.from, T0 + 1000))).toEqual(['discv4/unsolicited'])
  })

  it('is wanted before anything but a ping is answered: not even a signature is looked at', () => {
    const exchange = exchangeOf()
    for (const packet of [remote.findnode(T0), remote.enrRequest(T0)]) {
      expect(brief(receive(exchange, packet, remote.from, T0))).toEqual(['discv4/unproved'])
    }
    receive(exchange, remote.ping(T0), remote.from, T0)
    for (const packet of [remote.findnode(T0), remote.enrRequest(T0)]) {
      expect(brief(receive(exchange, packet, remote.from, T0))).toEqual(['discv4/unproved'])
    }
  })

  it('of one node at an address is none of another there, nor of itself elsewhere', () => {
    const exchange = exchangeOf()
    remote.bond(exchange, T0)
    const neighbour = new Remote(2, remote.from.ip)
    const elsewhere = { ip: '6.9.9.9', port: PORT }
    expect(brief(receive(exchange, neighbour.findnode(T0), neighbour.from, T0))).toEqual(['received findnode', 'discv4/unproved'])
    expect(brief(receive(exchange, neighbour.enrRequest(T0), neighbour.from, T0))).toEqual(['received enrrequest', 'discv4/unproved'])
    expect(brief(receive(exchange, remote.findnode(T0), elsewhere, T0))).toEqual(['discv4/unproved'])
    expect(brief(receive(exchange, remote.findnode(T0), remote.from, T0))).toEqual(['received findnode', 'send neighbors'])
  })
})

describe('what a proved node asks', () => {
  const remote = new Remote(1)

  it('is answered by the nearest nodes, in packets that fit', () => {
    const nodes = Array.from({ length: 16 }, (_, i) => recordOf(secretKey(100 + i), `7.0.0.${i + 1}`))
    const asked: string[] = []
    const exchange = exchangeOf({
      closest: (target) => {
        asked.push(target)
        return nodes
      },
    })
    remote.bond(exchange, T0)
    const packets = allSent(receive(exchange, remote.findnode(T0), remote.from, T0), 'neighbors')
    expect(asked).toEqual([remote.nodeId])
    expect(packets.map(({ packet }) => packet.nodes.length)).toEqual([12, 4])
    expect(packets.every(({ bytes }) => bytes.length <= PACKET_SIZE_MAX_BYTES)).toBe(true)
    const told = packets.flatMap(({ packet }) => packet.nodes.map(({ publicKey }) => toHex(curve.compress(publicKey))))
    expect(told).toEqual(nodes.map(({ publicKey }) => toHex(publicKey)))
  })

  it('is answered also where there is nothing to tell', () => {
    const exchange = exchangeOf()
    remote.bond(exchange, T0)
    expect(sent(receive(exchange, remote.findnode(T0), remote.from, T0), 'neighbors').packet.nodes).toEqual([])
  })

  it('leads nobody outside to addresses inside, nor to itself', () => {
    const inside = new Remote(2, '10.0.0.9')
    const nodes: NodeRecord[] = [recordOf(secretKey(100), '10.0.0.1'), recordOf(secretKey(101), '7.0.0.1'), remote.node]
    const exchange = exchangeOf({ closest: () => nodes })
    const ipsFor = (asker: Remote): string[] => {
      asker.bond(exchange, T0)
      return sent(receive(exchange, asker.findnode(T0), asker.from, T0), 'neighbors').packet.nodes.map(({ ip }) => ip)
    }
    expect(ipsFor(remote)).toEqual(['7.0.0.1'])
    expect(ipsFor(inside)).toEqual(['10.0.0.1', '7.0.0.1', remote.from.ip])
  })

  it('gets our record', () => {
    const exchange = exchangeOf()
    remote.bond(exchange, T0)
    const request = remote.enrRequest(T0)
    const { packet } = sent(receive(exchange, request, remote.from, T0), 'enrresponse')
    expect(packet).toEqual({ type: 'enrresponse', requestHash: hashOf(request), record: enrOf(recordOf(SELF.key, SELF.ip))?.bytes })
  })

  it('is dropped when it has expired', () => {
    const exchange = exchangeOf()
    remote.bond(exchange, T0)
    const past = remote.say({ type: 'findnode', target: remote.publicKey, expiration: Math.floor(T0 / 1000) - 1 })
    expect(brief(receive(exchange, past, remote.from, T0))).toEqual(['discv4/expired'])
  })
})

describe('a datagram', () => {
  const remote = new Remote(1)

  it('of another protocol is left to others', () => {
    const junk = [new Uint8Array(0), new Uint8Array(97), new Uint8Array(200), new Uint8Array(1281)]
    for (const bytes of junk) expect(exchangeOf().receive(bytes, remote.from, T0)).toBeUndefined()
  })

  it('of an unknown type, badly made or not signed is a fault and gets no answer', () => {
    const unsigned = remote.ping(T0)
    unsigned.fill(0xff, 32, 97)
    unsigned.set(keccak256(unsigned.subarray(32)))
    for (const [bytes, fault] of [
      [sealPacket(66, new Uint8Array(), remote.key), 'discv4/unknown-type'],
      [sealPacket(1, Uint8Array.of(0xc0), remote.key), 'discv4/bad-packet'],
      [unsigned, 'discv4/bad-signature'],
    ] as const) {
      expect(brief(receive(exchangeOf(), bytes, remote.from, T0))).toEqual([fault])
    }
  })

  it('is not even read where its like is not awaited, or too many came', () => {
    const exchange = exchangeOf({ limits: { perStranger: 1 } })
    const unreadable = (type: number): Uint8Array => sealPacket(type, Uint8Array.of(0xc0), remote.key)
    for (const [type, fault] of [
      [2, 'discv4/unsolicited'],
      [3, 'discv4/unproved'],
      [4, 'discv4/unsolicited'],
      [5, 'discv4/unproved'],
      [6, 'discv4/unsolicited'],
      [1, 'discv4/bad-packet'],
      [1, 'discv4/bad-packet'],
      [1, 'discv4/flood'],
    ] as const) {
      expect(brief(receive(exchange, unreadable(type), remote.from, T0))).toEqual([fault])
    }
  })

  it('that answers nothing we asked is a fault', () => {
    const exchange = exchangeOf()
    remote.bond(exchange, T0)
    const fake = new Remote(9)
    const response = remote.say({
      type: 'enrresponse',
      requestHash: new Uint8Array(32),
      record: enrOf(recordOf(remote.key, '6.0.0.1'))!.bytes,
    })
    for (const bytes of [remote.neighbors(T0, [fake]), response, remote.pong(new Uint8Array(32), T0)]) {
      expect(brief(receive(exchange, bytes, remote.from, T0))).toEqual(['discv4/unsolicited'])
    }
  })

  it('from outside of the networks that we keep to is refused, and nobody there is asked', () => {
    const exchange = exchangeOf({ allows: (ip) => ip.startsWith('10.') })
    expect(brief(receive(exchange, remote.ping(T0), remote.from, T0))).toEqual(['discv4/net-restricted'])
    const asked = exchange.ask({ request: 1, nodeId: remote.nodeId, to: remote.from, ask: { type: 'ping' } }, T0)
    expect(brief(asked)).toEqual(['settle 1 undefined'])
    const inside = new Remote(2, '10.0.0.1')
    expect(brief(receive(exchange, inside.ping(T0), inside.from, T0))).toEqual(['received ping', 'send pong', 'send ping'])
  })
})
