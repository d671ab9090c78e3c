import { sha256, toHex } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MemoryFileSystem } from '../../test/memory-file-system.ts'
import { SnapshotFileReader, SnapshotFileWriter } from './snapshot-file.ts'

/** A file of these bytes, to read. */
async function readerOf(bytes: Uint8Array) {
  const file = await new MemoryFileSystem().open('/f')
  await file.write(bytes, 0)
  return await SnapshotFileReader.open('f', file)
}

const sizes = fc.oneof({ weight: 5, arbitrary: fc.nat(300) }, fc.integer({ min: 65_000, max: 66_000 }), fc.nat(200_000))
const value = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.tuple(sizes, fc.nat(255)).map(([size, byte]) => new Uint8Array(size).fill(byte)),
)

describe('a snapshot’s file', () => {
  it('is read as it was written', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(value, { maxLength: 20 }), async (values) => {
        const disk = new MemoryFileSystem()
        const writer = await SnapshotFileWriter.create(disk, '/f')
        for (const each of values) await (typeof each === 'bigint' ? writer.number(each) : writer.bytes(each))
        const hash = await writer.finish()
        const bytes = disk.files.get('/f')?.bytes ?? new Uint8Array()
        expect(hash).toBe(toHex(sha256(bytes)))
        const reader = await readerOf(bytes)
        if (isFault(reader)) throw new Error(reader.detail)
        for (const each of values) expect(await (typeof each === 'bigint' ? reader.number() : reader.bytes())).toEqual(each)
        expect(await reader.number()).toMatchObject({ detail: `f: it is cut short, at byte ${bytes.length}` })
        expect(await reader.finish()).toBe(hash)
      }),
      { seed: 54, numRuns: 60 },
    )
  })

  it('gives values or a fault, whatever it holds', async () => {
    const steps = fc.array(fc.constantFrom('number', 'bytes', 'text', 'finish'), { maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), steps, async (bytes, names) => {
        const reader = await readerOf(Uint8Array.of(1, ...bytes))
        if (isFault(reader)) throw new Error(reader.detail)
        for (const name of names) {
          const read = await reader[name]()
          if (read instanceof Uint8Array) expect(read.length).toBeLessThanOrEqual(bytes.length)
          if (isFault(read)) expect(read.fault).toBe('fabric-ledger/corrupt-snapshot')
          if (isFault(read) || name === 'finish') break
        }
      }),
      { seed: 54, numRuns: 500 },
    )
  })

  it('is refused with another format, an endless record, or more than it should hold', async () => {
    for (const bytes of [[], [0], [2, 1]])
      expect(await readerOf(Uint8Array.from(bytes))).toMatchObject({ fault: 'fabric-ledger/corrupt-snapshot' })
    const faultOf = async (bytes: readonly number[], read: 'bytes' | 'text' | 'finish') => {
      const reader = await readerOf(Uint8Array.from(bytes))
      if (isFault(reader)) throw new Error(reader.detail)
      const found = await reader[read]()
      return isFault(found) ? found.detail : found
    }
    expect(await faultOf([1, 0x81, 0x80, 0x80, 0x40, 0], 'bytes')).toContain('longer than 134217728, at byte 5')
    expect(await faultOf([1, 3, 7, 7], 'bytes')).toBe('f: it is cut short in a record of 3 bytes, at byte 2')
    expect(await faultOf([1, ...Array(10).fill(0xff)], 'bytes')).toBe('f: a number exceeds 64 bits, at byte 1')
    expect(await faultOf([1, 1, 0xff], 'text')).toBe('f: text is not UTF-8, at byte 3')
    expect(await faultOf([1, 1], 'finish')).toBe('f: more follows than it should hold, at byte 1')
  })
})
