import type { DialRefusal, Millis } from '@kumiko/interface'
import type { PeerId } from '@libp2p/interface'
import { describe, expect, test } from 'vitest'
import { node, numberOf, peer } from '../test/nodes.ts'
import { type Candidate, peerKey } from './candidate.ts'
import { DialPlan, type DialPlanOptions } from './plan.ts'
import type { PlanEffect } from './plan-effect.ts'
import { REQUESTS_MAX } from './request-queue.ts'
import { STATIC_BACKOFF_MS_MAX } from './static-nodes.ts'

const HISTORY_MS = 35_000
const START: Millis = 1_000_000

/** A plan on a clock of its own, with nodes by number and effects as text: `static 3`, `want 2`, `refuse 4 connected`, `start a`. */
class Script {
  readonly plan: DialPlan
  now: Millis = START

  constructor(options: Partial<DialPlanOptions> = {}) {
    const defaults: DialPlanOptions = {
      self: peerKey(peer(0)),
      random: () => 0,
      maxPeers: 15,
      dialRatio: 3,
      maxActiveDials: 16,
      requestsMax: REQUESTS_MAX,
      reconnectMs: 1000,
      reconnectRetries: 5,
      historyMs: HISTORY_MS,
      fallbackMs: 20_000,
      bootnodes: [],
      noDial: false,
      isRoomMade: false,
      screen: () => undefined,
    }
    this.plan = new DialPlan({ ...defaults, ...options }, this.now)
  }

  /** What is due after so long, told step by step as the deadline asks. */
  pass(durationMs: Millis): string[] {
    const until = this.now + durationMs
    const shown: string[] = []
    while (this.plan.deadline <= until) {
      expect(this.plan.deadline).toBeGreaterThan(this.now)
      this.now = this.plan.deadline
      shown.push(...show(this.plan.expire(this.now)))
    }
    this.now = until
    return shown
  }

  begin(): string[] {
    return show(this.plan.expire(this.now))
  }

  offer(...numbers: number[]): string[] {
    return numbers.flatMap((number) => show(this.plan.candidate(node(number), this.now)))
  }

  addStatic(...numbers: number[]): string[] {
    return numbers.flatMap((number) => show(this.plan.addStatic(node(number), this.now)))
  }

  connected(number: number, isDialed = true): string[] {
    const id = peerKey(peer(number))
    return [...show(this.plan.peerAdded(id, isDialed, this.now)), ...show(this.plan.dialEnded(id, true, this.now))]
  }

  failed(...numbers: number[]): string[] {
    return numbers.flatMap((number) => show(this.plan.dialEnded(peerKey(peer(number)), false, this.now)))
  }

  dropped(number: number): string[] {
    return show(this.plan.peerDropped(peerKey(peer(number)), this.now))
  }
}

function show(effects: readonly PlanEffect[]): string[] {
  return effects.map((effect) => {
    if (effect.do === 'want') return `want ${effect.count}`
    if (effect.do === 'start') return `start ${effect.id}`
    if (effect.do === 'giveUp') return `give up ${numberOf(effect.peer)}`
    const number = numberOf(effect.candidate.peerId)
    return effect.do === 'dial' ? `${effect.kind} ${number}` : `refuse ${number} ${effect.reason}`
  })
}

function dials(shown: readonly string[]): string[] {
  return shown.filter((line) => !line.startsWith('want'))
}

describe('dynamic dials', () => {
  test('fill twice the missing peers, less those that are dialed', () => {
    const script = new Script()
    expect(script.begin()).toEqual(['want 10'])
    script.connected(1)
    script.connected(2)
    expect(script.plan.freeSlots).toBe(3)
    expect(script.offer(3)).toEqual(['dynamic 3', 'want 5'])
    expect(script.offer(4, 5, 6, 7, 8)).toEqual([
      'dynamic 4',
      'want 4',
      'dynamic 5',
      'want 3',
      'dynamic 6',
      'want 2',
      'dynamic 7',
      'want 1',
      'dynamic 8',
      'want 0',
    ])
    expect(script.offer(9)).toEqual([])
    expect(script.connected(3)).toEqual([])
    expect(script.connected(4)).toEqual([])
    expect(script.failed(5, 6)).toEqual([])
    expect(script.failed(7)).toEqual(['want 1'])
  })

  test('inbound peers take no slot, and a dropped peer gives its back', () => {
    const script = new Script({ maxPeers: 3 })
    expect(script.begin()).toEqual(['want 2'])
    expect(script.connected(1, false)).toEqual([])
    expect(script.offer(2)).toEqual(['dynamic 2', 'want 1'])
    expect(script.connected(2)).toEqual(['want 0'])
    expect(script.dropped(2)).toEqual(['want 2'])
  })

  test('never more than 16 at once', () => {
    const script = new Script({ maxPeers: 3000 })
    expect(script.begin()).toEqual(['want 16'])
    script.offer(...Array.from({ length: 16 }, (_, i) => i + 1))
    expect(script.plan.dialing).toBe(16)
    expect(script.offer(20)).toEqual([])
  })

  test.each([
    [1, 3, 1],
    [2, 3, 1],
    [50, 3, 16],
    [0, 3, 0],
    [50, 0, 0],
    [Number.POSITIVE_INFINITY, 3, Number.POSITIVE_INFINITY],
  ])('at %d peers and ratio %d there are %d slots', (maxPeers, dialRatio, slots) => {
    expect(new Script({ maxPeers, dialRatio }).plan.freeSlots).toBe(slots)
  })

  test('the limit of peers may change while running', () => {
    const script = new Script({ maxPeers: 3 })
    script.begin()
    script.plan.maxPeers = 15
    expect(script.begin()).toEqual(['want 10'])
  })

  test('each refusal has its name', () => {
    const restricted = new Map<string, DialRefusal>([
      [peerKey(peer(5)), 'net-restricted'],
      [peerKey(peer(6)), 'banned'],
    ])
    const script = new Script({ screen: ({ peerId }: Candidate) => restricted.get(peerKey(peerId)) })
    script.begin()
    script.connected(1, false)
    script.offer(2, 3)
    script.failed(3)
    expect(dials(script.offer(0, 1, 2, 3, 5, 6))).toEqual([
      'refuse 0 self',
      'refuse 1 connected',
      'refuse 2 dialing',
      'refuse 3 recently-dialed',
      'refuse 5 net-restricted',
      'refuse 6 banned',
    ])
    expect(show(script.plan.candidate(node(7, []), script.now))).toEqual(['refuse 7 no-endpoint'])
  })

  test('a node is forgotten 35 s after its dial began', () => {
    const script = new Script()
    script.begin()
    script.offer(1)
    script.pass(5000)
    script.failed(1)
    script.pass(29_999)
    expect(script.offer(1)).toEqual(['refuse 1 recently-dialed'])
    script.pass(1)
    expect(script.plan.historySize).toBe(0)
    expect(dials(script.offer(1))).toEqual(['dynamic 1'])
  })

  test('a node whose inbound connection is being set up is not dialed', () => {
    const script = new Script()
    script.begin()
    script.plan.inboundBegan(peerKey(peer(1)))
    script.plan.inboundBegan(peerKey(peer(1)))
    expect(script.offer(1)).toEqual(['refuse 1 dialing'])
    script.plan.inboundEnded(peerKey(peer(1)), script.now)
    expect(script.offer(1)).toEqual(['refuse 1 dialing'])
    script.plan.inboundEnded(peerKey(peer(1)), script.now)
    expect(dials(script.offer(1))).toEqual(['dynamic 1'])
  })
})

describe('static nodes', () => {
  test('are dialed at once, and again when they drop, but not before their history ends', () => {
    const script = new Script()
    script.begin()
    expect(script.addStatic(1, 2)).toEqual(['static 1', 'want 9', 'static 2', 'want 8'])
    script.connected(1)
    script.connected(2)
    script.pass(HISTORY_MS)
    expect(dials(script.dropped(1))).toEqual(['static 1'])
    expect(script.addStatic(2)).toEqual([])
  })

  test('wait behind a dynamic dial to the same node, and for its history', () => {
    const script = new Script()
    script.begin()
    script.offer(1)
    expect(dials(script.addStatic(1))).toEqual([])
    script.pass(1000)
    expect(dials(script.failed(1))).toEqual([])
    expect(dials(script.pass(HISTORY_MS - 1001))).toEqual([])
    expect(dials(script.pass(1))).toEqual(['static 1'])
  })

  test('are not dialed while they are connected to us', () => {
    const script = new Script()
    script.begin()
    script.connected(1, false)
    expect(script.addStatic(1)).toEqual([])
    expect(script.pass(600_000)).toEqual([])
    expect(dials(script.dropped(1))).toEqual(['static 1'])
  })

  test('are not dialed while their inbound connection is being set up', () => {
    const script = new Script()
    script.begin()
    script.plan.inboundBegan(peerKey(peer(1)))
    expect(script.addStatic(1)).toEqual([])
    expect(dials(show(script.plan.inboundEnded(peerKey(peer(1)), script.now)))).toEqual(['static 1'])
  })

  test('are not dialed once removed', () => {
    const script = new Script()
    script.begin()
    script.addStatic(1, 2)
    script.failed(1, 2)
    expect(script.plan.removeStatic(peerKey(peer(1)))).toBe(true)
    expect(script.plan.removeStatic(peerKey(peer(1)))).toBe(false)
    expect(dials(script.pass(HISTORY_MS))).toEqual(['static 2'])
  })

  test('many of them share the 16 slots, whatever the limit of peers', () => {
    const script = new Script({ maxPeers: 1 })
    script.begin()
    const numbers = Array.from({ length: 40 }, (_, i) => i + 1)
    expect(dials(script.addStatic(...numbers))).toHaveLength(16)
    const dialed = new Set<number>()
    for (let round = 0; round < 40; round++) {
      const [next] = numbers.filter((number) => script.plan.dialing > 0 && !dialed.has(number))
      if (next === undefined) break
      dialed.add(next)
      script.connected(next)
      expect(script.plan.dialing).toBeLessThanOrEqual(16)
    }
    expect(dialed.size).toBe(40)
    expect(script.plan.dialing).toBe(0)
  })

  test('are tried later and later as they fail, up to a bound', () => {
    const script = new Script()
    script.begin()
    script.addStatic(1)
    const waits: Millis[] = []
    for (let round = 0; round < 6; round++) {
      const startedAt = script.now
      script.failed(1)
      while (dials(show(script.plan.expire(script.now))).length === 0) script.now = Math.max(script.now + 1, script.plan.deadline)
      waits.push(script.now - startedAt)
    }
    expect(waits).toEqual([35_000, 70_000, 140_000, 280_000, STATIC_BACKOFF_MS_MAX, STATIC_BACKOFF_MS_MAX])
  })

  test('are spread by chance', () => {
    const script = new Script({ random: () => 0.5 })
    script.begin()
    script.addStatic(1)
    script.failed(1)
    expect(dials(script.pass(36_749))).toEqual([])
    expect(dials(script.pass(1))).toEqual(['static 1'])
  })

  test('that drop us at once count as failed, those that stayed do not', () => {
    const script = new Script()
    script.begin()
    script.addStatic(1)
    script.failed(1)
    script.pass(HISTORY_MS)
    script.connected(1)
    script.pass(1000)
    script.dropped(1)
    expect(dials(script.pass(68_999))).toEqual([])
    expect(dials(script.pass(1))).toEqual(['static 1'])
    script.connected(1)
    script.pass(HISTORY_MS)
    expect(dials(script.dropped(1))).toEqual(['static 1'])
    script.failed(1)
    expect(dials(script.pass(HISTORY_MS))).toEqual(['static 1'])
  })

  test('that are ourselves are never dialed', () => {
    const script = new Script()
    script.begin()
    expect(script.addStatic(0)).toEqual([])
    expect(script.pass(600_000)).toEqual([])
  })

  test('that are banned are tried once the ban has ended', () => {
    let isBanned = true
    const script = new Script({ screen: () => (isBanned ? 'banned' : undefined) })
    script.begin()
    expect(script.addStatic(1)).toEqual([])
    isBanned = false
    expect(dials(script.pass(HISTORY_MS))).toEqual(['static 1'])
  })

  test('may be resolved now, then a minute later, and after failures later and later', () => {
    const script = new Script()
    script.begin()
    const key = peerKey(peer(1))
    let effects = script.plan.addStatic(node(1, []), script.now)
    const asked: Millis[] = []
    for (let round = 0; round < 200; round++) {
      const dial = effects.find((effect) => effect.do === 'dial')
      if (dial?.mayResolve) {
        asked.push(script.now - START)
        script.plan.resolved(key, undefined, script.now)
      }
      if (dial !== undefined) script.failed(1)
      script.now = script.plan.deadline
      effects = script.plan.expire(script.now)
    }
    const waits = asked.slice(1).map((at, i) => at - (asked[i] ?? 0))
    expect(asked[0]).toBe(0)
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(120_000)
    expect(waits).toEqual(waits.toSorted((a, b) => a - b))
    expect(Math.max(...waits)).toBe(3_600_000)
  })

  test('are dialed where they were found', () => {
    const script = new Script()
    script.begin()
    script.plan.addStatic(node(1, []), script.now)
    script.plan.resolved(peerKey(peer(1)), node(1, ['/ip4/10.9.9.9/tcp/1']), script.now)
    script.failed(1)
    script.now += HISTORY_MS
    const [dial] = script.plan.expire(script.now)
    expect(dial).toEqual({
      do: 'dial',
      id: peerKey(peer(1)),
      kind: 'static',
      candidate: node(1, ['/ip4/10.9.9.9/tcp/1']),
      mayResolve: false,
    })
  })
})

describe('bootnodes', () => {
  test('are dialed one by one, in turn, when there has been no peer for 20 s', () => {
    const script = new Script({ bootnodes: [node(1), node(2)] })
    script.begin()
    expect(dials(script.pass(19_999))).toEqual([])
    expect(dials(script.pass(1))).toEqual(['bootnode 1'])
    expect(dials(script.failed(1))).toEqual(['bootnode 2'])
    expect(dials(script.failed(2))).toEqual([])
    expect(dials(script.pass(HISTORY_MS))).toEqual(['bootnode 1'])
  })

  test('are left alone while there is a peer, and for 20 s after', () => {
    const script = new Script({ bootnodes: [node(1)] })
    script.begin()
    script.connected(5, false)
    expect(script.pass(100_000)).toEqual([])
    script.dropped(5)
    expect(dials(script.pass(19_999))).toEqual([])
    expect(dials(script.pass(1))).toEqual(['bootnode 1'])
  })

  test('take no more slots than there are', () => {
    const script = new Script({ bootnodes: [node(1)], maxPeers: 0 })
    expect(dials(script.pass(100_000))).toEqual([])
  })
})

describe('dials that were asked for', () => {
  test('start at once, history or not, and count in it', () => {
    const script = new Script()
    script.begin()
    expect(dials(show(script.plan.request('a', peerKey(peer(1)), 50, script.now)))).toEqual(['start a'])
    expect(script.offer(1)).toEqual(['refuse 1 dialing'])
    expect(dials(show(script.plan.dialEnded('a', false, script.now)))).toEqual([])
    expect(script.offer(1)).toEqual(['refuse 1 recently-dialed'])
    expect(dials(show(script.plan.request('b', peerKey(peer(1)), 50, script.now)))).toEqual(['start b'])
  })

  test('wait for a slot by priority, before all others, and can be taken back', () => {
    const script = new Script({ maxActiveDials: 1 })
    script.begin()
    script.offer(9)
    script.addStatic(8)
    for (const [id, priority] of [
      ['a', 50],
      ['b', 50],
      ['c', 60],
      ['d', 50],
    ] as const) {
      expect(show(script.plan.request(id, undefined, priority, script.now))).toEqual([])
    }
    expect(script.plan.withdraw('b')).toBe(true)
    expect(script.plan.withdraw('b')).toBe(false)
    expect(script.failed(9)).toEqual(['start c'])
    expect(show(script.plan.dialEnded('c', true, script.now))).toEqual(['start a'])
    expect(show(script.plan.dialEnded('a', true, script.now))).toEqual(['start d'])
    expect(show(script.plan.dialEnded('d', true, script.now))).toEqual(['static 8'])
  })

  test('are bounded in number', () => {
    const script = new Script({ maxActiveDials: 0 })
    for (let i = 0; i < REQUESTS_MAX; i++) script.plan.request(`${i}`, undefined, 50, script.now)
    expect(() => script.plan.request('more', undefined, 50, script.now)).toThrow(expect.objectContaining({ code: 'dialer/queue-full' }))
  })

  test('are all that is dialed where dialing is off', () => {
    const script = new Script({ noDial: true, bootnodes: [node(1)] })
    expect(script.begin()).toEqual([])
    expect(script.addStatic(2)).toEqual([])
    expect(script.pass(600_000)).toEqual([])
    expect(show(script.plan.request('a', peerKey(peer(3)), 50, script.now))).toEqual(['start a'])
  })
})

describe('kept peers', () => {
  test('are dialed at once, and again after 1, 2, 4 … s, and given up after five retries', () => {
    const script = new Script()
    expect(dials(show(script.plan.keep(node(1), script.now)))).toEqual(['kept 1'])
    for (const delayMs of [1000, 2000, 4000, 8000, 16_000]) {
      expect(dials(script.failed(1))).toEqual([])
      expect(dials(script.pass(delayMs - 1))).toEqual([])
      expect(dials(script.pass(1))).toEqual(['kept 1'])
    }
    expect(dials(script.failed(1))).toEqual(['give up 1'])
    expect(dials(script.pass(600_000))).toEqual([])
  })

  test('are redialed when they drop, soon if they had stayed, later and later if not, and not given up for that', () => {
    const script = new Script()
    script.plan.keep(node(1), script.now)
    script.connected(1)
    script.pass(HISTORY_MS)
    expect(dials(script.dropped(1))).toEqual(['kept 1'])
    for (const delayMs of [1000, 2000, 4000, 8000, 16_000, 32_000, 64_000]) {
      script.connected(1)
      expect(dials(script.dropped(1))).toEqual([])
      expect(dials(script.pass(delayMs))).toEqual(['kept 1'])
    }
  })

  test('have all their retries again once they were connected', () => {
    const script = new Script()
    script.plan.keep(node(1), script.now)
    for (let round = 0; round < 3; round++) {
      for (let retry = 0; retry < 5; retry++) {
        expect(dials(script.failed(1))).toEqual([])
        expect(dials(script.pass(300_000 * 1.1))).toEqual(['kept 1'])
      }
      script.connected(1)
      script.pass(HISTORY_MS)
      expect(dials(script.dropped(1))).toEqual(['kept 1'])
    }
  })

  test('are not dialed while there is no room, but as soon as there is', () => {
    const script = new Script({ maxPeers: 2 })
    script.connected(2, false)
    script.connected(3, false)
    expect(dials(show(script.plan.keep(node(1), script.now)))).toEqual([])
    expect(dials(script.dropped(2))).toEqual(['kept 1'])
  })

  test.each([
    [false, []],
    [true, ['kept 3']],
  ])('are dialed without room only where others go for them: %o', (isRoomMade, dialed) => {
    const script = new Script({ maxPeers: 2, isRoomMade })
    for (const number of [1, 2]) script.plan.peerAdded(peerKey(peer(number)), false, script.now)
    expect(dials(show(script.plan.keep(node(3), script.now)))).toEqual(dialed)
  })

  test('are kept no more when released, and not at all where dialing is off', () => {
    const script = new Script({ noDial: true })
    expect(show(script.plan.keep(node(1), script.now))).toEqual([])
    const other = new Script()
    other.plan.keep(node(1), other.now)
    expect([other.plan.release(peerKey(peer(1))), other.plan.release(peerKey(peer(1)))]).toEqual([true, false])
    other.failed(1)
    expect(dials(other.pass(100_000))).toEqual([])
  })

  test('are no more than 1024', () => {
    const script = new Script({ maxPeers: 0 })
    const strangers = Array.from({ length: 1025 }, (_, i) => ({ ...node(1), peerId: { toString: () => `${i}` } as PeerId }))
    for (const stranger of strangers) script.plan.keep(stranger, script.now)
    expect([script.plan.release('1023'), script.plan.release('1024')]).toEqual([true, false])
  })
})

describe('wanted peers', () => {
  test('are dialed as many as are missing, the next as one fails', () => {
    const script = new Script()
    const wants = [{ missing: 2, candidates: [1, 2, 3, 4].map((number) => node(number)) }]
    expect(dials(show(script.plan.want(wants, script.now)))).toEqual(['auto 1', 'auto 2'])
    expect(dials(script.failed(1))).toEqual(['auto 3'])
    expect(dials(script.connected(2))).toEqual([])
    expect(dials(script.failed(3))).toEqual(['auto 4'])
    expect(dials(script.failed(4))).toEqual([])
  })

  test('that do for two things are dialed once, and a new list minds those under way', () => {
    const script = new Script()
    const both = [
      { missing: 1, candidates: [node(1), node(2)] },
      { missing: 2, candidates: [node(1), node(2), node(3)] },
    ]
    expect(dials(show(script.plan.want(both, script.now)))).toEqual(['auto 1', 'auto 2'])
    expect(dials(show(script.plan.want(both, script.now)))).toEqual([])
    expect(dials(show(script.plan.want([], script.now)))).toEqual([])
    expect(dials(script.failed(1))).toEqual([])
  })

  test('are not dialed beyond maxPeers, nor lately, nor where they are connected', () => {
    const script = new Script({ maxPeers: 3 })
    script.connected(1, false)
    script.plan.request('a', peerKey(peer(2)), 50, script.now)
    script.plan.dialEnded('a', false, script.now)
    const wants = [{ missing: 5, candidates: [1, 2, 3, 4, 5].map((number) => node(number)) }]
    expect(dials(show(script.plan.want(wants, script.now)))).toEqual(['auto 3', 'auto 4'])
    expect(dials(script.connected(3))).toEqual([])
  })

  test('have no slots of their own: dialRatio is for candidates alone', () => {
    const script = new Script({ dialRatio: 0 })
    const wants = [{ missing: 3, candidates: [1, 2, 3].map((number) => node(number)) }]
    expect(dials(show(script.plan.want(wants, script.now)))).toEqual(['auto 1', 'auto 2', 'auto 3'])
  })
})
