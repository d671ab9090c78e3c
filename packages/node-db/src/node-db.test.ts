import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { curve, nodeFromEnr, nodeFromParts, signEnr } from '@kumiko/identity'
import { type NodeDatabase, type NodeRecord, nodeDatabaseOf } from '@kumiko/interface'
import { nodeDatabaseContract } from '@kumiko/interface/testing'
import { seeded, type VirtualClock, virtualClock } from '@kumiko/testkit'
import { Level } from 'level'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Database } from './database.ts'
import { EXPIRY_MS, FLUSH_MS, FLUSH_NODES, KnownNodes, PASS_MS, PENDING_MAX } from './known-nodes.ts'
import { type NodeDb, nodeDb, openNodeDb } from './node-db.ts'

const START = 1_700_000_000_000
const HOUR_MS = 3_600_000

let folder: string
let clock: VirtualClock
let log: string[]
let opened: NodeDb[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kumiko-node-db-'))
  clock = virtualClock(START)
  log = []
  opened = []
})

afterEach(async () => {
  for (const each of opened) await each.close()
  await rm(folder, { recursive: true })
})

nodeDatabaseContract({ describe, it }, async () => ({ database: databaseOf(await open()), now: clock.now, node }))

describe('what is noted of nodes', () => {
  it('is there after a restart', async () => {
    const db = await open()
    const facts = { lastPing: START - 5, lastPong: START, findFailures: 2 }
    databaseOf(db).note('discv5', node(1, 4n), facts)
    await db.close()
    const { node: back, ...others } = (await databaseOf(await open()).get('discv5', node(1, 4n).nodeId)) ?? {}
    expect(others).toEqual(facts)
    expect(back?.entry('ip')).toEqual(node(1, 4n).entry('ip'))
    expect(back?.seq).toBe(4n)
  })

  it('may be a node without a record, and its last endpoint counts', async () => {
    const db = await open()
    const { publicKey } = node(1, 1n)
    const at = (host: string) => nodeFromParts({ publicKey, endpoints: [{ host, tcp: 1, udp: 65_535 }] })
    databaseOf(db).note('discv4', at('10.0.0.1'), { lastPong: START })
    await db.close()
    const again = await open()
    databaseOf(again).note('discv4', at('10.0.0.2'), { findFailures: 1 })
    await again.close()
    const back = await databaseOf(await open()).get('discv4', node(1, 1n).nodeId)
    expect(back).toMatchObject({
      lastPong: START,
      findFailures: 1,
      node: { seq: 0n, endpoints: [{ host: '10.0.0.2', tcp: 1, udp: 65_535 }] },
    })
  })

  it('keeps the newer record over a restart', async () => {
    const db = await open()
    databaseOf(db).note('discv4', node(1, 9n), { lastPong: START })
    await db.close()
    const again = await open()
    databaseOf(again).note('discv4', node(1, 8n), { findFailures: 1 })
    await again.close()
    expect(await databaseOf(await open()).get('discv4', node(1, 1n).nodeId)).toMatchObject({
      lastPong: START,
      findFailures: 1,
      node: { seq: 9n },
    })
  })

  it('is written after a second', async () => {
    const database = databaseOf(await open())
    database.note('discv4', node(1, 1n), { lastPong: START })
    await clock.advance(FLUSH_MS - 1)
    expect(clock.pending).toBe(2)
    await clock.advance(1)
    // The pass that expires nodes is left.
    expect(clock.pending).toBe(1)
  })

  it('is written at once when many nodes wait', async () => {
    const database = databaseOf(await open())
    for (let index = 0; index < FLUSH_NODES; index++) database.note('discv4', bareNode(index), {})
    expect(clock.pending).toBe(0)
    expect(await database.get('discv4', bareNode(0).nodeId)).toBeDefined()
  })

  it('leaves out what is no time and no count', async () => {
    const database = databaseOf(await open())
    database.note('discv4', node(1, 1n), { lastPing: Number.NaN, lastPong: -1, findFailures: Number.POSITIVE_INFINITY })
    const { node: _, ...facts } = (await database.get('discv4', node(1, 1n).nodeId)) ?? {}
    expect(facts).toEqual({})
    database.note('discv4', { ...node(1, 1n), nodeId: 'no id' }, {})
    expect(await database.get('discv4', 'no id')).toBeUndefined()
  })
})

describe('nodes expire', () => {
  it('when they were not heard of for a day', async () => {
    const database = databaseOf(await open())
    database.note('discv4', node(1, 1n), { lastPong: START })
    database.note('discv4', node(2, 1n), { lastPing: START })
    await clock.advance(EXPIRY_MS - HOUR_MS)
    database.note('discv4', node(3, 1n), { lastPong: clock.now() })
    database.note('discv4', node(2, 1n), { lastPing: clock.now() })
    await passUntil(async () => expect(await known(database, [1, 2, 3])).toEqual([3]))
  })

  it('not before one has answered: who was off for days has seeds to come back with', async () => {
    const db = await open()
    databaseOf(db).note('discv4', node(1, 1n), { lastPong: START })
    await db.close()
    await clock.advance(4 * EXPIRY_MS)
    const database = databaseOf(await open())
    expect(clock.pending).toBe(0)
    expect((await database.seeds('discv4', 30, 5 * EXPIRY_MS)).map(({ nodeId }) => nodeId)).toEqual([node(1, 1n).nodeId])
    database.note('discv4', node(2, 1n), { lastPong: clock.now() })
    await passUntil(async () => expect(await known(database, [1, 2])).toEqual([2]))
  })

  it('when a clock that was wrong put them into a time to come', async () => {
    const database = databaseOf(await open())
    database.note('discv4', node(1, 1n), { lastPong: START + 10 * EXPIRY_MS })
    await passUntil(async () => expect(await known(database, [1])).toEqual([]))
  })
})

describe('nodes that are too many', () => {
  it('go at random, old and new ones alike', async () => {
    const database = await Database.open({ path: join(folder, 'db'), log: logger().forComponent(), now: clock.now })
    const nodes = new KnownNodes(database, { clock, random: seeded().random, log: logger().forComponent() }, 100)
    const indices = Array.from({ length: 400 }, (_, index) => index)
    for (const index of indices) nodes.note('discv5', bareNode(index), { lastPong: START })
    let left: number[] = []
    await passUntil(async () => {
      const found = await Promise.all(indices.map((index) => nodes.get('discv5', bareNode(index).nodeId)))
      left = indices.filter((_, at) => found[at] !== undefined)
      expect(left.length).toBeLessThan(150)
    })
    expect(left.length).toBeGreaterThan(60)
    for (const half of [left.filter((index) => index < 200), left.filter((index) => index >= 200)]) expect(half.length).toBeGreaterThan(20)
    await nodes.stop()
    await database.close()
    expect(clock.pending).toBe(0)
  })
})

describe('seeds', () => {
  it('are spread over many nodes', async () => {
    const database = databaseOf(await open())
    for (let index = 0; index < 500; index++) database.note('discv4', bareNode(index), { lastPong: START })
    const picked = new Set<string>()
    for (let round = 0; round < 10; round++) {
      const seeds = await database.seeds('discv4', 30, HOUR_MS)
      expect(new Set(seeds.map(({ nodeId }) => nodeId)).size).toBe(30)
      for (const { nodeId } of seeds) picked.add(nodeId)
    }
    // 300 picks: with as many places for each, some 225 of 500 would come up.
    expect(picked.size).toBeGreaterThan(130)
  })

  it('are found among many that are too old', async () => {
    const database = databaseOf(await open())
    for (let index = 0; index < 600; index++) database.note('discv4', bareNode(index), { lastPong: START - 2 * HOUR_MS })
    database.note('discv4', node(1, 1n), { lastPong: START })
    expect((await database.seeds('discv4', 30, HOUR_MS)).map(({ nodeId }) => nodeId)).toEqual([node(1, 1n).nodeId])
  })
})

describe('a node database', () => {
  it('says what it needs to be opened', async () => {
    const db = nodeDb({ path: join(folder, 'db') })({ logger: logger() })
    expect(databaseOf(db).note('discv4', node(1, 1n), {})).toBeUndefined()
    expect(await databaseOf(db).seeds('discv4', 1, 1)).toEqual([])
    await expect(databaseOf(db).get('discv4', node(1, 1n).nodeId)).rejects.toMatchObject({ code: 'node-db/not-open' })
    await db.close()
    expect(await readdir(folder)).toEqual([])
  })

  it('refuses options that cannot be meant', () => {
    expect(() => nodeDb({ path: '' })).toThrow(expect.objectContaining({ code: 'node-db/bad-option' }))
    const typo: object = { path: 'x', paht: 'y' }
    expect(() => nodeDb(typo as { path: string })).toThrow(expect.objectContaining({ code: 'node-db/bad-option' }))
  })

  it('may be opened again, and twice at once', async () => {
    const db = await open()
    await Promise.all([db.open(), db.open()])
    await Promise.all([db.close(), db.close()])
    await Promise.all([db.open(), db.open()])
    databaseOf(db).note('discv4', node(1, 1n), { lastPong: START })
    expect(await known(databaseOf(db), [1])).toEqual([1])
    await db.close()
    expect(clock.pending).toBe(0)
  })

  it('says that it is in use, and leaves it alone', async () => {
    const db = await open()
    const error = await openNodeDb({ path: db.path, logger: logger() }).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'node-db/in-use', context: { path: db.path } })
    expect(await readdir(folder)).toEqual(['db'])
    databaseOf(db).note('discv4', node(1, 1n), {})
    expect(await known(databaseOf(db), [1])).toEqual([1])
  })

  it('says where it cannot be', async () => {
    await writeFile(join(folder, 'file'), '')
    for (const path of [join(folder, 'file'), join(folder, 'file', 'db'), ...(process.platform === 'linux' ? ['/sys/kumiko'] : [])]) {
      const error = await openNodeDb({ path, logger: logger() }).catch((caught: unknown) => caught)
      expect(error).toMatchObject({ code: 'node-db/not-accessible', context: { path } })
    }
    expect(await readdir(folder)).toEqual(['file'])
  })

  it('moves one of another version aside, whole, and says which', async () => {
    await writeLevel([['version', '2']])
    const db = await open()
    expect(log).toEqual([expect.stringContaining('is of format version 2, and this program reads version 1')])
    expect((await readdir(folder)).sort()).toEqual(['db', 'db.version-2-20231114T221320Z'])
    await db.close()
    expect(await readLevel(join(folder, 'db.version-2-20231114T221320Z'), 'version')).toBe('2')
    await open()
    expect(log.length).toBe(1)
  })

  it('moves what other programs wrote aside', async () => {
    await writeLevel([['/peers/one', 'two']])
    await open()
    expect(log).toEqual([expect.stringContaining('is of another program, or of an earlier kumiko')])
    expect(await readLevel(join(folder, 'db.no-version-20231114T221320Z'), '/peers/one')).toBe('two')
  })

  it('holds a bounded number of nodes while it cannot write', async () => {
    const db = await open()
    const nodes = databaseOf(db)
    // Nothing is written in one turn of the event loop.
    for (let index = 0; index < PENDING_MAX + 300; index++) nodes.note('discv5', bareNode(index), {})
    await db.close()
    const again = databaseOf(await open())
    expect(await again.get('discv5', bareNode(0).nodeId)).toBeDefined()
    expect(await again.get('discv5', bareNode(PENDING_MAX + FLUSH_NODES + 1).nodeId)).toBeUndefined()
  })
})

async function open(): Promise<NodeDb> {
  const db = nodeDb({ path: join(folder, 'db') })({ logger: logger(), clock, random: seeded().random })
  opened.push(db)
  await db.open()
  return db
}

function databaseOf(datastore: NodeDb): NodeDatabase {
  const database = nodeDatabaseOf({ datastore })
  if (database === undefined) throw new Error('the datastore has no node database')
  return database
}

async function known(database: NodeDatabase, indices: number[]): Promise<number[]> {
  const found = await Promise.all(indices.map((index) => database.get('discv4', node(index, 1n).nodeId)))
  return indices.filter((_, at) => found[at] !== undefined)
}

/** A pass takes the disk's time, not the clock's: the next may come due meanwhile. */
async function passUntil(check: () => Promise<void>): Promise<void> {
  await clock.advance(PASS_MS)
  await vi.waitFor(async () => {
    await clock.advance(10 * 60_000)
    await check()
  }, 60_000)
}

function logger() {
  const error = (format: string, ...args: unknown[]): void =>
    void log.push(args.reduce<string>((text, arg) => text.replace(/%\w/, String(arg)), format))
  const silent = Object.assign(() => {}, { enabled: true, trace: () => {}, error, newScope: () => silent })
  return { forComponent: () => silent }
}

/** Signed, so that its number is kept. */
function node(index: number, seq: bigint): NodeRecord {
  const secretKey = new Uint8Array(32).fill(index + 1)
  return nodeFromEnr(signEnr(secretKey, seq, { ip: Uint8Array.of(0x84, 10, 0, index, Number(seq)) }))
}

/** Without a record, as discv4 knows most. */
function bareNode(index: number): NodeRecord {
  return nodeFromParts({ publicKey: curve.compress(curve.publicKey(seeded(index).bytes(32))) })
}

async function writeLevel(entries: [string, string][]): Promise<void> {
  const level = new Level(join(folder, 'db'))
  for (const [key, value] of entries) await level.put(key, value)
  await level.close()
}

async function readLevel(path: string, key: string): Promise<string | undefined> {
  const level = new Level(path)
  const value = await level.get(key)
  await level.close()
  return value
}
