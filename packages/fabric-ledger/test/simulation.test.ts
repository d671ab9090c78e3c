import {
  hashedNamespace,
  type KeyValue,
  levelStateDatabase,
  memoryStateDatabase,
  privateNamespace,
  QueryExecutor,
  type QuerySources,
  Simulator,
  type SnapshotStateDatabase,
  type StateDatabase,
  withSnapshots,
} from '@kumiko/fabric-ledger'
import { encodeUtf8, hashKey, KVMetadataWrite, RangeQueryResults, sha256, toHex, writeReadWriteSet } from '@kumiko/fabric-protocol'
import { describe, expect, it } from 'vitest'
import { listOf, withFolder } from './golden.ts'

const NONE = new Uint8Array()
const version = { blockNumber: 3n, transactionNumber: 1n }
const put = (namespace: string, key: string, value: Uint8Array) => ({ namespace, key, value, metadata: NONE, version })
const numbered = (count: number) =>
  Array.from({ length: count }, (_, index) => put('cc', `k${String(index).padStart(4, '0')}`, Uint8Array.of(1)))
const keysOf = (entries: readonly KeyValue[]) => entries.map(({ key }) => key)
const code = (name: string) => expect.objectContaining({ code: `fabric-ledger/${name}` })

async function stateOf(...changes: Parameters<StateDatabase['apply']>[0]): Promise<SnapshotStateDatabase> {
  const state = withSnapshots(await memoryStateDatabase()(''))
  await state.apply(changes, 4n)
  return state
}

/** `cc` has a and b; its collection c has the private key p, whose value is here, and q, whose is not. */
async function sources(rest: Omit<QuerySources, 'state'> = {}): Promise<QuerySources & { readonly state: SnapshotStateDatabase }> {
  const metadata = KVMetadataWrite.encode({ entries: [{ name: 'm', value: Uint8Array.of(7) }] })
  const hidden = (key: string) => ({ ...put(hashedNamespace('cc', 'c'), toHex(hashKey(key)), sha256(encodeUtf8(key))), metadata })
  const state = await stateOf(
    { ...put('cc', 'a', encodeUtf8('1')), metadata },
    put('cc', 'b', encodeUtf8('2')),
    hidden('p'),
    hidden('q'),
    put(privateNamespace('cc', 'c'), 'p', encodeUtf8('secret')),
  )
  return { state, ...rest }
}

describe('a simulation', () => {
  it('tells what metadata the keys had that it writes', async () => {
    const simulator = await Simulator.begin(await sources())
    simulator.setState('cc', 'a', encodeUtf8('new'))
    simulator.setStateMetadata('cc', 'a', new Map())
    simulator.setState('cc', 'absent', encodeUtf8('new'))
    await simulator.setPrivateData('cc', 'c', 'p', encodeUtf8('new'))
    await simulator.setPrivateDataMetadata('cc', 'c', 'absent', new Map([['n', Uint8Array.of(1)]]))
    const { writtenMetadata, public: set } = await simulator.results()
    const had = new Map([['m', Uint8Array.of(7)]])
    expect(writtenMetadata).toEqual([
      { namespace: 'cc', collection: '', metadata: had },
      { namespace: 'cc', collection: '', metadata: new Map() },
      { namespace: 'cc', collection: 'c', metadata: had },
      { namespace: 'cc', collection: 'c', metadata: new Map() },
    ])
    expect(set.namespaces[0]?.keyValue.reads).toEqual([])
    await expect(simulator.results()).rejects.toMatchObject({ code: 'fabric-ledger/simulation-ended' })
  })

  it('records what it reads and writes, and does not see its own writes', async () => {
    const simulator = await Simulator.begin(await sources())
    expect(simulator.height).toBe(4n)
    simulator.setState('cc', 'a', encodeUtf8('new'))
    simulator.deleteState('cc', 'b')
    const metadata = new Map([['n', Uint8Array.of(1)]])
    simulator.setStateMetadata('cc', 'b', metadata)
    metadata.clear()
    simulator.deleteStateMetadata('cc2', 'c')
    expect(await simulator.getState('cc', 'a')).toEqual(encodeUtf8('1'))
    expect(await simulator.getStates('cc', ['absent', 'b'])).toEqual([undefined, encodeUtf8('2')])
    expect(await simulator.getStateMetadata('cc', 'a')).toEqual(new Map([['m', Uint8Array.of(7)]]))
    expect(await simulator.getStateMetadata('cc', 'b')).toEqual(new Map())
    const { public: open, private: hidden, privateReads } = await simulator.results()
    expect(hidden).toBeUndefined()
    expect(privateReads.size).toBe(0)
    expect(open.namespaces.map(({ namespace, keyValue }) => ({ namespace, ...keyValue }))).toEqual([
      {
        namespace: 'cc',
        reads: [
          { key: 'a', version },
          { key: 'absent', version: undefined },
          { key: 'b', version },
        ],
        rangeQueriesInfo: [],
        writes: [
          { key: 'a', isDelete: false, value: encodeUtf8('new') },
          { key: 'b', isDelete: true, value: NONE },
        ],
        metadataWrites: [{ key: 'b', entries: [{ name: 'n', value: Uint8Array.of(1) }] }],
      },
      { namespace: 'cc2', reads: [], rangeQueriesInfo: [], writes: [], metadataWrites: [{ key: 'c', entries: [] }] },
    ])
  })

  it('records a range as far as it was read', async () => {
    const simulator = await Simulator.begin({ state: await stateOf(...numbered(60)) })
    const queries = [
      { start: 'k0000', end: 'k0003', stopAfter: 9 },
      { start: 'k0000', end: 'k0003', stopAfter: 3 },
      { start: 'k0000', end: 'k0003', stopAfter: 2 },
      { start: 'k0000', end: 'k0003', stopAfter: 9 },
      { start: 'x', end: '', stopAfter: 9 },
      { start: '', end: '', stopAfter: 60 },
    ]
    for (const { start, end, stopAfter } of queries) {
      let left = stopAfter
      for await (const _ of simulator.range('cc', start, end)) if (--left === 0) break
    }
    const { public: open } = await simulator.results()
    const read = (...keys: string[]) => ({ kvReads: keys.map((key) => ({ key, version })) })
    const many = new RangeQueryResults()
    for (const { key } of numbered(60)) many.add({ key, version })
    const range = { startKey: 'k0000', rawReads: undefined, readsMerkleHashes: undefined }
    expect(open.namespaces[0]?.keyValue.rangeQueriesInfo).toEqual([
      { ...range, endKey: 'k0003', itrExhausted: true, rawReads: read('k0000', 'k0001', 'k0002') },
      { ...range, endKey: 'k0002', itrExhausted: false, rawReads: read('k0000', 'k0001', 'k0002') },
      { ...range, endKey: 'k0001', itrExhausted: false, rawReads: read('k0000', 'k0001') },
      { ...range, startKey: 'x', endKey: '', itrExhausted: true },
      { ...range, startKey: '', endKey: 'k0059', itrExhausted: false, ...many.finish() },
    ])
  })

  it('gives no more of a range than is allowed, and records it as not read to its end', async () => {
    const simulator = await Simulator.begin({ state: await stateOf(...numbered(60)), entriesMax: 20 })
    expect(await listOf(simulator.range('cc', '', ''))).toHaveLength(20)
    expect((await listOf(simulator.range('cc', 'k0050', ''))).length).toBe(10)
    const { public: open } = await simulator.results()
    const found = open.namespaces[0]?.keyValue.rangeQueriesInfo.map(({ endKey, itrExhausted }) => ({ endKey, itrExhausted }))
    expect(found).toEqual([
      { endKey: 'k0019', itrExhausted: false },
      { endKey: '', itrExhausted: true },
    ])
  })

  it('records private data by hashes, and writes it to sets of their own', async () => {
    const simulator = await Simulator.begin(await sources())
    expect(await simulator.getPrivateData('cc', 'c', 'p')).toEqual(encodeUtf8('secret'))
    await expect(simulator.getPrivateData('cc', 'c', 'q')).rejects.toThrow(code('private-data-unavailable'))
    expect(await simulator.getPrivateData('cc', 'c', 'absent')).toBeUndefined()
    expect(await simulator.getPrivateDataHash('cc', 'd', 'absent')).toBeUndefined()
    expect(await simulator.getPrivateDataHash('cc', 'c', 'q')).toEqual(sha256(encodeUtf8('q')))
    expect(await simulator.getPrivateDataMetadata('cc', 'c', 'q')).toEqual(new Map([['m', Uint8Array.of(7)]]))
    await simulator.setPrivateData('cc', 'c', 'p', encodeUtf8('new'))
    await simulator.deletePrivateData('cc', 'c', 'q')
    await simulator.purgePrivateData('cc', 'c', 'r')
    await simulator.setPrivateDataMetadata('cc', 'c', 'p', new Map([['m', NONE]]))
    await simulator.deletePrivateDataMetadata('cc', 'c', 'q')
    const { public: open, private: hidden, privateReads } = await simulator.results()
    expect(privateReads).toEqual(new Map([['cc', new Set(['c'])]]))
    const [c, d] = open.namespaces[0]?.collections ?? []
    expect(d).toMatchObject({ collection: 'd', privateHash: NONE })
    expect(c?.hashed.hashedReads).toEqual([
      { keyHash: hashKey('absent'), version: undefined },
      { keyHash: hashKey('p'), version },
      { keyHash: hashKey('q'), version },
    ])
    expect(c?.hashed.hashedWrites.map(({ isDelete, isPurge }) => ({ isDelete, isPurge }))).toEqual([
      { isDelete: false, isPurge: false },
      { isDelete: true, isPurge: false },
      { isDelete: true, isPurge: true },
    ])
    expect(c?.hashed.metadataWrites).toHaveLength(2)
    const [set] = hidden?.namespaces[0]?.collections ?? []
    expect(hidden?.namespaces[0]?.collections).toHaveLength(1)
    expect(set?.keyValue.writes[0]).toEqual({ key: 'p', isDelete: false, value: encodeUtf8('new') })
    expect(c?.privateHash).toEqual(sha256(set?.bytes ?? NONE))
  })

  it('does not write and make queries that are not recorded', async () => {
    const writes: ((simulator: Simulator) => unknown)[] = [
      (simulator) => simulator.setState('cc', 'a', NONE),
      (simulator) => simulator.deleteStateMetadata('cc', 'a'),
      (simulator) => simulator.setPrivateData('cc', 'c', 'a', NONE),
      (simulator) => simulator.purgePrivateData('cc', 'c', 'a'),
      (simulator) => simulator.deletePrivateDataMetadata('cc', 'c', 'a'),
    ]
    const queries: ((simulator: Simulator) => Promise<unknown>)[] = [
      (simulator) => simulator.rangePage('cc', '', '', { size: 1, bookmark: '' }),
      (simulator) => simulator.queryPage('cc', '{}', { size: 1, bookmark: '' }),
      (simulator) => listOf(simulator.privateRange('cc', 'c', '', '')),
      (simulator) => listOf(simulator.privateQuery('cc', 'c', '{}')),
    ]
    const state = richState(await sources())
    for (const write of writes) {
      for (const query of queries) {
        const first = await Simulator.begin({ state })
        await write(first)
        await expect((async () => await query(first))()).rejects.toThrow(code('read-only'))
        const second = await Simulator.begin({ state })
        await query(second)
        await expect((async () => await write(second))()).rejects.toThrow(code('read-only'))
        await listOf(second.query('cc', '{}'))
      }
    }
    const simulator = await Simulator.begin({ state })
    await listOf(simulator.query('cc', '{}'))
    simulator.setState('cc', 'a', NONE)
  })

  it('counts no private value as read that a range or a rich query gave', async () => {
    const simulator = await Simulator.begin({ state: richState(await sources()) })
    expect(await listOf(simulator.privateRange('cc', 'c', '', ''))).not.toEqual([])
    await listOf(simulator.privateQuery('cc', 'c', '{}'))
    expect((await simulator.results()).privateReads.size).toBe(0)
  })

  it('refuses what the database refuses, and collections that there are not', async () => {
    const { state } = await sources()
    state.refusal = (key) => (key.startsWith('_') ? 'it begins with _' : undefined)
    const simulator = await Simulator.begin({ state, isCollection: async (_, collection) => collection === 'c' })
    expect(() => simulator.setState('cc', '_a', encodeUtf8('1'))).toThrow(code('bad-write'))
    await expect(simulator.setPrivateData('cc', 'c', '_a', encodeUtf8('1'))).rejects.toThrow(code('bad-write'))
    const reads = [
      () => simulator.getState('cc', '_a'),
      () => simulator.getStates('cc', ['a', '_a']),
      () => simulator.getStateMetadata('cc', '_a'),
      () => simulator.getPrivateData('cc', 'c', '_a'),
    ]
    for (const read of reads) await expect(read()).rejects.toThrow(code('bad-key'))
    const others = [
      () => simulator.getPrivateData('cc', 'd', 'a'),
      () => simulator.getPrivateDataHash('cc', 'd', 'a'),
      () => simulator.getPrivateDataMetadata('cc', 'd', 'a'),
      () => simulator.setPrivateData('cc', 'd', 'a', NONE),
      () => simulator.setPrivateDataMetadata('cc', 'd', 'a', new Map()),
    ]
    for (const other of others) await expect(other()).rejects.toThrow(code('no-such-collection'))
    const reader = await QueryExecutor.begin({ state, isCollection: async () => false })
    await expect(listOf(reader.privateRange('cc', 'd', '', ''))).rejects.toThrow(code('no-such-collection'))
    await expect(listOf(reader.query('cc', '{}'))).rejects.toThrow(code('no-rich-queries'))
    expect(() => reader.history('cc', 'a')).toThrow(code('no-history'))
    const { public: open } = await simulator.results()
    expect(open.namespaces).toEqual([])
  })

  it('records what it reads of the state to know whether there is a collection, once', async () => {
    const rest = await sources()
    const key = 'namespaces/fields/cc/Collections'
    await rest.state.apply([put('_lifecycle', key, encodeUtf8('c'))], 5n)
    let asked = 0
    const isCollection: QuerySources['isCollection'] = async (_, collection, state) => {
      asked++
      return new TextDecoder().decode(await state.getState('_lifecycle', key)) === collection
    }
    const simulator = await Simulator.begin({ ...rest, isCollection })
    expect(await simulator.getPrivateData('cc', 'c', 'p')).toEqual(encodeUtf8('secret'))
    await simulator.setPrivateData('cc', 'c', 'r', encodeUtf8('1'))
    await expect(simulator.setPrivateData('cc', 'd', 'r', encodeUtf8('1'))).rejects.toThrow(code('no-such-collection'))
    expect(asked).toBe(2)
    const { public: open } = await simulator.results()
    expect(open.namespaces.map(({ namespace, keyValue }) => [namespace, keyValue.reads])).toEqual([
      ['_lifecycle', [{ key, version }]],
      ['cc', []],
    ])
  })

  it('counts no private value as read that is not here', async () => {
    const simulator = await Simulator.begin(await sources())
    await expect(simulator.getPrivateData('cc', 'c', 'q')).rejects.toThrow(code('private-data-unavailable'))
    await simulator.getPrivateDataHash('cc', 'c', 'q')
    expect((await simulator.results()).privateReads.size).toBe(0)
  })

  it('has the same results in whatever order it came to them', async () => {
    const operations: ((simulator: Simulator) => unknown)[] = [
      (simulator) => simulator.getState('cc', 'a'),
      (simulator) => simulator.getState('cc', 'b'),
      (simulator) => simulator.getState('aa', '\uffff'),
      (simulator) => simulator.getState('aa', '\u{10000}'),
      (simulator) => simulator.setState('cc', 'x', encodeUtf8('1')),
      (simulator) => simulator.deleteState('bb', 'y'),
      (simulator) => simulator.setStateMetadata('cc', 'x', new Map()),
      (simulator) => simulator.getPrivateDataHash('cc', 'c', 'p'),
      (simulator) => simulator.getPrivateData('cc', 'c', 'absent'),
      (simulator) => simulator.setPrivateData('cc', 'c', 'p', encodeUtf8('1')),
      (simulator) => simulator.setPrivateData('cc', 'b', 'p', encodeUtf8('1')),
      (simulator) => simulator.purgePrivateData('cc', 'c', 'a'),
    ]
    const rest = await sources()
    const seen = new Set<string>()
    for (let round = 0; round < 40; round++) {
      const simulator = await Simulator.begin(rest)
      const order = operations.map((operation, index) => ({ operation, place: (index * 7919 + round * 104_729 * (index + 1)) % 1009 }))
      for (const { operation } of order.sort((a, b) => a.place - b.place)) await operation(simulator)
      seen.add(toHex(writeReadWriteSet((await simulator.results()).public)))
    }
    expect(seen.size).toBe(1)
  })
})

/** With rich queries, that find all of a namespace, a page at a time. */
function richState({ state }: { readonly state: SnapshotStateDatabase }): SnapshotStateDatabase {
  const snapshot = state.snapshot.bind(state)
  state.snapshot = async () => {
    const taken = await snapshot()
    return {
      height: taken.height,
      getMany: (keys) => taken.getMany(keys),
      range: (...range) => taken.range(...range),
      query: async (namespace, _, { limit, bookmark }) => {
        const entries = await listOf(taken.range(namespace, bookmark === '' ? '' : `${bookmark}\0`, '', limit))
        return { entries, bookmark: entries.at(-1)?.key ?? bookmark }
      },
      close: () => taken.close(),
    }
  }
  return state
}

describe('a query', () => {
  it('reads one height, whatever is committed meanwhile', () =>
    withFolder(async (folder) => {
      for (const open of [memoryStateDatabase(), levelStateDatabase()]) {
        const state = withSnapshots(await open(folder))
        await state.apply(numbered(200), 1n)
        const query = await QueryExecutor.begin({ state })
        const range = query.range('cc', '', '')
        await range.next()
        await state.apply([put('cc', 'k0000', Uint8Array.of(2)), put('cc', 'k0000a', Uint8Array.of(2))], 2n)
        expect(await query.getState('cc', 'k0000')).toEqual(Uint8Array.of(1))
        expect(await listOf(query.range('cc', 'k0000', 'k0001'))).toHaveLength(1)
        expect(await listOf(range)).toHaveLength(199)
        expect(query.height).toBe(1n)
        await query.close()
        await state.close()
      }
    }))

  it('frees what it holds when it is closed, though a range was left in the middle', () =>
    withFolder(async (folder) => {
      const state = withSnapshots(await levelStateDatabase()(folder))
      await state.apply(numbered(200), 1n)
      const query = await QueryExecutor.begin({ state })
      const [range, other] = [query.range('cc', '', ''), query.range('cc', '', '')]
      await range.next()
      await query.close()
      await query.close()
      await expect(range.next()).rejects.toThrow(code('simulation-ended'))
      await expect(other.next()).rejects.toThrow(code('simulation-ended'))
      expect(() => query.range('cc', '', '')).toThrow(code('simulation-ended'))
      await expect(query.getState('cc', 'a')).rejects.toThrow(code('simulation-ended'))
      await state.close()
    }))

  it('ends the ranges that are read from the database when it is closed', async () => {
    const state = await stateOf(...numbered(9))
    const taken = await state.snapshot()
    let ended = 0
    const range = async function* (...where: Parameters<typeof taken.range>) {
      try {
        yield* taken.range(...where)
      } finally {
        ended++
      }
    }
    state.snapshot = async () => ({ height: 4n, getMany: (keys) => taken.getMany(keys), range, close: () => taken.close() })
    const query = await QueryExecutor.begin({ state })
    await query.range('cc', '', '').next()
    await query.privateRange('cc', 'c', '', '').next()
    for await (const _ of query.range('cc', '', '')) break
    expect(ended).toBe(2)
    await query.close()
    expect(ended).toBe(3)
  })

  it('goes through a range by pages', async () => {
    const query = await QueryExecutor.begin({ state: await stateOf(...numbered(25)) })
    for (const size of [1, 5, 8, 24, 25, 26]) {
      const found: string[] = []
      let bookmark = ''
      do {
        const page = await query.rangePage('cc', 'k0001', 'k0024', { size, bookmark })
        expect(page.entries.length).toBe(Math.min(size, 23 - found.length))
        found.push(...keysOf(page.entries))
        bookmark = page.bookmark
      } while (bookmark !== '')
      expect(found).toEqual(
        numbered(24)
          .slice(1)
          .map(({ key }) => key),
      )
    }
    expect(await query.rangePage('cc', 'x', '', { size: 3, bookmark: '' })).toEqual({ entries: [], bookmark: '' })
    const state = await stateOf(...numbered(25))
    const couch = await QueryExecutor.begin({ state: { snapshot: () => state.snapshot(), kind: 'CouchDB' } })
    const pages = [
      await couch.rangePage('cc', 'k0020', 'k0024', { size: 4, bookmark: '' }),
      await couch.rangePage('cc', 'k0020', 'k0024', { size: 3, bookmark: '' }),
    ]
    expect(pages.map(({ bookmark }) => bookmark)).toEqual(['k0024', 'k0023'])
    await couch.close()
    for (const size of [0, -1, 1.5]) await expect(query.rangePage('cc', '', '', { size, bookmark: '' })).rejects.toThrow(code('bad-page'))
  })

  it('records a page as a range that was read to the page’s end', async () => {
    const simulator = await Simulator.begin({ state: await stateOf(...numbered(25)) })
    await simulator.rangePage('cc', '', 'k0010', { size: 5, bookmark: 'k0002' })
    await simulator.rangePage('cc', '', 'k0010', { size: 5, bookmark: 'k0007' })
    const { public: open } = await simulator.results()
    expect(open.namespaces[0]?.keyValue.rangeQueriesInfo).toMatchObject([
      { startKey: 'k0002', endKey: 'k0006', itrExhausted: false },
      { startKey: 'k0007', endKey: 'k0010', itrExhausted: true },
    ])
  })

  it('goes through a rich query, and records the keys it gives', async () => {
    const state = richState({ state: await stateOf(...numbered(2500)) })
    const simulator = await Simulator.begin({ state })
    expect(await listOf(simulator.query('cc', '{}'))).toHaveLength(2500)
    const { public: open } = await simulator.results()
    expect(open.namespaces[0]?.keyValue.reads).toEqual(numbered(2500).map(({ key }) => ({ key, version })))
    const limited = await Simulator.begin({ state, entriesMax: 1500 })
    expect(await listOf(limited.query('cc', '{}'))).toHaveLength(1500)
    const paged = await Simulator.begin({ state })
    const page = await paged.queryPage('cc', '{}', { size: 7, bookmark: 'k0009' })
    expect(keysOf(page.entries)).toEqual(
      numbered(17)
        .slice(10)
        .map(({ key }) => key),
    )
    expect((await paged.results()).public.namespaces[0]?.keyValue.reads).toHaveLength(7)
  })

  it('ends a rich query where a full page leads nowhere', async () => {
    for (const [bookmark, pages] of [
      ['', 1],
      ['x', 2],
    ] as const) {
      const state = await stateOf()
      const taken = await state.snapshot()
      const entries = numbered(1000).map(({ namespace: _, ...entry }) => entry)
      const query = async () => ({ entries, bookmark })
      state.snapshot = async () => ({
        height: 4n,
        getMany: (keys) => taken.getMany(keys),
        range: (...where) => taken.range(...where),
        query,
        close: () => taken.close(),
      })
      expect(await listOf((await QueryExecutor.begin({ state })).query('cc', '{}'))).toHaveLength(pages * 1000)
    }
  })

  it('reads private data that is here, and history where there is any', async () => {
    const modification = { txId: 't', value: NONE, timestamp: undefined, isDelete: true }
    const history = async function* () {
      yield modification
    }
    const query = await QueryExecutor.begin(await sources({ history }))
    expect(await listOf(query.privateRange('cc', 'c', '', ''))).toMatchObject([{ key: 'p', value: encodeUtf8('secret') }])
    expect(await listOf(query.history('cc', 'a'))).toEqual([modification])
  })
})
