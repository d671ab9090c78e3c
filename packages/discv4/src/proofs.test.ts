import { describe, expect, it } from 'vitest'
import { PROOFS_MAX, Proofs } from './proofs.ts'

describe('Proofs', () => {
  it('hold for one node at one address, for their time', () => {
    const proofs = new Proofs(1000)
    proofs.add('a', '10.0.0.1', 0)
    expect([proofs.has('a', '10.0.0.1', 999), proofs.has('a', '10.0.0.1', 1000)]).toEqual([true, false])
    expect([proofs.has('b', '10.0.0.1', 0), proofs.has('a', '10.0.0.2', 0)]).toEqual([false, false])
    proofs.add('a', '10.0.0.1', 600)
    expect([proofs.has('a', '10.0.0.1', 1500), proofs.size]).toEqual([true, 1])
    proofs.delete('a', '10.0.0.1')
    proofs.delete('a', '10.0.0.1')
    expect([proofs.has('a', '10.0.0.1', 0), proofs.hasAddress('10.0.0.1'), proofs.size]).toEqual([false, false, 0])
  })

  it('of one address push out that address alone', () => {
    const proofs = new Proofs(1000)
    proofs.add('kept', '10.0.0.1', 0)
    for (let i = 0; i < 2 * PROOFS_MAX.all; i++) proofs.add(`${i}`, '10.0.0.2', 0)
    expect([proofs.size, proofs.has('kept', '10.0.0.1', 0)]).toEqual([PROOFS_MAX.address + 1, true])
    expect([proofs.has('0', '10.0.0.2', 0), proofs.has(`${2 * PROOFS_MAX.all - 1}`, '10.0.0.2', 0)]).toEqual([false, true])
  })

  it('of one /64 push out that /64 alone, and hold at their own address', () => {
    const proofs = new Proofs(1000)
    proofs.add('kept', '2001:db9::1', 0)
    for (let i = 0; i < 2 * PROOFS_MAX.all; i++) proofs.add('a', `2001:db9:0:1::${(i + 1).toString(16)}`, 0)
    expect([proofs.size, proofs.has('kept', '2001:db9::1', 0)]).toEqual([PROOFS_MAX.address + 1, true])
    const last = `2001:db9:0:1::${(2 * PROOFS_MAX.all).toString(16)}`
    expect([proofs.has('a', last, 0), proofs.has('a', '2001:db9:0:1::1', 0)]).toEqual([true, false])
    expect([proofs.hasAddress('2001:db9:0:1::1'), proofs.hasAddress('2001:db9:0:2::1')]).toEqual([true, false])
  })

  it('of many addresses are bounded, and the oldest go', () => {
    const proofs = new Proofs(1000)
    for (let i = 0; i < 3 * PROOFS_MAX.all; i++) {
      proofs.add('a', `${i}`, 0)
      proofs.add('used', 'again and again', 0)
    }
    expect([proofs.size, proofs.hasAddress('0'), proofs.hasAddress('again and again')]).toEqual([PROOFS_MAX.all, false, true])
  })
})
