import type { NodeRecord } from '@kumiko/interface'
import { cpuTimed } from '@kumiko/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allSent, exchangeOf, Remote, recordOf, secretKey, sent, T0 } from '../test/remote.ts'
import type { Ask, ExchangeEffect } from './effect.ts'
import type { Exchange } from './exchange.ts'
import { GREETINGS_MAX } from './greetings.ts'
import { encodePacket, hashOf, type Packet } from './packet.ts'
import { PROOFS_MAX } from './proofs.ts'
import { PING_BACKS_MAX, REQUESTS_MAX } from './requests.ts'

const REMOTES = Array.from({ length: 4 }, (_, i) => new Remote(i))
const NODES: readonly NodeRecord[] = Array.from({ length: 16 }, (_, i) => recordOf(secretKey(100 + i), `7.0.0.${i + 1}`))

const step = fc.record({
  by: fc.nat(REMOTES.length - 1),
  what: fc.constantFrom(
    'ping',
    'pong',
    'findnode',
    'enrrequest',
    'neighbors',
    'ask ping',
    'ask findnode',
    'ask enrrequest',
    'replay',
    'junk',
  ),
  /** Whether it comes from where the remote is. */
  isElsewhere: fc.boolean(),
  afterMs: fc.constantFrom(0, 0, 1, 100, 300, 600, 5000, 13 * 3_600_000),
})

describe('an exchange', () => {
  it('in any rounds answers only who proved where it is, settles each question once, and wakes up no more when all is done', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => new Rounds().run(steps)),
      { numRuns: 150 },
    )
  })
})

/** Plays rounds, and holds what must be true after each. */
class Rounds {
  readonly #exchange = exchangeOf({ closest: () => NODES })
  #now = T0
  #asked = 0
  readonly #settled = new Set<number>()
  /** Hashes of our pings, by the address that they went to. */
  readonly #pings = new Map<string, Uint8Array[]>()
  /** Nodes and addresses that gave a proof, when. */
  readonly #proved = new Map<string, number>()
  readonly #heard: Uint8Array[] = []

  run(steps: readonly { by: number; what: string; isElsewhere: boolean; afterMs: number }[]): void {
    for (const { by, what, isElsewhere, afterMs } of steps) {
      this.#wait(afterMs)
      const remote = REMOTES[by]!
      const from = isElsewhere ? { ip: `9.0.0.${by + 1}`, port: 30303 } : remote.from
      this.#check(this.#play(what, remote, from), remote, from, what)
    }
    this.#wait(5000)
    expect(this.#settled.size).toBe(this.#asked)
    expect([this.#exchange.sizes.requests, this.#exchange.sizes.greetings, this.#exchange.deadline]).toEqual([
      0,
      0,
      Number.POSITIVE_INFINITY,
    ])
  }

  #play(what: string, remote: Remote, from: Remote['from']): readonly ExchangeEffect[] {
    const hash = this.#pings.get(from.ip)?.at(-1) ?? new Uint8Array(32)
    if (what.startsWith('ask ')) {
      const ask = { type: what.slice(4), target: new Uint8Array(64) } as Ask
      return this.#exchange.ask({ request: this.#asked++, nodeId: remote.nodeId, to: remote.from, ask }, this.#now)
    }
    const bytes = this.#packet(what, remote, hash)
    this.#heard.push(bytes)
    return this.#exchange.receive(bytes, from, this.#now) ?? []
  }

  #packet(what: string, remote: Remote, hash: Uint8Array): Uint8Array {
    switch (what) {
      case 'ping':
        return remote.ping(this.#now)
      case 'pong':
        return remote.pong(hash, this.#now)
      case 'findnode':
        return remote.findnode(this.#now)
      case 'enrrequest':
        return remote.enrRequest(this.#now)
      case 'neighbors':
        return remote.neighbors(this.#now, REMOTES)
      case 'replay':
        return this.#heard.at(-1) ?? new Uint8Array(98)
      default:
        return new Uint8Array(200).fill(this.#heard.length)
    }
  }

  #check(effects: readonly ExchangeEffect[], remote: Remote, from: Remote['from'], what: string): void {
    this.#note(effects)
    const place = `${remote.nodeId}@${from.ip}`
    const isRefused = effects.some((effect) => effect.do === 'fault')
    if (what === 'pong' && !isRefused) this.#proved.set(place, this.#now)
    const isProved = this.#now - (this.#proved.get(place) ?? Number.NEGATIVE_INFINITY) < 24 * 3_600_000
    if (what !== 'findnode' && what !== 'enrrequest') return
    const answers = [...allSent(effects, 'neighbors'), ...allSent(effects, 'enrresponse')]
    expect(answers.length > 0).toBe(isProved)
    expect(answers.every(({ to }) => to.ip === from.ip)).toBe(true)
    if (!isProved) expect(effects.filter((effect) => effect.do === 'send')).toEqual([])
  }

  #note(effects: readonly ExchangeEffect[]): void {
    for (const effect of effects) {
      if (effect.do === 'settle') {
        expect(this.#settled.has(effect.request)).toBe(false)
        this.#settled.add(effect.request)
      } else if (effect.do === 'send' && effect.type === 'ping') {
        this.#pings.set(effect.to.ip, [...(this.#pings.get(effect.to.ip) ?? []), hashOf(effect.packet)])
      }
    }
  }

  #wait(forMs: number): void {
    const until = this.#now + forMs
    for (let count = 0; this.#exchange.deadline <= until; count++) {
      expect(count).toBeLessThan(1000)
      this.#now = Math.max(this.#now, this.#exchange.deadline)
      this.#note(this.#exchange.expire(this.#now))
    }
    this.#now = until
  }
}

describe('under a flood', () => {
  const COUNT = 3000

  /** Pings with a key each, so that none is like another. Returns what went out, and keeps time going. */
  function flood(
    exchange: Exchange,
    ipOf: (i: number) => string,
    spanMs: number,
  ): { bytesIn: number; bytesOut: number; packetsOut: number } {
    const total = { bytesIn: 0, bytesOut: 0, packetsOut: 0 }
    for (let i = 0; i < COUNT; i++) {
      const now = T0 + Math.floor((i * spanMs) / COUNT)
      const ip = ipOf(i)
      const ping: Packet = { type: 'ping', version: 4, from: at(ip), to: at(ip), expiration: now / 1000 + 20 + (i % 7), enrSeq: undefined }
      const bytes = encodePacket({ ...ping, expiration: Math.floor(ping.expiration) }, secretKey(5000 + i))
      const out = (exchange.receive(bytes, { ip, port: 30303 }, now) ?? []).filter((effect) => effect.do === 'send')
      total.bytesIn += bytes.length
      total.packetsOut += out.length
      for (const { packet } of out) total.bytesOut += packet.length
      if (exchange.deadline <= now) exchange.expire(now)
    }
    return total
  }

  const at = (ip: string): { ip: string; udp: number; tcp: number } => ({ ip, udp: 30303, tcp: 30303 })

  function expectBounds(exchange: Exchange): void {
    const { proofs, ourProofs, requests, pingBacks, greetings, addresses } = exchange.sizes
    expect(proofs).toBeLessThanOrEqual(PROOFS_MAX.all)
    expect(ourProofs).toBeLessThanOrEqual(PROOFS_MAX.all)
    expect(requests).toBeLessThanOrEqual(REQUESTS_MAX)
    expect(pingBacks).toBeLessThanOrEqual(PING_BACKS_MAX)
    expect(greetings).toBeLessThanOrEqual(GREETINGS_MAX)
    expect(addresses).toBeLessThanOrEqual(8192)
  }

  it('from one address: two packets for each of a few pings, and silence for the rest', () => {
    const exchange = exchangeOf()
    const { packetsOut, bytesOut, bytesIn } = flood(exchange, () => '6.6.6.6', 1000)
    // Forty at once and twenty in the second.
    expect(packetsOut).toBeLessThanOrEqual(2 * 60)
    expect(bytesOut / bytesIn).toBeLessThan(0.05)
    expectBounds(exchange)
  })

  it('from one address, where somebody is whom we know: no more', () => {
    const exchange = exchangeOf()
    const known = new Remote(1, '6.6.6.6')
    known.bond(exchange, T0)
    const { packetsOut } = flood(exchange, () => '6.6.6.6', 1000)
    expect(packetsOut).toBeLessThanOrEqual(2 * 60)
    const now = T0 + 1000
    // In whose name it was is served as before, as far as the address goes.
    const pong = (exchange.receive(known.ping(now + 5000), known.from, now + 5000) ?? []).filter((effect) => effect.do === 'send')
    expect(pong.map(({ type }) => type)).toEqual(['pong'])
  })

  it('from many addresses: bounded, and answers to our own questions still come through', () => {
    const exchange = exchangeOf()
    const { packetsOut } = flood(exchange, (i) => `6.${1 + (i >> 16)}.${(i >> 8) & 0xff}.${i & 0xff}`, 1000)
    expect(packetsOut).toBeLessThanOrEqual(2 * 3000)
    expectBounds(exchange)
    const remote = new Remote(1)
    const now = T0 + 1000
    const asked = exchange.ask({ request: 1, nodeId: remote.nodeId, to: remote.from, ask: { type: 'ping' } }, now)
    const effects = exchange.receive(remote.pong(hashOf(sent(asked, 'ping').bytes), now), remote.from, now)
    expect(effects).toContainEqual(expect.objectContaining({ do: 'settle', request: 1, answer: expect.anything() }))
  })

  it('without limits: the maps are bounded all the same', () => {
    const perSecond = Number.POSITIVE_INFINITY
    const exchange = exchangeOf({ limits: { perAddress: perSecond, proved: perSecond, perStranger: perSecond, strangers: perSecond } })
    flood(exchange, (i) => `6.${1 + (i >> 16)}.${(i >> 8) & 0xff}.${i & 0xff}`, 500)
    expect(exchange.sizes.pingBacks).toBe(PING_BACKS_MAX)
    expectBounds(exchange)
    exchange.expire(T0 + 5000)
    expect(exchange.sizes.pingBacks).toBe(0)
  })

  it('of junk: dropped in microseconds', () => {
    const exchange = exchangeOf()
    const junk = Array.from({ length: 64 }, (_, i) => new Uint8Array(98 + i).fill(i + 1))
    const { cpuMs } = cpuTimed(() => {
      for (let i = 0; i < 20_000; i++) expect(exchange.receive(junk[i % 64]!, { ip: '6.6.6.6', port: 1 }, T0)).toBeUndefined()
    })
    // Some 5 µs each; a signature recovery alone would be ten times that, on the portable curve a thousand times.
    expect(cpuMs / 20_000).toBeLessThan(0.05)
  })
})
