import { describe, expect, it } from 'vitest'
import { Agreement } from './agreement.ts'

const [one, other] = [Uint8Array.of(1), Uint8Array.of(2)]

describe('Agreement', () => {
  it('waits for most, and names those who say otherwise', () => {
    const agreement = new Agreement(7n, 3)
    agreement.hear('a', 7n, other)
    agreement.hear('b', 7n, one)
    expect(agreement.take()).toBeUndefined()
    expect(agreement.isSplit).toBe(false)
    agreement.hear('c', 7n, Uint8Array.of(1))
    expect(agreement.take()).toEqual({ sequence: 7n, bytes: one, dissenters: ['a'] })
    expect(agreement.next).toBe(8n)
  })

  it('counts the last word of a replica, and none of one that is not heard any more', () => {
    const agreement = new Agreement(1n, 3)
    agreement.hear('a', 1n, other)
    agreement.hear('a', 1n, one)
    agreement.hear('b', 1n, one)
    agreement.forget('b')
    expect(agreement.take()).toBeUndefined()
    agreement.hear('c', 1n, one)
    expect(agreement.take()).toEqual({ sequence: 1n, bytes: one, dissenters: [] })
  })

  it('says what most have not, and what no most can have', () => {
    const agreement = new Agreement(1n, 3)
    agreement.hear('a', 1n, undefined)
    agreement.hear('b', 1n, undefined)
    expect(agreement.take()).toEqual({ sequence: 1n, bytes: undefined, dissenters: [] })
    agreement.hear('a', 2n, one)
    agreement.hear('b', 2n, other)
    agreement.hear('c', 2n, undefined)
    expect(agreement.isSplit).toBe(true)
    expect(agreement.take()).toBeUndefined()
  })

  it('names those who say otherwise later', () => {
    const agreement = new Agreement(1n, 3)
    for (let sequence = 1n; sequence <= 20n; sequence++) {
      agreement.hear('a', sequence, one)
      agreement.hear('b', sequence, one)
      agreement.take()
    }
    const told = [4n, 5n, 6n, 7n].map((sequence) => agreement.hear('c', sequence, sequence === 5n ? one : other))
    expect(told).toEqual([false, false, true, false])
  })

  it('takes no entry of a log that is another on most', () => {
    const agreement = new Agreement(1n, 3)
    for (const replica of ['a', 'b']) agreement.hear(replica, 1n, one)
    agreement.take()
    for (const replica of ['a', 'b']) agreement.forget(replica)
    for (const replica of ['a', 'b']) agreement.hear(replica, 2n, one)
    agreement.hear('a', 1n, other)
    expect(agreement.isContradicted).toBe(false)
    agreement.hear('b', 1n, other)
    expect([agreement.isContradicted, agreement.take()]).toEqual([true, undefined])
    agreement.forget('b')
    agreement.hear('b', 1n, one)
    agreement.hear('b', 2n, one)
    expect(agreement.take()).toMatchObject({ sequence: 2n })
  })

  it('needs more where the log has more replicas, and never fewer', () => {
    const agreement = new Agreement(1n, 3)
    agreement.resize(5)
    agreement.resize(1)
    expect(agreement.quorum).toBe(3)
    agreement.hear('a', 1n, one)
    agreement.hear('b', 1n, one)
    expect(agreement.take()).toBeUndefined()
  })

  it('knows whose log is shorter than what was agreed on', () => {
    const agreement = new Agreement(5n, 3)
    expect(agreement.hasReached('a')).toBe(false)
    agreement.hear('a', 3n, one)
    expect(agreement.hasReached('a')).toBe(false)
    agreement.hear('a', 4n, one)
    expect(agreement.hasReached('a')).toBe(true)
    agreement.forget('a')
    expect(agreement.hasReached('a')).toBe(false)
    expect(new Agreement(1n, 3).hasReached('a')).toBe(true)
  })
})
