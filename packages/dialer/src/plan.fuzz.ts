import type { Millis } from '@kumiko/interface'
import { seeded } from '@kumiko/testkit'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { node, peer } from '../test/nodes.ts'
import { type PeerKey, peerKey } from './candidate.ts'
import { DialPlan } from './plan.ts'
import type { PlanEffect } from './plan-effect.ts'
import { REQUESTS_MAX } from './request-queue.ts'

const HISTORY_MS = 35_000
const ACTIVE_MAX = 16
const SELF = peerKey(peer(0))
const BANNED = peerKey(peer(7))

type Input =
  | { readonly do: 'offer' | 'addStatic' | 'removeStatic' | 'request' | 'connect' | 'drop' | 'inbound'; readonly number: number }
  | { readonly do: 'keep' | 'release' | 'want'; readonly number: number }
  | { readonly do: 'end'; readonly index: number; readonly isConnected: boolean }
  | { readonly do: 'pass'; readonly durationMs: Millis }

const number = fc.nat({ max: 39 })
const input: fc.Arbitrary<Input> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('offer' as const), number }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('addStatic', 'removeStatic', 'request', 'connect', 'drop', 'inbound'), number }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('keep', 'release', 'want'), number }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('end' as const), index: fc.nat(), isConnected: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), durationMs: fc.constantFrom(0, 1, 100, 5000, 20_000, 40_000) }) },
)

/** What the plan must know, kept apart from it in the plainest way. */
class Model {
  readonly plan: DialPlan
  now: Millis = 0
  readonly under = new Map<string, PeerKey>()
  readonly dialedAt = new Map<PeerKey, Millis>()
  readonly connected = new Set<PeerKey>()
  readonly inbound = new Set<PeerKey>()
  readonly waiting = new Map<string, PeerKey>()
  wanted = 0
  requests = 0

  constructor(maxPeers: number, seed: number) {
    const random = seeded(seed).random
    const screen = ({ peerId }: { peerId: { toString(): string } }) => (peerId.toString() === BANNED ? ('banned' as const) : undefined)
    const bootnodes = [node(38), node(39)]
    const limits = {
      maxPeers,
      dialRatio: 3,
      maxActiveDials: ACTIVE_MAX,
      requestsMax: REQUESTS_MAX,
      reconnectMs: 1000,
      reconnectRetries: 5,
      historyMs: HISTORY_MS,
      fallbackMs: 20_000,
    }
    this.plan = new DialPlan({ self: SELF, random, bootnodes, noDial: false, isRoomMade: false, screen, ...limits }, this.now)
    this.take(this.plan.expire(this.now))
  }

  /** Checks each effect against what is known at that moment. */
  take(effects: readonly PlanEffect[]): void {
    for (const effect of effects) {
      if (effect.do === 'want') this.wanted = effect.count
      if (effect.do === 'start') this.start(effect.id, this.waiting.get(effect.id) ?? SELF)
      if (effect.do !== 'dial') continue
      const key = peerKey(effect.candidate.peerId)
      expect(key).not.toBe(SELF)
      expect(key).not.toBe(BANNED)
      expect(this.connected.has(key)).toBe(false)
      expect(this.inbound.has(key)).toBe(false)
      expect([...this.under.values(), ...this.waiting.values()]).not.toContain(key)
      const sinceMs = this.now - (this.dialedAt.get(key) ?? Number.NEGATIVE_INFINITY)
      if (effect.kind !== 'kept') expect(sinceMs).toBeGreaterThanOrEqual(HISTORY_MS)
      if (effect.kind === 'kept' || effect.kind === 'auto') {
        expect(this.connected.size + this.under.size).toBeLessThan(this.plan.maxPeers)
      }
      this.start(effect.id, key)
    }
    expect(this.under.size).toBeLessThanOrEqual(ACTIVE_MAX)
    expect(this.plan.dialing).toBe(this.under.size)
    expect(this.plan.deadline).toBeGreaterThan(this.now)
  }

  start(id: string, key: PeerKey): void {
    this.waiting.delete(id)
    this.under.set(id, key)
    this.dialedAt.set(key, this.now)
  }

  apply(step: Input): void {
    if (step.do === 'pass') this.pass(step.durationMs)
    else if (step.do === 'end') this.end([...this.under.keys()][step.index % Math.max(1, this.under.size)], step.isConnected)
    else this.applyTo(step)
  }

  applyTo(step: Input & { readonly number: number }): void {
    const key = peerKey(peer(step.number))
    if (step.do === 'offer') this.take(this.plan.candidate(node(step.number), this.now))
    if (step.do === 'addStatic') this.take(this.plan.addStatic(node(step.number), this.now))
    if (step.do === 'removeStatic') this.plan.removeStatic(key)
    if (step.do === 'keep') this.take(this.plan.keep(node(step.number), this.now))
    if (step.do === 'release') this.plan.release(key)
    if (step.do === 'want') {
      const candidates = Array.from({ length: 10 }, (_, i) => node((step.number + i) % 40))
      this.take(this.plan.want([{ missing: step.number % 5, candidates }], this.now))
    }
    if (step.do === 'connect') this.connect(key, false)
    if (step.do === 'drop') this.drop(key)
    if (step.do === 'inbound') this.toggleInbound(key)
    if (step.do === 'request') this.request(key)
  }

  pass(durationMs: Millis): void {
    const until = this.now + durationMs
    while (this.plan.deadline <= until) {
      this.now = this.plan.deadline
      this.take(this.plan.expire(this.now))
    }
    this.now = until
  }

  end(id: string | undefined, isConnected: boolean): void {
    const key = id === undefined ? undefined : this.under.get(id)
    if (id === undefined || key === undefined) return
    if (isConnected) this.connect(key, true)
    this.under.delete(id)
    this.take(this.plan.dialEnded(id, isConnected, this.now))
  }

  connect(key: PeerKey, isDialed: boolean): void {
    this.connected.add(key)
    this.take(this.plan.peerAdded(key, isDialed, this.now))
  }

  drop(key: PeerKey): void {
    this.connected.delete(key)
    this.take(this.plan.peerDropped(key, this.now))
  }

  toggleInbound(key: PeerKey): void {
    if (this.inbound.delete(key)) {
      this.take(this.plan.inboundEnded(key, this.now))
    } else {
      this.inbound.add(key)
      this.plan.inboundBegan(key)
    }
  }

  request(key: PeerKey): void {
    this.requests += 1
    const id = `dial-${this.requests}`
    this.waiting.set(id, key)
    this.take(this.plan.request(id, key, this.requests % 3, this.now))
  }
}

test('random rounds never dial what must not be dialed, and every slot comes back', () => {
  fc.assert(
    fc.property(fc.array(input, { maxLength: 200 }), fc.constantFrom(1, 6, 50, 1000), fc.nat(), (steps, maxPeers, seed) => {
      const model = new Model(maxPeers, seed)
      for (const step of steps) model.apply(step)
      for (const key of [...model.inbound]) model.toggleInbound(key)
      for (let i = 0; i < 40; i++) model.plan.removeStatic(peerKey(peer(i)))
      for (let i = 0; i < 40; i++) model.plan.release(peerKey(peer(i)))
      model.plan.want([], model.now)
      model.connect(peerKey(peer(63)), false)
      while (model.under.size > 0) model.end([...model.under.keys()][0], false)
      for (const key of [...model.connected]) if (key !== peerKey(peer(63))) model.drop(key)
      model.pass(HISTORY_MS)
      expect(model.plan.dialing).toBe(0)
      expect(model.waiting.size).toBe(0)
      expect(model.plan.historySize).toBe(0)
      expect(model.wanted).toBe(Math.min(ACTIVE_MAX, 2 * Math.max(1, Math.floor(maxPeers / 3))))
    }),
    { seed: 42, numRuns: 300 },
  )
})
