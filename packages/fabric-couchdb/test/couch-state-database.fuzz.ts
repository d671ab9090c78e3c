import { memoryStateDatabase, type StateChange, type StateDatabase } from '@kumiko/fabric-ledger'
import { encodeUtf8 } from '@kumiko/fabric-protocol'
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import { couchStateDatabase } from '../src/couch-state-database.ts'
import { refusalOf } from '../src/document.ts'
import { readJsonBytes } from '../src/json.ts'
import { couchServer } from './couch-server.ts'

const server = await couchServer()
afterAll(() => server.close())
let count = 0

// Numbers that PouchDB writes as CouchDB does.
const json = fc.object({ values: [fc.string({ unit: 'binary' }), fc.integer(), fc.boolean(), fc.constant(null)], maxDepth: 2 })
const value = fc.oneof(
  json.map((each) => encodeUtf8(JSON.stringify(each).toWellFormed())),
  fc.uint8Array({ maxLength: 20 }),
)
const key = fc.oneof(
  fc.constantFrom('a', 'b', '\u0000c\u0000', '\uff5e', '\u{1f600}', '\u{10ffff}', 'statedb_savepoint', '__proto__', 'constructor'),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 5 }),
)
const change = fc.record({ namespace: fc.constantFrom('', 'cc', 'CC'), key, value: fc.option(value, { nil: undefined, freq: 3 }) })
const block = fc.uniqueArray(change, { selector: ({ namespace, key: name }) => `${namespace}/${name}`, maxLength: 12 })

it('holds what a database in memory holds, of all that it does not refuse', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(block, { minLength: 1, maxLength: 4 }), async (blocks) => {
      const open = couchStateDatabase({ url: server.url, channelId: `fuzz${count++}`, internalQueryLimit: 3, revisionsMax: 4 })
      let couch = await open('')
      const memory = await memoryStateDatabase()('')
      for (const [number, changes] of blocks.entries()) {
        const held = changes.filter(isHeld).map((each) => changeOf(each, BigInt(number)))
        await couch.apply(held, BigInt(number) + 1n)
        await memory.apply(
          held.map((each) => ({ ...each, value: each.value && rewritten(each.value) })),
          BigInt(number) + 1n,
        )
        expect(await valuesOf(couch, held)).toEqual(await valuesOf(memory, held))
        if (number === 1) couch = await open('')
      }
      expect(await dump(couch)).toEqual(await dump(memory))
    }),
    { numRuns: 25, seed: 20_261_121 },
  )
})

interface Change {
  readonly namespace: string
  readonly key: string
  readonly value: Uint8Array | undefined
}

/** The configuration's namespace is one database with the savepoint. */
function isHeld({ namespace, key: name, value: bytes }: Change): boolean {
  return refusalOf(name, bytes ?? new Uint8Array()) === undefined && !(namespace === '' && name === 'statedb_savepoint')
}

function changeOf(each: Change, blockNumber: bigint): StateChange {
  const isDelete = each.value === undefined || each.value.length === 0
  const rest = { metadata: new Uint8Array(isDelete ? 0 : 3), version: { blockNumber, transactionNumber: 7n } }
  return { ...each, value: isDelete ? undefined : each.value, ...rest }
}

function rewritten(bytes: Uint8Array): Uint8Array {
  const read = readJsonBytes(bytes, 'nearest')
  return read?.kind === 'object' ? encodeUtf8(read.text) : bytes
}

async function valuesOf(from: StateDatabase, keys: readonly StateChange[]): Promise<unknown[]> {
  return (await from.getMany(keys)).map(
    (found) => found && [Buffer.from(found.value).toString('hex'), found.metadata.length, found.version],
  )
}

async function dump(from: StateDatabase): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const { namespace, key: name, value: bytes, version } of from.entries()) {
    all.push([namespace, name, Buffer.from(bytes).toString('hex'), version])
  }
  return all
}
