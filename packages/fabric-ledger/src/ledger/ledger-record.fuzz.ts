import { KumikoError } from '@kumiko/interface'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { MemoryFileSystem } from '../../test/memory-file-system.ts'
import { type LedgerRecord, readLedgerRecord, writeLedgerRecord } from './ledger-record.ts'

const natural = fc.maxSafeNat()
const pending = fc.oneof(
  fc.constantFrom(undefined, { do: 'create' as const }, { do: 'rebuild' as const }),
  fc.record({ do: fc.constant('roll-back' as const), end: fc.record({ file: natural, offset: natural }) }, { noNullPrototype: true }),
)
const record: fc.Arbitrary<LedgerRecord> = fc.record(
  {
    channelId: fc.stringMatching(/^[a-z][a-z0-9.-]{0,248}$/),
    pending,
    heightBefore: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    isPaused: fc.boolean(),
  },
  { noNullPrototype: true },
)
const notPlace = fc.oneof(fc.string(), fc.integer({ max: -1 }), fc.constantFrom(null, 0.5, 2 ** 53))
const mistakes = fc.oneof(
  fc.string(),
  fc.json(),
  notPlace.map((offset) => {
    const wrong = { do: 'roll-back', end: { file: 0, offset } }
    return JSON.stringify({ format: 1, channelId: 'mychannel', heightBefore: '0', pending: wrong })
  }),
)

async function readText(text: string): Promise<LedgerRecord | undefined> {
  const disk = new MemoryFileSystem()
  const bytes = new TextEncoder().encode(text)
  disk.files.set('/ledger/ledger.json', { bytes, durable: bytes, synced: bytes })
  return await readLedgerRecord('/ledger', disk)
}

it('a record is read as it was written', async () => {
  await fc.assert(
    fc.asyncProperty(record, record, async (first, second) => {
      const disk = new MemoryFileSystem()
      expect(await readLedgerRecord('/ledger', disk)).toBeUndefined()
      for (const each of [first, second]) {
        await writeLedgerRecord('/ledger', each, disk)
        disk.losePower()
        expect(await readLedgerRecord('/ledger', disk)).toEqual(each)
      }
    }),
    { seed: 20_261_121 },
  )
})

it('a record whose writing broke off is the one before', async () => {
  await fc.assert(
    fc.asyncProperty(record, record, fc.nat(3), fc.nat(200), async (first, second, changesLeft, bytesLeft) => {
      const disk = new MemoryFileSystem()
      await writeLedgerRecord('/ledger', first, disk)
      Object.assign(disk, { changesLeft, bytesLeft })
      const isWritten = await writeLedgerRecord('/ledger', second, disk).then(
        () => true,
        () => false,
      )
      disk.restart()
      const found = await readLedgerRecord('/ledger', disk)
      expect(isWritten ? [second] : [first, second]).toContainEqual(found)
    }),
    { seed: 20_261_121 },
  )
})

it('what is no record is named', async () => {
  await fc.assert(
    fc.asyncProperty(mistakes, async (text) => {
      const error: unknown = await readText(text).catch((error: unknown) => error)
      expect(error).toBeInstanceOf(KumikoError)
      expect(error).toMatchObject({ code: 'fabric-ledger/corrupt-record' })
    }),
    { seed: 20_261_121, numRuns: 500 },
  )
})
