import { Endorsement } from '@kumiko/fabric-protocol'
import { describe, expect, it } from 'vitest'
import { EndorsementRounds } from './endorsement-rounds.ts'

interface Named {
  readonly address: string
}

const [a1, a2, b1, b2, b3, c1] = ['a1', 'a2', 'b1', 'b2', 'b3', 'c1'].map((address): Named => ({ address }))

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

function answer(endorser: string, payload = 'p') {
  return { payload: bytes(payload), endorsement: Endorsement.create({ endorser: bytes(endorser) }) }
}

/** @param layouts - `{ A: 1 }` and so on. */
function rounds(groups: Record<string, readonly (Named | undefined)[]>, ...layouts: readonly Record<string, number>[]) {
  const members = Object.entries(groups).map(([group, named]) => [group, named.filter((one) => one !== undefined)] as const)
  return new EndorsementRounds<Named>({ groups: new Map(members), layouts: layouts.map((layout) => new Map(Object.entries(layout))) })
}

function names(asked: readonly { readonly endorser: Named }[] | undefined) {
  return asked?.map(({ endorser }) => endorser.address)
}

function accept(all: EndorsementRounds<Named>, named: Named | undefined, payload = 'p') {
  return named !== undefined && all.accept(named, answer(named.address, payload))
}

function collected(all: EndorsementRounds<Named>) {
  return all.collected?.map(({ endorser }) => new TextDecoder().decode(endorser))
}

describe('rounds of endorsements', () => {
  it('ask as many of each group as the layout says, and end when all answered', () => {
    const all = rounds({ A: [a1], B: [b1, b2] }, { A: 1, B: 2 })
    expect(names(all.take())).toEqual(['a1', 'b1', 'b2'])
    expect([accept(all, a1), accept(all, b1)]).toEqual([true, true])
    expect(all.collected).toBeUndefined()
    accept(all, b2)
    expect(collected(all)).toEqual(['a1', 'b1', 'b2'])
    expect(all.responsePayload).toEqual(bytes('p'))
  })

  it('take another of the group for one that failed', () => {
    const all = rounds({ A: [a1, a2], B: [b1, b2, b3] }, { A: 1, B: 2 })
    expect(names(all.take())).toEqual(['a1', 'b1', 'b2'])
    expect(all.next('A')).toEqual({ endorser: a2, group: 'A' })
    expect(all.next('A')).toBeUndefined()
    expect(all.next('B')?.endorser).toBe(b3)
  })

  it('go on with the next layout that needs no group which has nobody left, and count what was endorsed before', () => {
    const all = rounds({ A: [a1, a2], B: [b1, b2], C: [c1] }, { A: 1, B: 1 }, { A: 1, C: 1 }, { B: 1, C: 1 })
    expect(names(all.take())).toEqual(['a1', 'b1'])
    accept(all, b1)
    expect(all.next('A')?.endorser).toBe(a2)
    expect(all.next('A')).toBeUndefined()
    all.giveUp(['A'])
    expect(names(all.take())).toEqual(['c1'])
    accept(all, c1)
    expect(collected(all)).toEqual(['b1', 'c1'])
  })

  it('leave out layouts that need more of a group than are left', () => {
    const all = rounds({ A: [a1, a2], B: [b1, b2], C: [c1] }, { A: 1, B: 1, C: 1 }, { A: 1, B: 2 }, { A: 2, B: 1 })
    expect(names(all.take())).toEqual(['a1', 'b1', 'c1'])
    accept(all, a1)
    expect(all.next('B')?.endorser).toBe(b2)
    accept(all, b2)
    all.giveUp(['C'])
    expect(names(all.take())).toEqual(['a2'])
    all.giveUp(['A'])
    expect(all.take()).toBeUndefined()
  })

  it('take nobody for a layout that cannot be fulfilled', () => {
    const all = rounds({ A: [a1], B: [b1] }, { A: 1, B: 2 }, { A: 1 })
    expect(names(all.take())).toEqual(['a1'])
  })

  it('count who has answered already, and ask it no more', () => {
    const all = rounds({ A: [a1, a2], B: [b1] }, { A: 1, B: 1 })
    accept(all, a1)
    expect(names(all.take())).toEqual(['b1'])
    accept(all, b1)
    expect(collected(all)).toEqual(['a1', 'b1'])
  })

  it('do not count who is in no group, but compare with its answer', () => {
    const all = rounds({ B: [b1] }, { B: 1 })
    expect(accept(all, a1)).toBe(true)
    expect(all.collected).toBeUndefined()
    expect(accept(all, b1, 'other')).toBe(false)
    expect(all.collected).toBeUndefined()
  })

  it('refuse an answer that differs', () => {
    const all = rounds({ A: [a1], B: [b1, b2] }, { A: 1, B: 1 })
    all.take()
    accept(all, a1)
    expect(accept(all, b1, 'other')).toBe(false)
    expect(all.next('B')?.endorser).toBe(b2)
    expect(accept(all, b2)).toBe(true)
    expect(collected(all)).toEqual(['a1', 'b2'])
  })

  it('keep one endorsement of each endorser', () => {
    const all = rounds({ A: [a1, a2] }, { A: 2 })
    all.take()
    if (a1 && a2) {
      all.accept(a1, answer('same'))
      all.accept(a2, answer('same'))
    }
    expect(collected(all)).toEqual(['same'])
  })

  it('ask a peer of several groups once, and count it for one', () => {
    const all = rounds({ A: [a1], B: [a1, b1] }, { A: 1, B: 1 })
    expect(names(all.take())).toEqual(['a1', 'b1'])
    accept(all, a1)
    expect(all.collected).toBeUndefined()
    accept(all, b1)
    expect(collected(all)).toEqual(['a1', 'b1'])
  })

  it('have nothing to ask without layouts', () => {
    expect(rounds({ A: [a1] }).take()).toBeUndefined()
  })
})
