import type { Endpoint } from '@kumiko/fabric-grpc'
import { BlockHeader, BlockMessage, concatBytes, encodeVarint } from '@kumiko/fabric-protocol'
import type { Fault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { Delivery, type DeliveryEffect, type DeliveryPlan, type DeliveryTimes } from './delivery.ts'
import { blockIntake, type Intake } from './intake.ts'
import { DeliverResponse } from './response.ts'
import { Rotation } from './rotation.ts'

const TIMES: DeliveryTimes = {
  connectTimeoutMs: 3000,
  silenceMaxMs: 60_000,
  retryInitialMs: 100,
  retryFactor: 1.2,
  retryMaxMs: 10_000,
  reconnectTotalMs: Number.POSITIVE_INFINITY,
}
const A: Endpoint = { address: 'a' }
const B: Endpoint = { address: 'b' }
const LIE = 99
const BROKEN: Fault = { fault: 'fabric-deliver/unreachable' }

/** Takes the numbers that come as blocks of one byte; {@link LIE} is refused. */
function numbers(endpoints: () => readonly Endpoint[] | undefined = () => undefined): Intake<bigint> {
  return {
    accept: ({ block }, expected) => {
      const [number] = block ?? []
      if (number === undefined || number === LIE) return { fault: 'lie' }
      return expected === undefined || expected === BigInt(number) ? { item: BigInt(number), number: BigInt(number) } : { fault: 'wrong' }
    },
    get endpoints() {
      return endpoints()
    },
  }
}

/** Endpoints in the order given, again and again: `random` that is almost 1 leaves a list as it is, and rotations take from its end. */
function deliveryOf(plan: Partial<DeliveryPlan<bigint>> = {}, ...endpoints: readonly Endpoint[]): Delivery<bigint> {
  const rotation = new Rotation(endpoints.length === 0 ? [A] : [...endpoints].reverse(), () => 0.999_999)
  return new Delivery({ from: 1n, until: undefined, intake: numbers(), rotation, times: TIMES, ...plan })
}

function block(number: number): Uint8Array {
  return DeliverResponse.encode({ block: Uint8Array.of(number) })
}

function status(code: number): Uint8Array {
  return DeliverResponse.encode({ status: code })
}

function kinds(effects: readonly DeliveryEffect<bigint>[]): string[] {
  return effects.map((effect) => effect.do)
}

/** How long it waits. */
function retryOf(effects: readonly DeliveryEffect<bigint>[]): number {
  const told = effects.find((effect) => effect.do === 'tell')
  if (told?.do !== 'tell') throw new Error(`nothing told: ${kinds(effects)}`)
  return told.broken.retryMs
}

/** A message of so many fields as fit into its bytes. */
function fields(bytes: number): Uint8Array {
  return new Uint8Array(bytes).fill(0x0a).map((byte, at) => (at % 2 === 0 ? byte : 0))
}

describe('a delivery', () => {
  it('asks, connects, and gives what comes', () => {
    const delivery = deliveryOf()
    expect(delivery.deadline).toBe(Number.POSITIVE_INFINITY)
    expect(delivery.start(1000)).toEqual([{ do: 'open', endpoint: A, seek: { start: 1n, waits: true } }])
    expect(delivery.deadline).toBe(4000)
    expect(delivery.connected(1500)).toEqual([])
    expect(delivery.deadline).toBe(61_500)
    expect(delivery.receive(block(1), 2000)).toEqual([{ do: 'give', item: 1n }])
    expect(delivery.deadline).toBe(62_000)
    expect(delivery.receive(block(2), 3000)).toEqual([{ do: 'give', item: 2n }])
  })

  it('takes a message with too many fields for a lie, before it costs what they do', () => {
    const transactions = BlockMessage.encode({ header: BlockHeader.create({ number: 1n }), data: { data: [] }, metadata: undefined })
    const bytes = fields(2_200_000)
    const bomb = concatBytes([transactions, Uint8Array.of(0x12), encodeVarint(BigInt(bytes.length)), bytes])
    for (const message of [DeliverResponse.encode({ block: bomb }), concatBytes([Uint8Array.of(0x1a), encodeVarint(2_200_000n), bytes])]) {
      const rotation = new Rotation([A], () => 0.5)
      const delivery = new Delivery({ from: 1n, until: undefined, intake: blockIntake(undefined, undefined), rotation, times: TIMES })
      delivery.start(0)
      const told = delivery.receive(message, 1).find((effect) => effect.do === 'tell')
      expect(told?.broken.fault.detail).toContain('more than 1000000 fields')
    }
  })

  it('goes on at the next number, elsewhere, after any break', () => {
    const delivery = deliveryOf({}, A, B)
    delivery.start(0)
    delivery.receive(block(1), 10)
    delivery.receive(block(2), 20)
    expect(delivery.broken(BROKEN, 30)).toEqual([
      { do: 'close' },
      { do: 'tell', broken: { address: 'a', fault: BROKEN, gave: 2, retryMs: 100 } },
    ])
    expect(delivery.deadline).toBe(130)
    expect(delivery.expire(129)).toEqual([])
    expect(delivery.expire(130)).toEqual([{ do: 'open', endpoint: B, seek: { start: 3n, waits: true } }])
    // What came too late for the stream before.
    expect(kinds(delivery.receive(block(3), 140))).toEqual(['give'])
  })

  it('keeps the place that it began at until something came, then the number', () => {
    const delivery = deliveryOf({ from: 'newest' })
    delivery.start(0)
    delivery.broken(BROKEN, 10)
    expect(delivery.expire(110)).toMatchObject([{ do: 'open', seek: { start: 'newest' } }])
    expect(delivery.receive(block(7), 120)).toEqual([{ do: 'give', item: 7n }])
    delivery.broken(BROKEN, 130)
    expect(delivery.expire(230)).toMatchObject([{ do: 'open', seek: { start: 8n } }])
  })

  it('ends after the last that was asked for', () => {
    const delivery = deliveryOf({ until: 2n })
    expect(delivery.start(0)).toMatchObject([{ do: 'open', seek: { start: 1n, stop: 2n } }])
    delivery.receive(block(1), 1)
    expect(kinds(delivery.receive(block(2), 2))).toEqual(['give', 'close', 'end'])
    expect(delivery.deadline).toBe(Number.POSITIVE_INFINITY)
    expect(delivery.receive(block(3), 3)).toEqual([])
    expect(delivery.broken(BROKEN, 3)).toEqual([])
    expect(deliveryOf({ from: 3n, until: 2n }).start(0)).toEqual([{ do: 'end' }])
  })

  it('waits longer after each failure, up to a bound, and not so long again once blocks come', () => {
    const delivery = deliveryOf({}, A, B)
    let now = 0
    delivery.start(now)
    const waits: number[] = []
    for (let failure = 0; failure < 40; failure++) {
      waits.push(retryOf(delivery.broken(BROKEN, now)))
      now = delivery.deadline
      delivery.expire(now)
    }
    expect(waits.slice(0, 4).map(Math.round)).toEqual([100, 120, 144, 173])
    expect(waits.slice(25, 27).map(Math.round)).toEqual([9540, 10_000])
    expect(waits.at(-1)).toBe(10_000)
    delivery.receive(block(1), now)
    expect(retryOf(delivery.broken(BROKEN, now))).toBe(100)
  })

  it('is not kept busy by who tells the truth between lies', () => {
    const delivery = deliveryOf()
    let now = 0
    delivery.start(now)
    const waits: number[] = []
    for (let number = 1; number <= 30; number++) {
      expect(kinds(delivery.receive(block(number), now))).toEqual(['give'])
      waits.push(retryOf(delivery.receive(number % 2 === 0 ? block(LIE) : Uint8Array.of(0xff), now)))
      now = delivery.deadline
      delivery.expire(now)
    }
    expect(waits[0]).toBe(100)
    expect(waits.at(-1)).toBe(10_000)
  })

  it('times a connection out', () => {
    const delivery = deliveryOf({}, A, B)
    delivery.start(0)
    expect(delivery.expire(3000)).toMatchObject([{ do: 'close' }, { do: 'tell', broken: { fault: { fault: 'fabric-deliver/timeout' } } }])
    expect(delivery.expire(3100)).toMatchObject([{ do: 'open', endpoint: B }])
  })

  it('asks another where nothing comes, at once and without counting it, but not while nobody takes', () => {
    const delivery = deliveryOf({}, A, B)
    delivery.start(0)
    delivery.connected(0)
    expect(delivery.expire(60_000)).toMatchObject([
      { do: 'close' },
      { do: 'tell', broken: { fault: { fault: 'fabric-deliver/silent' }, retryMs: 0 } },
      { do: 'open', endpoint: B },
    ])
    delivery.connected(60_000)
    delivery.pause()
    expect(delivery.deadline).toBe(Number.POSITIVE_INFINITY)
    delivery.resume(500_000)
    expect(delivery.deadline).toBe(560_000)
    expect(retryOf(delivery.broken(BROKEN, 500_001))).toBe(100)
  })

  it.each([
    [200, 'fabric-deliver/ended'],
    [404, 'fabric-deliver/not-found'],
    [500, 'fabric-deliver/refused'],
    [503, 'fabric-deliver/unavailable'],
    [-7, 'fabric-deliver/refused'],
  ])('goes on after status %i', (code, fault) => {
    const delivery = deliveryOf({}, A, B)
    delivery.start(0)
    expect(delivery.receive(status(code), 0)).toMatchObject([{ do: 'close' }, { do: 'tell', broken: { address: 'a', fault: { fault } } }])
    expect(delivery.expire(100)).toMatchObject([{ do: 'open', endpoint: B }])
  })

  it.each([
    [403, 'fabric-deliver/forbidden'],
    [400, 'fabric-deliver/bad-request'],
  ])('fails where all endpoints answer %i, not where one does', (code, error) => {
    const delivery = deliveryOf({}, A, B)
    delivery.start(0)
    expect(kinds(delivery.receive(status(code), 0))).toEqual(['close', 'tell'])
    delivery.expire(100)
    // A block between: it was that one server's word.
    delivery.receive(block(1), 100)
    expect(kinds(delivery.receive(status(code), 100))).toEqual(['close', 'tell'])
    delivery.expire(200)
    expect(delivery.receive(status(code), 200)).toMatchObject([{ do: 'close' }, { do: 'fail', error: { code: error } }])
    expect(delivery.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  it('keeps trying where one refuses and the other is not there', () => {
    const delivery = deliveryOf({}, A, B)
    let now = 0
    delivery.start(now)
    for (let failure = 0; failure < 20; failure++) {
      expect(kinds(failure % 2 === 0 ? delivery.receive(status(403), now) : delivery.broken(BROKEN, now))).toEqual(['close', 'tell'])
      now = delivery.deadline
      delivery.expire(now)
    }
  })

  it('gives up in time, where it is told to', () => {
    const delivery = deliveryOf({ times: { ...TIMES, reconnectTotalMs: 1000 } })
    delivery.start(0)
    delivery.connected(0)
    delivery.receive(block(1), 50_000)
    let now = 50_000
    let effects = delivery.broken(BROKEN, now)
    let count = 1
    while (kinds(effects).includes('tell')) {
      now = delivery.deadline
      delivery.expire(now)
      effects = delivery.broken(BROKEN, now)
      count++
    }
    expect(effects).toMatchObject([{ do: 'close' }, { do: 'fail', error: { code: 'fabric-deliver/given-up' } }])
    expect(now).toBeLessThanOrEqual(51_000)
    // 100 + 120 + 144 + 173 + 207 = 744, and 249 more; the seventh would pass.
    expect(count).toBe(7)
  })

  describe('told of other endpoints by what came', () => {
    it('moves to one of them', () => {
      let named: readonly Endpoint[] | undefined
      const delivery = deliveryOf({ intake: numbers(() => named) }, A)
      delivery.start(0)
      delivery.receive(block(1), 0)
      named = [B]
      expect(delivery.receive(block(2), 0)).toEqual([
        { do: 'give', item: 2n },
        { do: 'close' },
        { do: 'open', endpoint: B, seek: { start: 3n, waits: true } },
      ])
    })

    it('stays where it is, if that is among them, or if there are none', () => {
      let named: readonly Endpoint[] | undefined
      const delivery = deliveryOf({ intake: numbers(() => named) }, A)
      delivery.start(0)
      named = [B, { address: 'a' }]
      expect(kinds(delivery.receive(block(1), 0))).toEqual(['give'])
      named = []
      expect(kinds(delivery.receive(block(2), 0))).toEqual(['give'])
      delivery.broken(BROKEN, 0)
      expect(delivery.expire(100)).toMatchObject([{ do: 'open', endpoint: B }])
    })
  })
})
