import { enrOf } from '@kumiko/identity'
import { describe, expect, it } from 'vitest'
import { allSent, brief, exchangeOf, Remote, receive, recordOf, SELF, sent, T0 } from '../test/remote.ts'
import type { Ask, ExchangeEffect } from './effect.ts'
import type { Exchange } from './exchange.ts'
import { hashOf } from './packet.ts'
import { REQUESTS_MAX } from './requests.ts'

const remote = new Remote(1)
const PING: Ask = { type: 'ping' }
const FINDNODE: Ask = { type: 'findnode', target: new Uint8Array(64).fill(7) }
const ENR: Ask = { type: 'enrrequest' }

function ask(exchange: Exchange, ask: Ask, now = T0, request = 1, of = remote): ExchangeEffect[] {
  return exchange.ask({ request, nodeId: of.nodeId, to: of.from, ask }, now)
}

/** Both have proved where they are. */
function bonded(options: Parameters<typeof exchangeOf>[0] = {}): Exchange {
  const exchange = exchangeOf(options)
  remote.bond(exchange, T0)
  exchange.expire(T0 + 1000)
  return exchange
}

describe('a ping of ours', () => {
  it('is answered by its pong', () => {
    const exchange = exchangeOf()
    const asked = ask(exchange, PING)
    expect(brief(asked)).toEqual(['contact', 'send ping'])
    const pong = remote.pong(hashOf(sent(asked, 'ping').bytes), T0, 5n)
    const effects = receive(exchange, pong, remote.from, T0 + 40)
    expect(effects).toContainEqual({
      do: 'settle',
      request: 1,
      answer: { type: 'pong', to: { ip: '5.5.5.5', udp: 30303, tcp: 0 }, enrSeq: 5n },
    })
    expect(exchange.expire(T0 + 10_000)).toEqual([])
    expect(exchange.sizes).toMatchObject({ requests: 0, proofs: 1, greetings: 0 })
  })

  it('is sent once more as it was, and then given up', () => {
    const exchange = exchangeOf()
    const first = sent(ask(exchange, PING), 'ping').bytes
    expect(exchange.deadline).toBe(T0 + 500)
    expect(exchange.expire(T0 + 499)).toEqual([])
    expect(sent(exchange.expire(T0 + 500), 'ping').bytes).toEqual(first)
    expect(exchange.deadline).toBe(T0 + 1000)
    expect(brief(exchange.expire(T0 + 1000))).toEqual(['settle 1 undefined'])
    expect([exchange.deadline, exchange.sizes.requests]).toEqual([Number.POSITIVE_INFINITY, 0])
  })

  it('serves all who ask within the same second', () => {
    const exchange = exchangeOf()
    const bytes = sent(ask(exchange, PING, T0, 1), 'ping').bytes
    expect(ask(exchange, PING, T0 + 10, 2)).toEqual([])
    expect(brief(receive(exchange, remote.pong(hashOf(bytes), T0), remote.from, T0 + 20))).toEqual([
      'received pong',
      'settle 1 pong',
      'settle 2 pong',
      'statement',
    ])
  })

  it('to the same address for another node is told apart, though it is the same packet', () => {
    const exchange = exchangeOf()
    const other = new Remote(2, remote.from.ip)
    const bytes = sent(ask(exchange, PING, T0, 1), 'ping').bytes
    expect(sent(ask(exchange, PING, T0, 2, other), 'ping').bytes).toEqual(bytes)
    expect(brief(receive(exchange, other.pong(hashOf(bytes), T0), remote.from, T0))).toContain('settle 2 pong')
    expect(exchange.sizes.requests).toBe(1)
  })
})

describe('a question to a node that does not know us', () => {
  it('waits for its pong, its ping and our pong', () => {
    const exchange = exchangeOf()
    const asked = ask(exchange, FINDNODE)
    expect(brief(asked)).toEqual(['contact', 'send ping'])
    const pong = remote.pong(hashOf(sent(asked, 'ping').bytes), T0)
    expect(brief(receive(exchange, pong, remote.from, T0 + 40))).toEqual(['received pong', 'statement'])
    expect(brief(receive(exchange, remote.ping(T0), remote.from, T0 + 41))).toEqual(['received ping', 'send pong', 'send findnode'])
  })

  it('does not wait where the ping came before the pong', () => {
    const exchange = exchangeOf()
    const asked = ask(exchange, ENR)
    receive(exchange, remote.ping(T0), remote.from, T0 + 40)
    const pong = remote.pong(hashOf(sent(asked, 'ping').bytes), T0)
    expect(brief(receive(exchange, pong, remote.from, T0 + 41))).toContain('send enrrequest')
  })

  it('goes on after a quarter of a second without a ping: the node may know us from before', () => {
    const exchange = exchangeOf()
    const pong = remote.pong(hashOf(sent(ask(exchange, FINDNODE), 'ping').bytes), T0)
    receive(exchange, pong, remote.from, T0 + 40)
    expect(exchange.expire(T0 + 289)).toEqual([])
    expect(brief(exchange.expire(T0 + 290))).toEqual(['send findnode'])
    receive(exchange, remote.neighbors(T0, []), remote.from, T0 + 330)
    expect(brief(exchange.expire(T0 + 480))).toEqual(['settle 1 neighbors'])
    // From now on it is known to know us.
    expect(brief(ask(exchange, FINDNODE, T0 + 2000, 2))).toEqual(['send findnode'])
  })

  it('is given up where there is no pong', () => {
    const exchange = exchangeOf()
    ask(exchange, FINDNODE)
    expect(brief(exchange.expire(T0 + 500))).toEqual(['send ping'])
    expect(brief(exchange.expire(T0 + 1000))).toEqual(['settle 1 undefined'])
  })
})

describe('a findnode of ours', () => {
  const many = (count: number, from = 100): Remote[] => Array.from({ length: count }, (_, i) => new Remote(from + i))

  it('takes neighbors from several packets, up to sixteen', () => {
    const exchange = bonded()
    expect(brief(ask(exchange, FINDNODE, T0 + 2000))).toEqual(['send findnode'])
    const nodes = many(17)
    expect(brief(receive(exchange, remote.neighbors(T0, nodes.slice(0, 12)), remote.from, T0 + 2040))).toEqual(['received neighbors'])
    const effects = receive(exchange, remote.neighbors(T0, nodes.slice(12)), remote.from, T0 + 2041)
    expect(brief(effects)).toEqual(['received neighbors', 'settle 1 neighbors'])
    const settled = effects[1]
    const answer = settled?.do === 'settle' ? settled.answer : undefined
    expect(answer?.type === 'neighbors' ? answer.nodes.map(({ nodeId }) => nodeId) : []).toEqual(
      nodes.slice(0, 16).map(({ nodeId }) => nodeId),
    )
    expect(brief(receive(exchange, remote.neighbors(T0, nodes.slice(1, 3)), remote.from, T0 + 2042))).toEqual(['discv4/unsolicited'])
  })

  it('ends soon after the last packet of few', () => {
    const exchange = bonded()
    ask(exchange, FINDNODE, T0 + 2000)
    receive(exchange, remote.neighbors(T0, many(3)), remote.from, T0 + 2040)
    expect(exchange.expire(T0 + 2189)).toEqual([])
    expect(brief(exchange.expire(T0 + 2190))).toEqual(['settle 1 neighbors'])
  })

  it('is not answered by another node, nor from elsewhere', () => {
    const exchange = bonded()
    ask(exchange, FINDNODE, T0 + 2000)
    const other = new Remote(2, remote.from.ip)
    for (const [bytes, from] of [
      [other.neighbors(T0, many(3)), remote.from],
      [remote.neighbors(T0, many(3)), { ip: '6.9.9.9', port: 30303 }],
    ] as const) {
      expect(brief(receive(exchange, bytes, from, T0 + 2040))).toContain('discv4/unsolicited')
    }
  })

  it('leaves out whom it may not use', () => {
    const exchange = bonded({ allows: (ip) => !ip.startsWith('8.') })
    ask(exchange, FINDNODE, T0 + 2000)
    const good = new Remote(50, '7.0.0.1')
    const bad = [
      new Remote(51, '10.0.0.1'),
      new Remote(52, '127.0.0.1'),
      new Remote(53, '0.0.0.0'),
      new Remote(54, '224.0.0.1'),
      new Remote(55, '8.0.0.1'),
      new Remote(56, '7.0.0.2', 1023),
      new Remote(57, '7.0.0.3', 0),
    ]
    const noPoint = { ip: '7.0.0.4', udp: 30303, tcp: 30303, publicKey: new Uint8Array(64).fill(1) }
    receive(exchange, remote.neighbors(T0, [...bad, good]), remote.from, T0 + 2040)
    receive(exchange, remote.say({ type: 'neighbors', nodes: [noPoint], expiration: T0 }), remote.from, T0 + 2041)
    const [settled] = exchange.expire(T0 + 2500)
    expect(settled).toMatchObject({ answer: { nodes: [{ nodeId: good.nodeId }] } })
  })

  it('waits for another one to the same node: answers do not tell them apart', () => {
    const exchange = bonded()
    expect(brief(ask(exchange, FINDNODE, T0 + 2000, 1))).toEqual(['send findnode'])
    expect(ask(exchange, FINDNODE, T0 + 2000, 2)).toEqual([])
    receive(exchange, remote.neighbors(T0, many(12)), remote.from, T0 + 2040)
    expect(brief(receive(exchange, remote.neighbors(T0, many(4, 200)), remote.from, T0 + 2041))).toEqual([
      'received neighbors',
      'settle 1 neighbors',
      'send findnode',
    ])
  })

  it('is asked once more, after a ping, of a node that seems to have forgotten us', () => {
    const exchange = bonded()
    ask(exchange, FINDNODE, T0 + 2000, 1)
    ask(exchange, FINDNODE, T0 + 2000, 2)
    const again = exchange.expire(T0 + 2500)
    expect(brief(again)).toEqual(['contact', 'send ping'])
    receive(exchange, remote.pong(hashOf(sent(again, 'ping').bytes), T0), remote.from, T0 + 2540)
    expect(brief(receive(exchange, remote.ping(T0), remote.from, T0 + 2541))).toEqual(['received ping', 'send pong', 'send findnode'])
    expect(brief(exchange.expire(T0 + 3041))).toEqual(['settle 1 undefined', 'settle 2 undefined'])
    expect(exchange.sizes.requests).toBe(0)
  })
})

describe('a request of ours for a record', () => {
  const respond = (request: ExchangeEffect[], record: Uint8Array): Uint8Array =>
    remote.say({ type: 'enrresponse', requestHash: hashOf(sent(request, 'enrrequest').bytes), record })

  it('is answered by a record of the node itself', () => {
    const exchange = bonded()
    const asked = ask(exchange, ENR, T0 + 2000)
    const record = recordOf(remote.key, remote.from.ip, 9n)
    const effects = receive(exchange, respond(asked, enrOf(record)!.bytes), remote.from, T0 + 2040)
    expect(effects).toMatchObject([{ do: 'received' }, { do: 'settle', answer: { record: { nodeId: remote.nodeId, seq: 9n } } }])
  })

  it('is not answered by a record of another, or a bad one', () => {
    const forged = enrOf(recordOf(remote.key, '6.0.0.1'))!.bytes.slice()
    forged[40]! ^= 1
    for (const record of [enrOf(recordOf(SELF.key, '6.0.0.1'))!.bytes, forged]) {
      const exchange = bonded()
      const asked = ask(exchange, ENR, T0 + 2000)
      expect(brief(receive(exchange, respond(asked, record), remote.from, T0 + 2040))).toEqual([
        'received enrresponse',
        'settle 1 undefined',
        'discv4/bad-record',
      ])
    }
  })

  it('is sent once for all who ask within the same second, and told apart from others', () => {
    const exchange = bonded()
    const other = new Remote(2)
    other.bond(exchange, T0)
    const asked = ask(exchange, ENR, T0 + 2000, 1)
    expect(ask(exchange, ENR, T0 + 2000, 2)).toEqual([])
    ask(exchange, ENR, T0 + 2000, 3, other)
    const record = enrOf(recordOf(remote.key, remote.from.ip))!.bytes
    expect(brief(receive(exchange, respond(asked, record), remote.from, T0 + 2040))).toEqual([
      'received enrresponse',
      'settle 1 enrresponse',
      'settle 2 enrresponse',
    ])
  })
})

describe('requests', () => {
  it('are bounded: one too many is not answered at once', () => {
    const exchange = exchangeOf()
    for (let i = 0; i < REQUESTS_MAX; i++) expect(brief(ask(exchange, PING, T0, i, new Remote(i))).at(-1)).toBe('send ping')
    expect(brief(ask(exchange, PING, T0, -1))).toEqual(['settle -1 undefined'])
    expect(exchange.sizes.requests).toBe(REQUESTS_MAX)
    exchange.expire(T0 + 500)
    const given = exchange.expire(T0 + 1000)
    expect([given.length, exchange.sizes.requests]).toEqual([REQUESTS_MAX, 0])
    expect(allSent(given, 'ping')).toEqual([])
  })
  it('that are late one by one are looked at together', () => {
    const exchange = exchangeOf()
    for (let i = 0; i < 900; i++) ask(exchange, PING, T0 + i / 3, i, new Remote(i))
    let [looks, settled] = [0, 0]
    for (; exchange.deadline < Number.POSITIVE_INFINITY; looks++) settled += brief(exchange.expire(exchange.deadline)).length
    // A ping again, and the end, of each; within 300 ms twice.
    expect(settled).toBe(2 * 900)
    expect(looks).toBeLessThan(70)
  })
})
