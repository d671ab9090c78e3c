import { describe, expect, it } from 'vitest'
import { FloodGate, type Standing } from './flood-gate.ts'

describe('FloodGate', () => {
  const passed = (gate: FloodGate, count: number, ip: (i: number) => string, standing: Standing): number =>
    Array.from({ length: count }, (_, i) => gate.lets(ip(i), standing, 0)).filter(Boolean).length

  it('is narrower for strangers than for others', () => {
    const gate = new FloodGate({})
    expect(passed(gate, 5000, () => '203.0.113.1', 'proved')).toBe(1000)
    expect(passed(gate, 5000, () => '203.0.113.2', 'stranger')).toBe(40)
  })

  it('lets only so many strangers pass in all, and others beside them', () => {
    const gate = new FloodGate({})
    expect(passed(gate, 20_000, (i) => `10.${i >> 16}.${(i >> 8) & 0xff}.${i & 0xff}`, 'stranger')).toBe(2000)
    expect(gate.lets('192.0.2.1', 'proved', 0)).toBe(true)
    expect(gate.size).toBeLessThanOrEqual(2 * 4096)
  })

  it('lets only so many pass in the name of those who have proved where they are, and answers to our questions beside them', () => {
    const gate = new FloodGate({})
    expect(passed(gate, 20_000, (i) => `10.0.0.${i & 0x3f}`, 'proved')).toBe(6000)
    expect(passed(gate, 2000, () => '192.0.2.1', 'asked')).toBe(1000)
  })

  it('takes a /64 of IPv6 for one address', () => {
    expect(passed(new FloodGate({ perStranger: 5 }), 1000, (i) => `2001:db8::${i.toString(16)}`, 'stranger')).toBe(10)
  })

  it('never limits loopback', () => {
    const gate = new FloodGate({ perStranger: 1, perAddress: 1, strangers: 1 })
    for (const ip of ['127.0.0.1', '127.1.2.3', '::1']) expect(passed(gate, 1000, () => ip, 'stranger')).toBe(1000)
  })
})
