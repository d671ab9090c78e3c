import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  type CollectionConfigEntry,
  hashedNamespace,
  memoryStateDatabase,
  privateNamespace,
  Snapshot,
  type SnapshotSource,
  type StateChange,
  writeSnapshot,
} from '@kumiko/fabric-ledger'
import { encodeUtf8, sha256, toHex } from '@kumiko/fabric-protocol'
import { GOLDEN, goldenFile } from '@kumiko/golden-channel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { listOf } from './golden.ts'
import { MemoryFileSystem } from './memory-file-system.ts'

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

const HEIGHT = 1000n
const version = fc.record({ blockNumber: fc.bigInt({ min: 0n, max: HEIGHT - 1n }), transactionNumber: fc.bigInt({ min: 0n, max: 300n }) })
const bytes = (minLength: number) => fc.uint8Array({ minLength, maxLength: 400 })
const text = fc.string({ unit: 'binary', maxLength: 8 })
const namespace = fc.constantFrom('', 'a', 'asset', '_lifecycle', 'é', '\u{1f600}', '\uffee')
const rest = { value: bytes(1), metadata: fc.oneof(fc.constant(new Uint8Array()), bytes(0)), version }
const open = fc.record({ namespace, key: text, ...rest })
const collection = fc.constantFrom('secret', '_implicit_org_Org1MSP')
const hidden = fc.tuple(namespace, collection, fc.string()).chain(([ns, name, key]) =>
  fc.record({
    namespace: fc.constant(hashedNamespace(ns, name)),
    key: fc.constant(toHex(sha256(encodeUtf8(key.toWellFormed())))),
    ...rest,
    value: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  }),
)
const secret = fc.record({ namespace: fc.constant(privateNamespace('a', 'secret')), key: text, ...rest })
const state = fc.uniqueArray(fc.oneof(open, hidden, secret), { selector: (it) => JSON.stringify([it.namespace, it.key]), maxLength: 60 })
const configs = fc.uniqueArray(
  fc.record({ chaincode: fc.constantFrom('a', 'b.c'), blockNumber: fc.nat(999).map(BigInt), config: bytes(1) }),
  {
    selector: ({ chaincode, blockNumber }) => `${chaincode}${blockNumber}`,
  },
)
const txIds = fc.uniqueArray(text, { maxLength: 30 })

function sourceOf(
  entries: AsyncIterable<StateChange & { readonly value: Uint8Array }>,
  ids: string[],
  history: CollectionConfigEntry[],
): SnapshotSource {
  const info = { height: HEIGHT, currentHash: new Uint8Array(32).fill(1), previousHash: new Uint8Array(32).fill(2) }
  return {
    channelId: 'mychannel',
    blocks: { info, transactionIds: () => each(ids) as AsyncGenerator<string, void, undefined> },
    state: { height: HEIGHT, entries: () => entries },
    configHistory: { entries: () => each(history) as AsyncGenerator<CollectionConfigEntry, void, undefined> },
    commitHash: new Uint8Array(32).fill(3),
  }
}

describe('a snapshot', () => {
  it('of any state reads as that state, without what is private', async () => {
    await fc.assert(
      fc.asyncProperty(state, txIds, configs, async (entries, ids, history) => {
        const disk = new MemoryFileSystem()
        const from = await memoryStateDatabase()('')
        await from.apply(entries, HEIGHT)
        // It has been read of a state database: so each has a value.
        const all = (await listOf(from.entries())) as (StateChange & { readonly value: Uint8Array })[]
        await writeSnapshot(sourceOf(each(all), ids, history), { folder: '/s/1', fileSystem: disk })
        const snapshot = await Snapshot.open('/s/1', disk)
        await snapshot?.verify()
        const to = await memoryStateDatabase()('')
        await snapshot?.loadState(to)
        expect(await listOf(to.entries())).toEqual(all.filter((entry) => !entry.namespace.includes('$$p')))
        expect([to.height, await listOf(snapshot?.transactionIds() ?? each([]))]).toEqual([HEIGHT, ids])
        expect(await listOf(snapshot?.collectionConfigs() ?? each([]))).toEqual(history)
      }),
      { seed: 54, numRuns: 60 },
    )
  })
})

const FOLDER = 'snapshot'
const NAMES = readdirSync(join(GOLDEN, FOLDER))
const ADDITIONAL = '_snapshot_additional_metadata.json'

async function diskWith(name: string, change: (bytes: Uint8Array) => Uint8Array): Promise<MemoryFileSystem> {
  const disk = new MemoryFileSystem()
  for (const each of NAMES) {
    const bytes = goldenFile(`${FOLDER}/${each}`)
    await (await disk.open(`/s/${each}`)).write(each === name ? change(bytes) : bytes, 0)
  }
  return disk
}

async function verify(disk: MemoryFileSystem): Promise<void> {
  await (await Snapshot.open('/s', disk))?.verify()
}

async function load(disk: MemoryFileSystem): Promise<void> {
  const snapshot = await Snapshot.open('/s', disk)
  if (snapshot === undefined) throw new Error('there is none')
  await snapshot.loadState(await memoryStateDatabase()(''))
  await listOf(snapshot.transactionIds())
  await listOf(snapshot.collectionConfigs())
}

const CORRUPT = { code: 'fabric-ledger/corrupt-snapshot' }
const COMMIT_HASH = new TextDecoder().decode(goldenFile(`${FOLDER}/${ADDITIONAL}`)).lastIndexOf('": "') + 4

/** Whether nothing can vouch for the byte, in Fabric either: it is of the last block's commit hash. */
function isFree(name: string, at: number): boolean {
  return name === ADDITIONAL && at >= COMMIT_HASH && at < COMMIT_HASH + 64
}

describe.each(NAMES)('%s', (name) => {
  const size = goldenFile(`${FOLDER}/${name}`).length
  const flip = (at: number, bits: number) => (bytes: Uint8Array) => bytes.map((byte, index) => (index === at ? byte ^ bits : byte))

  it('is caught with any byte changed, at verification and by who reads it', async () => {
    const place = fc.nat(size - 1).filter((at) => !isFree(name, at))
    await fc.assert(
      fc.asyncProperty(place, fc.integer({ min: 1, max: 255 }), async (at, bits) => {
        const disk = await diskWith(name, flip(at, bits))
        await expect(verify(disk)).rejects.toMatchObject(CORRUPT)
        await expect(load(disk)).rejects.toMatchObject(CORRUPT)
      }),
      { seed: 54, numRuns: Math.min(size, 60) },
    )
  })

  it('is caught where it is cut, grown, or gone', async () => {
    const cuts = fc.oneof(fc.constant(0), fc.nat(size - 1)).map((to) => (all: Uint8Array) => all.slice(0, to))
    const grown = fc.uint8Array({ minLength: 1, maxLength: 9 }).map((more) => (all: Uint8Array) => Uint8Array.of(...all, ...more))
    await fc.assert(
      fc.asyncProperty(fc.oneof(cuts, grown), async (change) => {
        const disk = await diskWith(name, change)
        await expect(verify(disk)).rejects.toMatchObject(CORRUPT)
        await expect(load(disk)).rejects.toMatchObject(CORRUPT)
      }),
      { seed: 54, numRuns: 12 },
    )
    const disk = await diskWith('', (all) => all)
    disk.files.delete(`/s/${name}`)
    if (name.includes('signable')) expect(await Snapshot.open('/s', disk)).toBeUndefined()
    else await expect(verify(disk)).rejects.toMatchObject(CORRUPT)
  })

  it('is caught with all hashes made to fit, or reads as what is in it', async () => {
    if (name.startsWith('_')) return
    await fc.assert(
      fc.asyncProperty(fc.nat(size - 1), fc.integer({ min: 1, max: 255 }), async (at, bits) => {
        const disk = await diskWith(name, flip(at, bits))
        await fitHashes(disk)
        await load(disk).catch((error) => expect(error).toMatchObject(CORRUPT))
      }),
      { seed: 54, numRuns: 60 },
    )
  })
})

/** As somebody would who makes a false snapshot. */
async function fitHashes(disk: MemoryFileSystem): Promise<void> {
  const content = (name: string) => disk.files.get(`/s/${name}`)?.bytes ?? new Uint8Array()
  const rewrite = async (name: string, change: (fields: Record<string, unknown>) => void) => {
    const fields = JSON.parse(new TextDecoder().decode(content(name)))
    change(fields)
    disk.files.delete(`/s/${name}`)
    await (await disk.open(`/s/${name}`)).write(encodeUtf8(JSON.stringify(fields, undefined, 4)), 0)
  }
  const hashes = Object.fromEntries(NAMES.filter((each) => !each.startsWith('_')).map((each) => [each, toHex(sha256(content(each)))]))
  await rewrite('_snapshot_signable_metadata.json', (fields) => Object.assign(fields, { snapshot_files_raw_hashes: hashes }))
  const snapshotHash = toHex(sha256(content('_snapshot_signable_metadata.json')))
  await rewrite(ADDITIONAL, (fields) => Object.assign(fields, { snapshot_hash: snapshotHash }))
}

describe('a false snapshot', () => {
  it('is no reader’s trouble: names, kinds and counts that lie', async () => {
    const lies: [string, (fields: Record<string, unknown>) => void][] = [
      ['a path for a file', (fields) => Object.assign(fields, { snapshot_files_raw_hashes: { '../x': '0'.repeat(64) } })],
      ['half a pair', (fields) => Reflect.deleteProperty(fields.snapshot_files_raw_hashes as object, 'txids.metadata')],
      ['an unlisted pair', (fields) => Object.assign(fields, { snapshot_files_raw_hashes: {} })],
      ['a channel', (fields) => Object.assign(fields, { channel_name: '../x' })],
      ['a block', (fields) => Object.assign(fields, { last_block_number: -1 })],
      ['a hash', (fields) => Object.assign(fields, { last_block_hash: '00' })],
      ['a database', (fields) => Object.assign(fields, { state_db_type: 7 })],
      ['a later block', (fields) => Object.assign(fields, { last_block_number: 3 })],
    ]
    for (const [why, lie] of lies) {
      const disk = await diskWith('', (all) => all)
      const name = '/s/_snapshot_signable_metadata.json'
      const fields = JSON.parse(new TextDecoder().decode(disk.files.get(name)?.bytes))
      lie(fields)
      const signable = encodeUtf8(JSON.stringify(fields, undefined, 4))
      disk.files.delete(name)
      await (await disk.open(name)).write(signable, 0)
      const additional = disk.files.get(`/s/${ADDITIONAL}`)
      if (additional === undefined) throw new Error('there is none')
      const text = new TextDecoder().decode(additional.bytes).replace(/[0-9a-f]{64}/, toHex(sha256(signable)))
      additional.bytes = encodeUtf8(text)
      await expect(load(disk), why).rejects.toMatchObject(CORRUPT)
    }
  })

  const at = (version: StateChange['version'], namespace = 'a', key = 'k', value = Uint8Array.of(1)) =>
    ({ namespace, key, value, metadata: new Uint8Array(), version }) as const
  const early = { blockNumber: 1n, transactionNumber: 0n }
  const written = async (entries: Parameters<typeof sourceOf>[0]) => {
    const disk = new MemoryFileSystem()
    await writeSnapshot(sourceOf(entries, [], []), { folder: '/s', fileSystem: disk })
    return disk
  }

  it.each([
    ['a transaction that no block has', at({ blockNumber: 1n, transactionNumber: 2n ** 32n })],
    ['a hash of another size', at(early, hashedNamespace('a', 'secret'), '00', new Uint8Array(32))],
    ['a value’s hash of another size', at(early, hashedNamespace('a', 'secret'), '00'.repeat(32))],
  ])('is told by %s', async (_, entry) => {
    await expect(load(await written(each([entry])))).rejects.toMatchObject(CORRUPT)
  })

  it('costs no more memory with keys that are long', async () => {
    const long = async function* () {
      for (let number = 0; number < 12; number++) yield at(early, 'a', String(number).padStart(1024 * 1024, '0'))
    }
    const state = await memoryStateDatabase()('')
    const batches: number[] = []
    state.apply = async (changes) => void batches.push(changes.length)
    await (await Snapshot.open('/s', await written(long())))?.loadState(state)
    expect(batches.reduce((sum, count) => sum + count)).toBe(12)
    expect(Math.max(...batches)).toBeLessThanOrEqual(5)
  })
})
