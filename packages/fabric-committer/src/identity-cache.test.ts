import type { FabricIdentity } from '@kumiko/fabric-msp'
import { describe, expect, it } from 'vitest'
import { keepIdentities } from './identity-cache.ts'

/** Counts how often an identity was read; one byte names it, 0 nobody. */
function counting(read: number[]) {
  return {
    deserialize: ([name = 0]: Uint8Array) => {
      read.push(name)
      // Only that it is the same object is looked at.
      return name === 0 ? { fault: 'nobody' } : ({ id: String(name) } as FabricIdentity)
    },
  }
}

describe('keepIdentities', () => {
  it('reads an identity once, as long as there is room, and nobody anew each time', () => {
    const read: number[] = []
    const msps = keepIdentities(counting(read), 2)
    const ask = (...bytes: number[]) => msps.deserialize(Uint8Array.from(bytes))
    expect(ask(1)).toBe(ask(1))
    expect([ask(2), ask(0), ask(0), ask(1), ask(3), ask(2), ask(1)]).toMatchObject([
      { id: '2' },
      { fault: 'nobody' },
      { fault: 'nobody' },
      { id: '1' },
      { id: '3' },
      { id: '2' },
      { id: '1' },
    ])
    expect(read).toEqual([1, 2, 0, 0, 3, 1])
  })

  it('tells bytes apart that are no text', () => {
    const read: number[] = []
    const msps = keepIdentities(counting(read))
    for (let byte = 1; byte < 256; byte++) msps.deserialize(Uint8Array.of(byte))
    expect(read).toHaveLength(255)
    const long = new Uint8Array(20_000).fill(1)
    expect(msps.deserialize(long)).not.toBe(msps.deserialize(long))
  })
})
