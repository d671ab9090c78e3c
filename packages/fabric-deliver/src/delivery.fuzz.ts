import { ordererBlock } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { seeded } from '@kumiko/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { goldenBlock } from '../test/golden.ts'
import { Delivery, type DeliveryEffect } from './delivery.ts'
import { blockIntake, filteredIntake, type Intake, privateIntake } from './intake.ts'
import { DeliverResponse } from './response.ts'
import { Rotation } from './rotation.ts'

const TIMES = {
  connectTimeoutMs: 300,
  silenceMaxMs: 1000,
  retryInitialMs: 10,
  retryFactor: 1.2,
  retryMaxMs: 500,
  reconnectTotalMs: Number.POSITIVE_INFINITY,
}

/** What may happen to a delivery. */
type Happening =
  | { readonly kind: 'block'; readonly offset: number }
  | { readonly kind: 'status'; readonly status: number }
  | { readonly kind: 'noise'; readonly bytes: Uint8Array }
  | { readonly kind: 'connected' | 'broken' | 'pause' | 'resume' }
  | { readonly kind: 'wait'; readonly durationMs: number }

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('block'), offset: fc.constantFrom(0, 0, 0, 0, 1, -1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('status'), status: fc.constantFrom(200, 404, 500, 503) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('noise'), bytes: fc.uint8Array({ maxLength: 20 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('connected', 'broken', 'pause', 'resume') }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('wait'), durationMs: fc.integer({ min: 0, max: 1500 }) }) },
)

describe('a delivery', () => {
  it('gives each block once and in order, has one stream at a time, and never forgets to go on', () => {
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 80 }), fc.integer(), (happenings, seed) => {
        const rotation = new Rotation([{ address: 'a' }, { address: 'b' }], seeded(seed).random)
        const delivery = new Delivery({
          from: 1n,
          until: undefined,
          intake: blockIntake(undefined, goldenBlock(0).header),
          rotation,
          times: TIMES,
        })
        let now = 0
        let next = 1
        let isOpen = false
        const perform = (effects: readonly DeliveryEffect<{ readonly header: { readonly number: bigint } }>[]): void => {
          for (const effect of effects) {
            if (effect.do === 'open') {
              expect(isOpen).toBe(false)
              expect(effect.seek.start).toBe(BigInt(next))
              isOpen = true
            } else if (effect.do === 'close') {
              expect(isOpen).toBe(true)
              isOpen = false
            } else if (effect.do === 'give') expect(effect.item.header.number).toBe(BigInt(next++))
            else expect(effect.do).toBe('tell')
          }
          expect(isOpen || Number.isFinite(delivery.deadline)).toBe(true)
        }
        perform(delivery.start(now))
        for (const happened of happenings) {
          if (happened.kind === 'wait') now += happened.durationMs
          if (happened.kind === 'wait') perform(delivery.expire(now))
          else if (!isOpen) continue
          else if (happened.kind === 'block')
            perform(
              delivery.receive(DeliverResponse.encode({ block: ordererBlock(Math.max(0, Math.min(53, next + happened.offset))) }), now),
            )
          else if (happened.kind === 'status') perform(delivery.receive(DeliverResponse.encode({ status: happened.status }), now))
          else if (happened.kind === 'noise') perform(delivery.receive(happened.bytes, now))
          else if (happened.kind === 'connected') perform(delivery.connected(now))
          else if (happened.kind === 'broken') perform(delivery.broken({ fault: 'gone' }, now))
          else if (happened.kind === 'pause') delivery.pause()
          else delivery.resume(now)
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('what comes', () => {
  const intakes: readonly (() => Intake<unknown>)[] = [
    () => blockIntake(undefined, undefined),
    () => filteredIntake('mychannel'),
    () => privateIntake(undefined, undefined),
  ]

  it('is taken or refused, never thrown at', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(...intakes), (bytes, make) => {
        const response = DeliverResponse.decode(bytes)
        if (isFault(response)) return
        const accepted = make().accept(response, 5n)
        if (!isFault(accepted)) expect(accepted.number).toBe(5n)
      }),
      { numRuns: 2000 },
    )
  })

  it('is refused with a bit flipped anywhere but in what is not hashed', () => {
    const bytes = ordererBlock(8)
    const sound = goldenBlock(8)
    fc.assert(
      fc.property(fc.integer({ min: 0, max: bytes.length * 8 - 1 }), (bit) => {
        const flipped = bytes.slice()
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        const accepted = blockIntake(undefined, goldenBlock(7).header).accept(DeliverResponse.create({ block: flipped }), 8n)
        if (!isFault(accepted)) expect({ ...accepted.item, metadata: [] }).toEqual({ ...sound, metadata: [] })
      }),
      { numRuns: 500 },
    )
  })
})
