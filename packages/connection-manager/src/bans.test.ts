import { expect, it } from 'vitest'
import { Bans } from './bans.ts'
import { networkOf } from './target.ts'

const FOREVER = Number.POSITIVE_INFINITY

it('holds until a ban ends', () => {
  const bans = new Bans()
  bans.add('16Uiu2', { until: 100, detail: 'spam' }, 0)
  expect(bans.peer('16Uiu2', 99)).toEqual({ until: 100, detail: 'spam' })
  expect(bans.peer('16Uiu2', 100)).toBeUndefined()
  expect(bans.size).toBe(0)
})

it('finds addresses in networks of any length, IPv4-mapped ones too', () => {
  const bans = new Bans()
  for (const text of ['10.1.2.3/8', '192.0.2.7', '2001:db8::/33', '0.0.0.0/3']) bans.add(networkOf(text), { until: FOREVER }, 0)
  const isBanned = (ip: string): boolean => bans.ip(ip, 0) !== undefined
  expect(['10.255.0.1', '::ffff:10.0.0.1', '192.0.2.7', '2001:db8:7fff::1', '31.0.0.1'].map(isBanned)).toEqual(Array(5).fill(true))
  expect(['32.0.0.1', '192.0.2.8', '2001:db8:8000::1', '::1', 'nonsense'].map(isBanned)).toEqual(Array(5).fill(false))
})

it('lifts the very ban only, and tells whether it held', () => {
  const bans = new Bans()
  bans.add(networkOf('10.0.0.0/8'), { until: 100 }, 0)
  expect(bans.remove(networkOf('10.0.0.0/9'), 0)).toBe(false)
  expect(bans.remove(networkOf('10.9.9.9/8'), 0)).toBe(true)
  expect(bans.remove(networkOf('10.0.0.0/8'), 0)).toBe(false)
  expect(bans.ip('10.0.0.1', 0)).toBeUndefined()
})

it('is replaced by a later ban on the same target, also by one that has ended', () => {
  const bans = new Bans()
  bans.add('a', { until: 10 }, 0)
  bans.add('a', { until: 20 }, 0)
  expect(bans.peer('a', 15)).toEqual({ until: 20 })
  bans.add('a', { until: 15 }, 15)
  expect(bans.peer('a', 15)).toBeUndefined()
})

it('keeps its bound: ended bans go first, then the one that ends first', () => {
  const bans = new Bans(2)
  bans.add('soon', { until: 10 }, 0)
  bans.add('later', { until: 50 }, 0)
  bans.add('late', { until: 100 }, 20)
  expect([bans.size, bans.peer('later', 20)?.until]).toEqual([2, 50])
  bans.add(networkOf('10.0.0.0/8'), { until: FOREVER }, 20)
  expect(bans.peer('later', 20)).toBeUndefined()
  expect([bans.peer('late', 20)?.until, bans.ip('10.0.0.1', 20)?.until]).toEqual([100, FOREVER])
})
