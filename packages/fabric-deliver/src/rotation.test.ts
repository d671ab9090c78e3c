import type { Endpoint } from '@kumiko/fabric-grpc'
import { seeded } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import { Rotation } from './rotation.ts'

function endpoints(...addresses: readonly string[]): readonly Endpoint[] {
  return addresses.map((address) => ({ address }))
}

function take(rotation: Rotation, count: number): string[] {
  return Array.from({ length: count }, () => rotation.next().address)
}

describe('a rotation', () => {
  it('has each once a round, and none twice in a row', () => {
    const rotation = new Rotation(endpoints('a', 'b', 'c'), seeded().random)
    const taken = take(rotation, 300)
    for (let at = 0; at < 300; at += 3) expect(new Set(taken.slice(at, at + 3)).size).toBe(3)
    for (const [at, address] of taken.entries()) expect(address).not.toBe(taken[at - 1])
  })

  it('begins with any of them', () => {
    const { random } = seeded()
    const first = Array.from({ length: 300 }, () => new Rotation(endpoints('a', 'b', 'c'), random).next().address)
    for (const address of ['a', 'b', 'c']) expect(first.filter((other) => other === address).length).toBeGreaterThan(60)
  })

  it('stays with the only one', () => {
    expect(take(new Rotation(endpoints('a'), seeded().random), 3)).toEqual(['a', 'a', 'a'])
  })

  it('goes on with others', () => {
    const rotation = new Rotation(endpoints('a', 'b'), seeded().random)
    take(rotation, 1)
    rotation.replace(endpoints('c', 'd', 'c'))
    expect(new Set(take(rotation, 3))).toEqual(new Set(['c', 'd']))
    expect(rotation.addresses).toBe(2)
    expect(rotation.has({ address: 'c' })).toBe(true)
    expect(rotation.has({ address: 'a' })).toBe(false)
    expect(rotation.has({ address: 'c', tlsRoots: [] })).toBe(false)
  })
})
