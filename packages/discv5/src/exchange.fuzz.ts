import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Party, packetsOf, pairOf } from '../test/party.ts'
import type { ExchangeEffect } from './exchange.ts'
import type { RequestBody } from './message.ts'

type Step =
  | { readonly do: 'ask'; readonly by: 'a' | 'b'; readonly what: number }
  | { readonly do: 'deliver' | 'lose' | 'repeat' | 'spoil' | 'stray'; readonly at: number; readonly byte: number }
  | { readonly do: 'wait'; readonly ms: number }

const nat = fc.nat(1000)
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant('ask' as const), by: fc.constantFrom('a' as const, 'b' as const), what: nat }) },
    { weight: 8, arbitrary: fc.record({ do: fc.constant('deliver' as const), at: nat, byte: nat }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('lose' as const, 'repeat' as const), at: nat, byte: nat }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('spoil' as const, 'stray' as const), at: nat, byte: nat }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(2000) }) },
  ),
  { maxLength: 80 },
)

const BODIES: readonly RequestBody[] = [
  { type: 'ping', enrSeq: 1n },
  { type: 'findnode', distances: [0, 256] },
  { type: 'talkreq', protocol: Uint8Array.of(1), message: new Uint8Array(1150) },
]

/** Two machines, and packets on the way that are delivered in any order, lost, repeated and spoilt. */
class Run {
  readonly parties: { a: Party; b: Party } = pairOf()
  readonly #onTheWay: { packet: Uint8Array; to: 'a' | 'b'; from: Party['endpoint'] }[] = []
  readonly begun = { a: 0, b: 0 }
  readonly ended = { a: 0, b: 0 }
  now = 0

  step(step: Step): void {
    if (step.do === 'ask') this.#ask(step.by, step.what)
    else if (step.do === 'wait') this.wait(step.ms)
    else this.#carry(step)
  }

  #carry(step: Extract<Step, { at: number }>): void {
    const [sent] = this.#onTheWay.splice(step.at % Math.max(1, this.#onTheWay.length), 1)
    if (sent === undefined || step.do === 'lose') return
    if (step.do === 'repeat') this.#onTheWay.push(sent)
    const packet = sent.packet.slice()
    if (step.do === 'spoil') packet[step.byte % packet.length] = (packet[step.byte % packet.length] ?? 0) ^ (1 + (step.byte % 255))
    const from = step.do === 'stray' ? { ip: '127.0.0.9', port: 1 + step.byte } : sent.from
    this.#note(sent.to, this.parties[sent.to].exchange.receive(packet, from, this.now) ?? [])
  }

  wait(ms: number): void {
    this.now += ms
    for (const by of ['a', 'b'] as const) {
      this.#note(by, this.parties[by].exchange.expire(this.now))
      expect(this.parties[by].exchange.deadline).toBeGreaterThan(this.now)
    }
  }

  #ask(by: 'a' | 'b', what: number): void {
    const { a, b } = this.parties
    const [us, them] = by === 'a' ? [a, b] : [b, a]
    const request = us.exchange.request(them.record, them.endpoint, BODIES[what % BODIES.length] ?? { type: 'ping', enrSeq: 1n }, this.now)
    if (request === undefined) return
    this.begun[by]++
    this.#note(by, request.effects)
  }

  #note(by: 'a' | 'b', effects: readonly ExchangeEffect[]): void {
    const { exchange, endpoint } = this.parties[by]
    this.ended[by] += effects.filter((effect) => effect.do === 'ended').length
    const answers = effects.flatMap((effect) => (effect.do === 'talk' ? exchange.talkResponse(effect.query, new Uint8Array(3)) : []))
    for (const packet of packetsOf([...effects, ...answers])) {
      expect(packet.length).toBeLessThanOrEqual(1280)
      this.#onTheWay.push({ packet, to: by === 'a' ? 'b' : 'a', from: endpoint })
    }
    // A flood of our own making is not what is tested.
    this.#onTheWay.splice(0, Math.max(0, this.#onTheWay.length - 200))
  }
}

it('whatever happens on the way, nothing throws, each request ends once, and nothing is left', () => {
  fc.assert(
    fc.property(steps, (all) => {
      const run = new Run()
      for (const step of all) run.step(step)
      for (let i = 0; i < 70; i++) run.wait(1000)
      expect(run.ended).toEqual(run.begun)
      for (const { exchange } of [run.parties.a, run.parties.b]) {
        expect(exchange.sizes.calls).toBe(0)
        expect(exchange.deadline).toBe(Number.POSITIVE_INFINITY)
        expect(exchange.sizes.sessions).toBeLessThanOrEqual(2)
      }
    }),
    { numRuns: 300 },
  )
})
