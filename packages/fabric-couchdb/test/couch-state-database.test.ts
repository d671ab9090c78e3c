import type { StateChange, StateDatabase } from '@kumiko/fabric-ledger'
import { encodeUtf8 } from '@kumiko/fabric-protocol'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type CouchStateDatabaseOptions, couchStateDatabase } from '../src/couch-state-database.ts'
import { type CouchServer, couchServer } from './couch-server.ts'
import { dyingServer } from './dying-server.ts'

const NONE = new Uint8Array()
let server: CouchServer
let database: StateDatabase
let channelId: string
let count = 0
const warnings: string[] = []

beforeAll(async () => {
  server = await couchServer()
})
afterAll(async () => await server.close())
beforeEach(async () => {
  channelId = `my.channel${count++}`
  warnings.length = 0
  database = await open()
})

async function open(options: Partial<CouchStateDatabaseOptions> = {}): Promise<StateDatabase> {
  return await couchStateDatabase({ url: server.url, channelId, warn: (warning) => warnings.push(warning), ...options })('')
}

function put(key: string, value: string, block = 0, namespace = 'cc'): StateChange {
  return { namespace, key, value: encodeUtf8(value), metadata: NONE, version: { blockNumber: BigInt(block), transactionNumber: 0n } }
}

function remove(key: string): StateChange {
  return { ...put(key, ''), value: undefined }
}

async function valuesOf(keys: readonly string[], namespace = 'cc', from = database): Promise<(string | undefined)[]> {
  const found = await from.getMany(keys.map((key) => ({ namespace, key })))
  return found.map((entry) => entry && new TextDecoder().decode(entry.value))
}

async function dump(from: StateDatabase): Promise<string[]> {
  const lines: string[] = []
  for await (const { namespace, key, value, version } of from.entries()) {
    lines.push(`${namespace}/${key}=${new TextDecoder().decode(value)}@${version.blockNumber}`)
  }
  return lines
}

/** What is asked for while it runs. */
async function asked(run: () => Promise<unknown>): Promise<string[]> {
  const before = server.requests.length
  await run()
  return server.requests.slice(before).map((request) => request.replaceAll(channelId.replace('.', '$'), 'ch'))
}

/** @returns Whether it came to its end before the server died. */
async function dyingAt(failAt: number, run: (state: StateDatabase) => Promise<void>): Promise<boolean> {
  const dying = await dyingServer(server, failAt)
  try {
    await run(await open({ url: dying.url, maxRetries: 0, maxRetriesOnStartup: 0 }))
    return true
  } catch (error) {
    expect(error).toMatchObject({ code: 'fabric-couchdb/unavailable' })
    return false
  } finally {
    await dying.close()
  }
}

async function ask(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
  const headers = { accept: 'application/json', 'content-type': 'application/json' }
  const init = { method, headers, body: body === undefined ? null : JSON.stringify(body) }
  return (await (await fetch(`${server.url}/${channelId.replace('.', '%24')}_${path}`, init)).json()) as Record<string, unknown>
}

describe('values', () => {
  it('that are JSON objects come back written anew, and all others as they were', async () => {
    const values = {
      sorted: '{ "b" : 1.0, "a" : [ true , null, {"d":"<x>","c":-0.5e1} ] , "é":"\\u00e9" }',
      empty: '{}',
      large: '{"n":9007199254740993}',
      twice: '{"a":1,"a":2}',
      array: '[ 1 ]',
      text: ' x ',
      nothing: 'null',
      half: '{"a":',
      beyond: '{"a":1e400}',
    }
    await database.apply(
      Object.entries(values).map(([key, value]) => put(key, value)),
      1n,
    )
    expect(await valuesOf(Object.keys(values))).toEqual([
      '{"a":[true,null,{"c":-5,"d":"\\u003cx\\u003e"}],"b":1,"é":"é"}',
      '{}',
      '{"n":9007199254740992}',
      '{"a":2}',
      '[ 1 ]',
      ' x ',
      'null',
      '{"a":',
      '{"a":1e400}',
    ])
    const binary = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    await database.apply([{ ...put('sorted', ''), value: binary }, put('text', '{"a":1}')], 2n)
    expect((await database.getMany([{ namespace: 'cc', key: 'sorted' }]))[0]?.value).toEqual(binary)
    expect(await valuesOf(['text'])).toEqual(['{"a":1}'])
  })

  it('of a block that CouchDB cannot hold leave it untouched', async () => {
    await database.apply([put('a', '1')], 1n)
    for (const bad of [put('_a', '1'), put('', '1'), put('a\ud800', '1'), put('b', '{"_id":1}'), put('b', '{"~version":1}')]) {
      expect(database.refusal?.(bad.key, bad.value ?? NONE)).toBeTypeOf('string')
      await expect(database.apply([put('a', '2'), bad], 2n)).rejects.toMatchObject({ code: 'fabric-couchdb/bad-write' })
    }
    expect(await dump(database)).toEqual(['cc/a=1@0'])
    expect(database.height).toBe(1n)
    const bad = ['_a', '', 'a\ud800', '_design/x']
    const requests = await asked(async () => expect(await valuesOf(bad)).toEqual(bad.map(() => undefined)))
    expect(requests).toEqual([])
  })

  it('may be large, and many', async () => {
    const small = await open({ answerSizeMaxBytes: 100_000 })
    const changes = Array.from({ length: 60 }, (_, index) => put(`k${String(index).padStart(2, '0')}`, `${index}`.repeat(5000)))
    await small.apply(changes, 1n)
    expect(await valuesOf(['k59', 'k00'], 'cc', small)).toEqual(['59'.repeat(5000), '0'.repeat(5000)])
    const keys = changes.map(({ key }) => ({ namespace: 'cc', key }))
    expect((await small.getMany(keys)).map((entry) => entry?.value)).toEqual(changes.map(({ value }) => value))
    expect((await dump(small)).length).toBe(60)
    expect((await small.query?.('cc', '{"selector":{}}', { limit: 100, bookmark: '' }))?.entries.length).toBe(60)
    await small.apply([put('huge', 'x'.repeat(100_000))], 2n)
    await expect(small.getMany([{ namespace: 'cc', key: 'huge' }])).rejects.toMatchObject({ code: 'fabric-couchdb/answer-too-large' })
  })
})

describe('blocks', () => {
  it('ask for revisions only of what was not read before', async () => {
    await database.apply([put('a', '1'), put('b', '1')], 1n)
    const requests = await asked(async () => {
      await database.getMany(['a', 'b', 'c'].map((key) => ({ namespace: 'cc', key })))
      await database.apply([put('a', '2'), put('c', '2'), remove('b'), remove('absent')], 2n)
    })
    // One more for `absent`, which nobody read.
    expect(requests).toEqual(['POST /ch_cc/_all_docs', 'POST /ch_cc/_all_docs', 'POST /ch_cc/_bulk_docs', 'POST /ch_/_bulk_docs'])
    expect(await dump(database)).toEqual(['cc/a=2@0', 'cc/c=2@0'])
    expect(await asked(() => database.apply([remove('b')], 3n))).toEqual(['POST /ch_/_bulk_docs'])
  })

  it('are written in batches, to each namespace', async () => {
    const batched = await open({ maxBatchUpdateSize: 10, revisionsMax: 5 })
    const changes = Array.from({ length: 25 }, (_, index) => put(`k${index}`, '1', 0, index < 5 ? 'cc' : 'myCC'))
    const requests = await asked(() => batched.apply(changes, 1n))
    expect(requests.filter((request) => request.endsWith('_bulk_docs'))).toEqual([
      // The list of databases comes first, the savepoint last.
      'POST /ch_/_bulk_docs',
      'POST /ch_cc/_bulk_docs',
      'POST /ch_my$c$c/_bulk_docs',
      'POST /ch_my$c$c/_bulk_docs',
      'POST /ch_/_bulk_docs',
    ])
    expect((await dump(batched)).length).toBe(25)
    expect(await ask('GET', '/statedb_savepoint')).toMatchObject({ BlockNum: 0, TxNum: 0 })
  })

  it('overcome what another process wrote', async () => {
    await database.apply([put('a', '1'), put('b', '1')], 1n)
    const [row] = (await ask('POST', 'cc/_all_docs', { keys: ['a'] })).rows as { value: { rev: string } }[]
    await ask('POST', 'cc/_bulk_docs', {
      docs: [
        { _id: 'a', _rev: row?.value.rev, foreign: true },
        { _id: 'new', foreign: true },
      ],
    })
    await database.getMany([{ namespace: 'cc', key: 'b' }])
    await database.apply([put('a', '2'), put('b', '2'), put('new', '2')], 2n)
    expect(await dump(database)).toEqual(['cc/a=2@0', 'cc/b=2@0', 'cc/new=2@0'])
  })

  it('that a crash cut short are completed when they are applied again', async () => {
    const first = [put('a', '1'), put('b', '{"n":1}'), put('c', '1', 0, 'other')]
    const second = [put('a', '2', 1), remove('b'), put('d', '{"n":2}', 1), put('c', '2', 1, 'other'), put('e', '2', 1, 'new')]
    await database.apply(first, 1n)
    await database.apply(second, 2n)
    const expected = await dump(database)
    for (let failAt = 1; ; failAt++) {
      channelId = `crash${count++}`
      await (await open()).apply(first, 1n)
      const isApplied = await dyingAt(failAt, (state) => state.apply(second, 2n))
      const again = await open()
      expect(again.height).toBe(isApplied ? 2n : 1n)
      await again.apply(second, 2n)
      expect(await dump(again)).toEqual(expected)
      if (isApplied) break
      expect(failAt).toBeLessThan(100)
    }
  })
})

describe('databases', () => {
  it('are named and listed as Fabric does', async () => {
    await database.apply([put('a', '1', 0, ''), put('a', '1', 0, 'myCC'), put('a', '1', 0, 'cc$$pColl')], 1n)
    const prefix = channelId.replace('.', '$')
    const listed = await ask('GET', '/channel_metadata')
    expect(listed).toMatchObject({
      ChannelName: channelId,
      NamespaceDBsInfo: {
        '': { Namespace: '', DBName: `${prefix}_` },
        myCC: { Namespace: 'myCC', DBName: `${prefix}_my$c$c` },
        cc$$pColl: { Namespace: 'cc$$pColl', DBName: `${prefix}_cc$$p$coll` },
      },
    })
    const again = await open()
    expect(again.height).toBe(1n)
    expect(await dump(again)).toEqual(['/a=1@0', 'cc$$pColl/a=1@0', 'myCC/a=1@0'])
  })

  it('of a Fabric peer are left alone', async () => {
    await database.apply([put('a', '1')], 1n)
    const { _rev } = await ask('GET', '/channel_metadata')
    await ask('PUT', '/channel_metadata', { _rev, ChannelName: channelId, NamespaceDBsInfo: {} })
    await expect(open()).rejects.toMatchObject({ code: 'fabric-couchdb/foreign-database' })
  })

  it('begin anew after a drop that a crash cut short', async () => {
    for (let failAt = 1; ; failAt++) {
      // Keys of its own each time: none of those before may come back.
      const changes = ['', 'cc', 'other'].map((namespace) => put(`k${failAt}`, '1', 0, namespace))
      await database.apply(changes, 5n)
      const expected = [`/k${failAt}=1@0`, `cc/k${failAt}=1@0`, `other/k${failAt}=1@0`]
      expect(await dump(database)).toEqual(expected)
      const isDropped = await dyingAt(failAt, (state) => state.drop())
      database = await open()
      expect(await dump(database)).toEqual(database.height === 0n ? [] : expected)
      if (isDropped) break
      expect(failAt).toBeLessThan(100)
      if (database.height > 0n) await database.drop()
    }
    expect(database.height).toBe(0n)
  })

  it('are all removed, also those that a crash left', async () => {
    for (let failAt = 1; ; failAt++) {
      channelId = `crash${count++}`
      await (await open()).apply([put('a', '1')], 1n)
      const isApplied = await dyingAt(failAt, (state) => state.apply([put('a', '1', 1, 'new')], 2n))
      await (await open()).drop()
      const all = (await (await fetch(`${server.url}/_all_dbs`)).json()) as string[]
      expect(all.filter((name) => name.startsWith(channelId))).toEqual([`${channelId}_`])
      if (isApplied) break
      expect(failAt).toBeLessThan(100)
    }
  })

  it('without a savepoint begin anew, as a snapshot that was not taken in whole', async () => {
    await database.apply([put('a', '1')], 0n)
    await database.apply([put('b', '1')], 0n)
    const again = await open()
    expect(again.height).toBe(0n)
    expect(await dump(again)).toEqual([])
  })
})

describe('rich queries', () => {
  const many = Array.from({ length: 25 }, (_, index) =>
    put(`k${String(index).padStart(2, '0')}`, `{"n":${index},"kind":"${index % 2 ? 'odd' : 'even'}"}`),
  )

  async function keysOf(query: string, limit: number, bookmark = ''): Promise<{ keys: string[]; bookmark: string } | undefined> {
    const page = await database.query?.('cc', query, { limit, bookmark })
    return page && { keys: page.entries.map(({ key }) => key), bookmark: page.bookmark }
  }

  it('find documents, whole and with versions', async () => {
    await database.apply([...many, put('binary', 'no JSON')], 1n)
    const page = await database.query?.('cc', '{"selector":{"n":{"$gte":23}}}', { limit: 10, bookmark: '' })
    expect(page?.entries.map(({ value, ...rest }) => ({ ...rest, value: new TextDecoder().decode(value) }))).toMatchObject([
      { key: 'k23', value: '{"kind":"odd","n":23}', version: { blockNumber: 0n, transactionNumber: 0n } },
      { key: 'k24', value: '{"kind":"even","n":24}' },
    ])
    const fields = await database.query?.('cc', '{"selector":{"n":3},"fields":["kind"]}', { limit: 10, bookmark: '' })
    expect(fields?.entries.map(({ key, value }) => [key, new TextDecoder().decode(value)])).toEqual([['k03', '{"kind":"odd"}']])
    const all = await database.query?.('cc', '{"selector":{"_id":"binary"}}', { limit: 10, bookmark: '' })
    expect(all?.entries.map(({ key, value }) => [key, new TextDecoder().decode(value)])).toEqual([['binary', 'no JSON']])
    expect(warnings[0]).toMatch(/index/)
  })

  it('go on from a bookmark, and ask for no more than a page at a time', async () => {
    database = await open({ internalQueryLimit: 4 })
    await database.apply(many, 1n)
    const odd = '{"selector":{"kind":"odd"}}'
    const keys = many.filter((_, index) => index % 2 === 1).map(({ key }) => key)
    const first = await keysOf(odd, 5)
    expect(first?.keys).toEqual(keys.slice(0, 5))
    const second = await keysOf(odd, 6, first?.bookmark)
    expect(second?.keys).toEqual(keys.slice(5, 11))
    const requests = await asked(async () =>
      expect(await keysOf(odd, 100, second?.bookmark)).toEqual({ keys: keys.slice(11), bookmark: '12' }),
    )
    expect(requests).toEqual(['POST /ch_cc/_find'])
    expect(await keysOf(odd, 100, '12')).toEqual({ keys: [], bookmark: 'nil' })
    expect(await keysOf(odd, 0)).toEqual({ keys: [], bookmark: '' })
    expect(await database.query?.('nobody', odd, { limit: 3, bookmark: '' })).toEqual({ entries: [], bookmark: '' })
  })

  it('sort by an index of the chaincode', async () => {
    await database.apply(many, 1n)
    const sorted = '{"selector":{"n":{"$gt":20}},"sort":[{"n":"desc"}],"use_index":"byN"}'
    await expect(keysOf(sorted, 10)).rejects.toMatchObject({ code: 'fabric-couchdb/refused' })
    await database.addIndexes?.('cc', [
      { name: 'z.json', definition: '{"index":{"fields":["n"]},"ddoc":"byN","name":"n","type":"json"}' },
      { name: 'a.json', definition: '{"index":{"fields":"n"}}' },
      { name: 'b.json', definition: 'none' },
      { name: 'c.json', definition: '{"index":{"fields":[{"a":"asc"},{"b":"desc"}]}}' },
    ])
    expect(warnings.map((warning) => warning.split(' of ')[0])).toEqual(['index a.json', 'index b.json', 'index c.json'])
    expect((await keysOf(sorted, 10))?.keys).toEqual(['k24', 'k23', 'k22', 'k21'])
    // An index is a document, but no key.
    expect((await dump(database)).length).toBe(25)
    expect(await valuesOf(['_design/byN'])).toEqual([undefined])
  })

  it.each(['', 'null', '[]', '{"selector":', '{"selector":{},"fields":"n"}'])('are refused: %j', async (query) => {
    await expect(keysOf(query, 10)).rejects.toMatchObject({ code: 'fabric-couchdb/bad-query' })
  })

  it('that CouchDB refuses are refused', async () => {
    await database.apply(many, 1n)
    await expect(keysOf('{"fields":["n"]}', 10)).rejects.toMatchObject({ code: 'fabric-couchdb/refused' })
  })
})
