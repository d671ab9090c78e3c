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
