import type { Traffic } from '@kumiko/interface'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Meter, TrafficBook } from './traffic.ts'

const CAPABILITIES = [
  { name: 'eth', version: 68 },
  { name: 'eth', version: 69 },
  { name: 'snap', version: 1 },
]
const way = fc.constantFrom('received' as const, 'sent' as const)
const step = fc.oneof(
  { weight: 1, arbitrary: fc.record({ do: fc.constant('open' as const), peer: fc.nat({ max: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const), meter: fc.nat() }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('message' as const),
      meter: fc.nat(),
      way,
      capability: fc.nat({ max: 2 }),
      isFresh: fc.boolean(),
      size: fc.nat({ max: 1_000 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('bytes' as const), meter: fc.nat(), way, size: fc.nat({ max: 1_000 }) }) },
)

const FIELDS = ['bytesReceived', 'bytesSent', 'messagesReceived', 'messagesSent'] as const

function sums(parts: Iterable<Record<(typeof FIELDS)[number], number>>): number[] {
  const list = [...parts]
  return FIELDS.map((field) => list.reduce((sum, part) => sum + part[field], 0))
}

function messages({ messagesReceived, messagesSent }: { messagesReceived: number; messagesSent: number }): number[] {
  return [messagesReceived, messagesSent]
}

it('the total is the sum of the peers that came, and messages the sum of the capabilities', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const book = new TrafficBook()
      const meters: Meter[] = []
      const peerOf = new Map<Meter, string>()
      const gone: Traffic[] = []
      const expected = [0, 0, 0, 0]
      const close = (meter: Meter): void => {
        const peer = peerOf.get(meter)
        peerOf.delete(meter)
        if (peer !== undefined && ![...peerOf.values()].includes(peer)) gone.push(book.peer(peer))
        book.close(meter)
      }
      for (const each of steps) {
        if (each.do === 'open') {
          const meter = book.open()
          meters.push(meter)
          peerOf.set(meter, `${each.peer}`)
          book.attribute(meter, `${each.peer}`)
          continue
        }
        const meter = meters[each.meter % Math.max(1, meters.length)]
        if (meter === undefined || !peerOf.has(meter)) continue
        if (each.do === 'close') close(meter)
        else if (each.do === 'bytes') {
          meter.bytes(each.way, each.size)
          expected[each.way === 'received' ? 0 : 1]! += each.size
        } else {
          const capability = CAPABILITIES[each.capability]!
          meter.message(each.way, each.isFresh ? { ...capability } : capability, 0, each.size)
          expected[each.way === 'received' ? 2 : 3]! += 1
        }
      }
      const total = book.total()
      expect(sums([total])).toEqual(expected)
      const peers = [...new Set(peerOf.values())].map((peer) => book.peer(peer))
      expect(sums([...peers, ...gone])).toEqual(expected)
      for (const traffic of [total, ...peers]) expect(sums(Object.values(traffic.capabilities)).slice(2)).toEqual(messages(traffic))
      for (const meter of peerOf.keys()) book.close(meter)
      expect(book.total()).toEqual(total)
    }),
    { numRuns: 200, seed: 20261121 },
  )
})
