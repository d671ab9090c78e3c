import { seeded, type VirtualClock, virtualClock } from '@kumiko/testkit'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CopiedStream, type CopyServer } from '../test/copied-stream.ts'
import { StreamReader } from './stream-reader.ts'

let clock: VirtualClock
let stop: AbortController
let ended: Promise<void>
let stream: CopiedStream | undefined

beforeEach(() => {
  clock = virtualClock()
  stop = new AbortController()
  ended = Promise.resolve()
})

afterEach(async () => {
  stop.abort()
  await clock.advance(5000)
  await ended
  expect(stream?.openCount).toBe(0)
})

const entry = (sequence: number): Uint8Array => Uint8Array.of(sequence)
const entries = (count: number): Uint8Array[] => Array.from({ length: count }, (_, at) => entry(at + 1))

/** Servers that all have so many entries. */
const servers = (count: number, length: number): CopyServer[] =>
  Array.from({ length: count }, (_, at) => ({ name: `nats-${at}`, entries: entries(length), isCurrent: true, isAway: false }))

interface Reading {
  readonly stream: CopiedStream
  readonly taken: number[]
  readonly told: string[]
  failure: unknown
}

/** @param seed - Of the chance by which servers are found. */
function read(all: readonly CopyServer[], from = 1n, seed = 1): Reading {
  const copied = new CopiedStream(all, clock, seeded(seed))
  stream = copied
  const reading: Reading = { stream: copied, taken: [], told: [], failure: undefined }
  const log = Object.assign(() => {}, {
    enabled: true,
    trace: () => {},
    newScope: () => log,
    error: (_: unknown, ...what: unknown[]) => reading.told.push(what.slice(0, 2).join(' ')),
  })
  const reader = new StreamReader({ stream: copied, replicas: all.length, clock, log }, from)
  ended = (async () => {
    try {
      for await (const { sequence, bytes } of reader.entries(stop.signal)) {
        expect(bytes).toEqual(entry(Number(sequence)))
        reading.taken.push(Number(sequence))
      }
    } catch (error) {
      reading.failure = error
    }
  })()
  return reading
}

const upTo = (last: number, first = 1): number[] => Array.from({ length: last - first + 1 }, (_, at) => at + first)

describe('StreamReader', () => {
  it.each([1, 2, 3, 4, 5, 6])('gives what most servers have, in order, and names who has another (chance %i)', async (seed) => {
    const all = servers(3, 40)
    all[2]?.entries.splice(20, 2, Uint8Array.of(0), Uint8Array.of(0))
    const reading = read(all, 15n, seed)
    await clock.advance(3000)
    expect(reading.taken).toEqual(upTo(40, 15))
    for (const [at, { entries: list }] of all.entries()) list.push(at === 1 ? Uint8Array.of(0) : entry(41), entry(42))
    await clock.advance(1000)
    expect(reading.taken).toEqual(upTo(42, 15))
    expect(reading.told.filter((what) => what.startsWith('nats-0'))).toEqual([])
    expect(reading.told).toContain('nats-1 41')
    expect(reading.stream.openCount).toBe(3)
  })

  it.each([1, 2, 3, 4, 5, 6])('goes on without servers that are listed, and do not answer (chance %i)', async (seed) => {
    const all = servers(5, 5)
    for (const server of all.slice(0, 2)) server.isAway = true
    const reading = read(all, 1n, seed)
    await clock.advance(10_000)
    expect(reading.taken).toEqual(upTo(5))
  })

  it('hears a server again whose messages were lost on their way', async () => {
    const all = servers(3, 30)
    for (const server of all) server.losesEvery = 7
    const reading = read(all)
    await clock.advance(30_000)
    expect(reading.taken).toEqual(upTo(30))
  })

  it('goes on when the servers that it hears go, and others are there', async () => {
    const all = servers(3, 10)
    const [one, two] = all
    if (two !== undefined) two.isAway = true
    const reading = read(all)
    await clock.advance(5000)
    expect(reading.taken).toEqual(upTo(10))
    if (one !== undefined && two !== undefined) [one.isAway, two.isAway] = [true, false]
    for (const { entries: list } of all) list.push(entry(11))
    await clock.advance(10_000)
    expect(reading.taken).toEqual(upTo(11))
  })

  it('hears servers anew that tell nothing', async () => {
    const all = servers(3, 5)
    for (const server of all.slice(1)) server.isMute = true
    const reading = read(all)
    await clock.advance(1000)
    for (const server of all) server.isMute = false
    expect(reading.taken).toEqual([])
    await clock.advance(15_000)
    expect(reading.taken).toEqual(upTo(5))
  })

  it('hears a server that catches up, where it is needed', async () => {
    const all = servers(3, 10)
    all[1]?.entries.splice(4, 1, Uint8Array.of(0))
    Object.assign(all[2] ?? {}, { isCurrent: false })
    const reading = read(all)
    await clock.advance(15_000)
    expect(reading.taken).toEqual(upTo(10))
  })

  it('takes what a server tells that began further back', async () => {
    const all = servers(3, 7)
    const [, behind, other] = all
    Object.assign(behind ?? {}, { entries: entries(4) })
    const reading = read(all, 8n)
    await clock.advance(2000)
    if (other !== undefined) other.isAway = true
    behind?.entries.push(...entries(9).slice(4))
    all[0]?.entries.push(entry(8), entry(9))
    await clock.advance(3000)
    expect(reading.taken).toEqual([8, 9])
  })

  it('takes nothing of another log, and ends where it stays', async () => {
    const all = servers(3, 20)
    const reading = read(all)
    await clock.advance(3000)
    expect(reading.taken).toEqual(upTo(20))
    for (const server of all) server.isAway = true
    await clock.advance(3000)
    for (const server of all) Object.assign(server, { isAway: false, entries: Array.from({ length: 22 }, () => Uint8Array.of(0)) })
    await clock.advance(25_000)
    expect([reading.taken.length, reading.failure]).toEqual([20, undefined])
    await clock.advance(20_000)
    expect(reading.failure).toMatchObject({ code: 'fabric-orderer/log-lost', message: expect.stringContaining('another entry 20') })
    expect(reading.taken.length).toBe(20)
  })

  it('tells that it waits, and for which entry', async () => {
    const all = servers(3, 3)
    for (const server of all.slice(1)) server.entries.pop()
    const reading = read(all)
    await clock.advance(60_000)
    expect([reading.taken, reading.told]).toEqual([upTo(2), ['3 STREAM']])
  })

  it.each([1, 2, 3])('ends where most have later entries, and not the next (chance %i)', async (seed) => {
    const all = servers(3, 6)
    for (const server of all.slice(1)) server.entries[2] = undefined
    const reading = read(all, 1n, seed)
    await clock.advance(3000)
    expect(reading.taken).toEqual([1, 2])
    expect(reading.failure).toMatchObject({ code: 'fabric-orderer/log-lost' })
  })

  it('ends where most no longer have what is asked for', async () => {
    const all = servers(3, 60)
    for (const server of all) server.entries.fill(undefined, 0, 50)
    const reading = read(all, 4n)
    await clock.advance(3000)
    expect(reading.failure).toMatchObject({ code: 'fabric-orderer/log-trimmed' })
    expect(reading.taken).toEqual([])
  })

  it.each([
    [3, 1],
    [3, 2],
    [5, 1],
    [5, 2],
  ])('ends where %i servers have each another entry, and not before half a minute (chance %i)', async (count, seed) => {
    const all = servers(count, 4)
    for (const [at, server] of all.entries()) server.entries[3] = Uint8Array.of(100 + Math.floor(at / 2) + (count === 3 ? at : 0))
    const reading = read(all, 1n, seed)
    await clock.advance(29_000)
    expect([reading.taken, reading.failure]).toEqual([upTo(3), undefined])
    await clock.advance(10_000)
    expect(reading.failure).toMatchObject({ code: 'fabric-orderer/log-split' })
    expect(reading.stream.openedCount).toBeLessThan(40)
  })

  it('waits for servers that catch up, and ends where most have less than was read', async () => {
    const all = servers(3, 9)
    for (const server of all.slice(1)) Object.assign(server, { entries: entries(4), isCurrent: false })
    const reading = read(all, 8n)
    await clock.advance(60_000)
    expect([reading.taken, reading.failure]).toEqual([[], undefined])
    for (const server of all.slice(1)) server.isCurrent = true
    await clock.advance(40_000)
    expect(reading.failure).toMatchObject({ code: 'fabric-orderer/log-lost', message: expect.stringContaining('before entry 7') })
  })

  it('waits for a stream that is not known of, and ends where it stays away', async () => {
    const reading = read(servers(3, 3))
    await clock.advance(1000)
    reading.stream.isGone = true
    await clock.advance(25_000)
    // What cannot be asked says nothing.
    reading.stream.isAway = true
    await clock.advance(25_000)
    reading.stream.isAway = false
    await clock.advance(25_000)
    expect([reading.taken, reading.failure]).toEqual([upTo(3), undefined])
    await clock.advance(10_000)
    expect(reading.failure).toMatchObject({ code: 'fabric-orderer/log-lost' })
  })

  it('needs most of the servers', async () => {
    const all = servers(3, 3)
    for (const server of all.slice(1)) server.isAway = true
    const reading = read(all)
    await clock.advance(60_000)
    expect([reading.taken, reading.failure]).toEqual([[], undefined])
    for (const server of all) server.isAway = false
    await clock.advance(5000)
    expect(reading.taken).toEqual(upTo(3))
  })
})
