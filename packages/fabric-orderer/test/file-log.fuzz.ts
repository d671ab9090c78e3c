import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { solo } from '../src/file-log.ts'
import type { OrderedLog } from '../src/ordered-log.ts'
import { CrashingDisk } from './crashing-disk.ts'

/** What is appended at the same time, before the process or the disk is gone. */
interface Life {
  readonly sizes: readonly number[]
  readonly bytesLeft: number
  readonly losesPower: boolean
  /** How many of the entries so far are in blocks by now. */
  readonly inBlocks: number
}

const lives = fc.array(
  fc.record({
    sizes: fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 12 }),
    bytesLeft: fc.integer({ min: 0, max: 4000 }),
    losesPower: fc.boolean(),
    inBlocks: fc.nat(1000),
  }),
  { minLength: 1, maxLength: 6 },
)

let count = 0

const genesisHash = new Uint8Array(32)

/** No two are the same. */
function entry(size: number): Uint8Array {
  const bytes = new Uint8Array(size + 4).fill(size)
  new DataView(bytes.buffer).setUint32(0, ++count)
  return bytes
}

async function entriesOf(log: OrderedLog): Promise<ReadonlyMap<bigint, Uint8Array>> {
  const entries = new Map<bigint, Uint8Array>()
  const { first, last } = await log.bounds()
  const stop = new AbortController()
  if (last < first) return entries
  for await (const { sequence, bytes } of log.read(first, { signal: stop.signal })) {
    entries.set(sequence, bytes)
    if (sequence === last) break
  }
  return entries
}

describe('solo', () => {
  it('has all that it has acknowledged, where it was, whenever process or power is gone', async () => {
    await fc.assert(
      fc.asyncProperty(lives, async (all: readonly Life[]) => {
        const disk = new CrashingDisk()
        const acknowledged = new Map<bigint, Uint8Array>()
        let lastSequence = 0n
        for (const { sizes, bytesLeft, losesPower, inBlocks } of all) {
          const log = await solo({ fileSystem: disk }).open({
            channelId: 'c',
            genesisHash,
            folder: '/log',
            lastSequence,
            entryBytesMax: 1000,
          })
          const entries = await entriesOf(log)
          for (const [sequence, bytes] of acknowledged) if (sequence > lastSequence) expect(entries.get(sequence)).toEqual(bytes)
          expect((await log.bounds()).first).toBe(lastSequence + 1n)
          disk.bytesLeft = bytesLeft
          const appended = sizes.map(entry)
          const answers = await Promise.allSettled(appended.map((bytes) => log.append(bytes)))
          for (const [at, answer] of answers.entries()) {
            if (answer.status === 'fulfilled') acknowledged.set(answer.value, appended[at] ?? new Uint8Array())
          }
          const { last } = await log.bounds()
          lastSequence += ((last - lastSequence) * BigInt(inBlocks)) / 1000n
          log.release(lastSequence)
          await log.close()
          disk.restart(losesPower)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('keeps entries in the order in which they came, and removes files that nobody needs', async () => {
    const disk = new CrashingDisk()
    const log = await solo({ fileSystem: disk }).open({
      channelId: 'c',
      genesisHash,
      folder: '/log',
      lastSequence: 7n,
      entryBytesMax: 1000,
    })
    const sequences = await Promise.all(Array.from({ length: 40 }, (_, at) => log.append(new Uint8Array(1_000_000).fill(at + 1))))
    expect(sequences).toEqual(Array.from({ length: 40 }, (_, at) => BigInt(at + 8)))
    log.release(47n)
    await log.append(Uint8Array.of(1))
    for (let more = 0; more < 18; more++) await log.append(new Uint8Array(1_000_000).fill(9))
    expect(disk.paths.length).toBeLessThanOrEqual(2)
    await log.close()
  })

  it('takes no more than it may hold', async () => {
    const consenter = solo({ fileSystem: new CrashingDisk(), logBytesMax: 100 })
    const log = await consenter.open({ channelId: 'c', genesisHash, folder: '/log', lastSequence: 0n, entryBytesMax: 1000 })
    await log.append(new Uint8Array(60).fill(1))
    await expect(log.append(new Uint8Array(60).fill(1))).rejects.toMatchObject({ code: 'fabric-orderer/log-full' })
    log.release(1n)
    expect(await log.append(new Uint8Array(60).fill(1))).toBe(2n)
    await log.close()
  })

  it('does not go on with less than blocks hold, nor with a broken file in the middle', async () => {
    const disk = new CrashingDisk()
    const open = (lastSequence: bigint) =>
      solo({ fileSystem: disk }).open({ channelId: 'c', genesisHash, folder: '/log', lastSequence, entryBytesMax: 1000 })
    const log = await open(0n)
    for (let at = 0; at < 18; at++) await log.append(new Uint8Array(1_000_000).fill(at + 1))
    await log.close()
    await expect(open(19n)).rejects.toMatchObject({ code: 'fabric-orderer/corrupt-log' })
    const [first] = disk.paths.toSorted()
    const file = await disk.open(first ?? '')
    await file.write(Uint8Array.of(0xff), 500)
    await expect(open(0n)).rejects.toMatchObject({ code: 'fabric-orderer/corrupt-log' })
  })
})
