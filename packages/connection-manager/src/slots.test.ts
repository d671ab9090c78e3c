import { expect, it } from 'vitest'
import { peer, testPolicy } from '../test/fixture.ts'
import { type Slot, Slots } from './slots.ts'

function begin(slots: Slots): Slot {
  const slot = slots.begin({ direction: 'inbound', stack: 'libp2p', ip: '10.0.0.1', subnet: '10.0.0.0/24' })
  if ('reason' in slot) throw new Error(slot.code)
  return slot
}

it('moves a slot on once only, whatever is asked of it', () => {
  const slots = new Slots(testPolicy())
  const slot = begin(slots)
  slots.admit(slot, peer(1))
  slots.admit(slot, peer(2))
  expect(slots.counts()).toEqual({ pendingInbound: 0, pendingOutbound: 0, peers: 1, inboundPeers: 1, connections: 1 })
  slots.release(slot)
  slots.release(slot)
  slots.admit(slot, peer(1))
  expect(slots.counts()).toEqual({ pendingInbound: 0, pendingOutbound: 0, peers: 0, inboundPeers: 0, connections: 0 })
})

it('tells how many peers are too many, leaving out trusted and dialed static ones', () => {
  const policy = testPolicy()
  const slots = new Slots(policy)
  for (const n of [1, 2, 3, 4]) {
    const slot = slots.begin({ direction: n === 4 ? 'outbound' : 'inbound', stack: 'rlpx' })
    if (!('reason' in slot)) slots.admit(slot, peer(n))
  }
  policy.trusted.add(peer(1).toString())
  for (const n of [3, 4]) policy.static.add(peer(n).toString())
  policy.maxPeers = 1
  expect(slots.excess()).toBe(1)
})

/** Two nodes dial each other, the second `lagMs` after the first, over a path of 100 ms. @returns Who keeps which connection. */
function dialEachOther(lagMs: number): string[] {
  const ends = [peer(1), peer(2)].map((self) => new Slots({ ...testPolicy(), self }))
  const events: { readonly at: number; readonly run: () => void }[] = []
  const kept = new Set<string>()
  const dial = (from: 0 | 1, start: number): void => {
    const name = `dialed by ${from}`
    const slots = [from, 1 - from].map((end) => {
      const direction = end === from ? 'outbound' : 'inbound'
      const whom = end === from ? { peerId: peer(2 - end) } : {}
      return { end, slot: ends[end]?.begin({ stack: 'rlpx', direction, ...whom }) }
    })
    const step = (index: 0 | 1, at: number, isLast: boolean): void => {
      const { end, slot } = slots[index]!
      const run = (): void => {
        if (slot === undefined || 'reason' in slot || slot.state.at === 'released') return
        const refusal = ends[end]!.check(slot.request, peer(2 - end))
        if (refusal !== undefined) for (const other of slots) close(other)
        else if (!isLast) ends[end]!.prove(slot, peer(2 - end))
        else {
          ends[end]!.admit(slot, peer(2 - end))
          kept.add(`${end}: ${name}`)
        }
      }
      events.push({ at, run })
    }
    const close = ({ end, slot }: (typeof slots)[number]): void => {
      if (slot !== undefined && !('reason' in slot)) ends[end]!.release(slot)
      kept.delete(`${end}: ${name}`)
    }
    step(1, start + 100, false)
    step(0, start + 200, false)
    step(0, start + 200, true)
    step(1, start + 300, true)
  }
  dial(0, 0)
  dial(1, lagMs)
  for (const { run } of events.sort((a, b) => a.at - b.at)) run()
  return [...kept].sort()
}

it.each([0, 1, 50, 99])('leaves one of two connections where two nodes dial each other within %i ms', (lagMs) => {
  const first = peer(1).toString() < peer(2).toString() ? 0 : 1
  expect(dialEachOther(lagMs)).toEqual([`0: dialed by ${first}`, `1: dialed by ${first}`])
  expect(dialEachOther(-lagMs)).toEqual([`0: dialed by ${first}`, `1: dialed by ${first}`])
})
