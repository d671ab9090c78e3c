import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type BlockToCommit,
  blockTransactions,
  type CollectionPolicies,
  Ledger,
  memoryStateDatabase,
  type OpenStateDatabase,
} from '@kumiko/fabric-ledger'
import { type Block, readBlock, readPrivateReadWriteSet, toHex, ValidationCode } from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT, goldenBlocks, goldenJson, peerBlock } from '@kumiko/golden-channel'
import { type Fault, isFault } from '@kumiko/interface'
import { afterAll, expect, it } from 'vitest'
import { couchStateDatabase } from '../src/couch-state-database.ts'
import { readJsonBytes } from '../src/json.ts'
import { couchServer } from './couch-server.ts'

const server = await couchServer()
afterAll(() => server.close())

const OF_READS = new Set<number>([ValidationCode.mvccReadConflict, ValidationCode.phantomReadConflict])
const blocks: readonly Block[] = Array.from({ length: GOLDEN_HEIGHT }, (_, number) => good(readBlock(peerBlock(number))))
const { blocks: privateData } = goldenJson('private-data.json') as { readonly blocks: Record<string, Record<string, string>> }
const policies: CollectionPolicies = {
  blockToLive: async (_, collection) => (collection === 'short' ? 3n : 0n),
  isEligible: async (_, collection) => collection !== '_implicit_org_Org2MSP',
}

it('leaves the golden channel as LevelDB does, but for JSON', async () => {
  const inMemory = await commitAll(memoryStateDatabase())
  const inCouch = await commitAll(couchStateDatabase({ url: server.url, channelId: 'mychannel', internalQueryLimit: 5 }))
  expect(inCouch.codes).toEqual(goldenBlocks().map(({ txFilter }) => txFilter))
  expect(inCouch.hash).toBe(goldenBlocks().at(-1)?.commitHash)
  expect(inCouch.state.length).toBeGreaterThan(30)
  expect(byName(inCouch.state)).toEqual(byName(inMemory.state.map((entry) => ({ ...entry, value: rewritten(entry.value) }))))
  expect([inMemory.snapshot, inCouch.snapshot]).toEqual(['SimpleKeyValueDB', 'CouchDB'])
  const hashes = (state: Committed['state']) =>
    Object.entries(Object.groupBy(state, ({ name }) => /^.*\$\$h[^/]*/.exec(name)?.[0] ?? ''))
      .filter(([namespace]) => namespace !== '')
      .map(([, entries = []]) =>
        entries.map(({ name }) => Buffer.from(/\/([0-9a-f]{64}) /.exec(name)?.[1] ?? '', 'hex').toString('base64')),
      )
  expect(hashes(inCouch.state)).toEqual(hashes(inCouch.state).map((ids) => ids.toSorted()))
  expect(hashes(inMemory.state)).not.toEqual(hashes(inCouch.state))
})

function byName(state: Committed['state']): Committed['state'] {
  return state.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

interface Committed {
  readonly codes: readonly string[]
  readonly hash: string
  /** The kind of state database that its snapshot tells. */
  readonly snapshot: string
  readonly state: readonly { readonly name: string; readonly value: string }[]
}

/** Closes the ledger half way, and opens it again. */
async function commitAll(openState: OpenStateDatabase): Promise<Committed> {
  const folder = await mkdtemp(join(tmpdir(), 'fabric-couchdb-'))
  const options = { folder: join(folder, 'mychannel'), channelId: 'mychannel', openState, policies: () => policies }
  let ledger = await Ledger.create({ ...options, genesis: { ...(blocks[0] as Block), metadata: [] } })
  const codes = ['00']
  for (let number = 1; number < GOLDEN_HEIGHT; number++) {
    codes.push(toHex((await ledger.commit(blockToCommit(number))).codes))
    if (number !== 30) continue
    await ledger.close()
    ledger = await Ledger.open(options)
  }
  const state: { name: string; value: string }[] = []
  for await (const { namespace, key, value, metadata, version } of ledger.state.entries()) {
    state.push({ name: `${namespace}/${key} ${toHex(metadata)} ${version.blockNumber}.${version.transactionNumber}`, value: toHex(value) })
  }
  const { info } = await ledger.writeSnapshot(join(folder, 'snapshot'))
  const hash = toHex(ledger.info.commitHash ?? new Uint8Array())
  await ledger.close()
  await rm(folder, { recursive: true })
  return { codes, hash, state, snapshot: info.stateDatabase }
}

function blockToCommit(number: number): BlockToCommit {
  const block = blocks[number] as Block
  const codes = goldenBlocks()[number]?.txs.map(({ validationCode }) =>
    OF_READS.has(validationCode) ? ValidationCode.valid : validationCode,
  )
  const sets = Object.entries(privateData[number] ?? {}).map(([transactionNumber, bytes]) => ({
    transactionNumber: Number(transactionNumber),
    set: good(readPrivateReadWriteSet(new Uint8Array(Buffer.from(bytes, 'base64')))),
  }))
  const transactions = good(blockTransactions(block, Uint8Array.from(codes ?? [])))
  return { block: { ...block, metadata: block.metadata.slice(0, 2) }, transactions, privateData: sets, verify: false }
}

/** A JSON object as Fabric's peer with CouchDB reads it back. */
function rewritten(value: string): string {
  const json = readJsonBytes(new Uint8Array(Buffer.from(value, 'hex')), 'nearest')
  return json?.kind === 'object' ? Buffer.from(json.text).toString('hex') : value
}

function good<T>(value: T | Fault): T {
  if (isFault(value)) throw new Error(`${value.fault}: ${value.detail}`)
  return value
}
