import { describe, expect, it } from 'vitest'
import { Remote, T0 } from '../test/remote.ts'
import type { Effects } from './effect.ts'
import { GREETINGS_MAX, Greetings, type Newcomer } from './greetings.ts'

const newcomer = (remote: Remote, origin: Newcomer['origin'] = 'inbound', enrSeq = 0n): Newcomer => {
  const { nodeId, publicKey, from } = remote
  return { nodeId, publicKey, from, tcp: 30303, enrSeq, origin }
}

const expire = (greetings: Greetings, now: number): Effects => {
  const out: Effects = []
  greetings.expire(now, out)
  return out
}

describe('Greetings', () => {
  it('come a second after the first word, with the latest that is known, and stay verified', () => {
    const greetings = new Greetings()
    const [one, other] = [new Remote(1), new Remote(2)]
    greetings.add(newcomer(one, 'verified', 1n), T0)
    greetings.add(newcomer(other), T0 + 300)
    greetings.add(newcomer(one, 'inbound', 2n), T0 + 900)
    expect([greetings.size, greetings.deadline, expire(greetings, T0 + 999)]).toEqual([2, T0 + 1000, []])
    expect(expire(greetings, T0 + 1000)).toMatchObject([{ do: 'met', node: { nodeId: one.nodeId }, origin: 'verified', enrSeq: 2n }])
    expect(expire(greetings, T0 + 1300)).toMatchObject([{ node: { nodeId: other.nodeId }, origin: 'inbound' }])
    expect(greetings.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  it('are bounded: those that wait keep their turn, others are not told of', () => {
    const greetings = new Greetings()
    const remote = new Remote(1)
    for (let port = 1; port <= GREETINGS_MAX + 100; port++) {
      greetings.add({ ...newcomer(remote), from: { ip: '6.6.6.6', port } }, T0)
    }
    greetings.add({ ...newcomer(remote), from: { ip: '6.6.6.6', port: 1 } }, T0 + 500)
    expect([greetings.size, expire(greetings, T0 + 1000).length]).toEqual([GREETINGS_MAX, GREETINGS_MAX])
  })
})
