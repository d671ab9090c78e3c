import { memoryStateDatabase, prefetch, stateChanges, validateReads } from '@kumiko/fabric-ledger'
import {
  hashKey,
  KVMetadataWrite,
  type KVRead,
  type NamespaceReadWriteSet,
  RangeQueryResults,
  type ReadWriteSet,
  rangeQueryInfo,
  sha256,
  toHex,
  ValidationCode,
  type Version,
} from '@kumiko/fabric-protocol'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { listOf } from './golden.ts'

// Above U+FFFF, UTF-16 and UTF-8 order differently.
const KEYS = ['a', 'b', 'c', 'd', '\uffee', '\u{1f600}']

interface Entry {
  readonly value: string
  readonly metadata: string
  readonly version: Version
}
/** `namespace/key` to entry; private keys under `namespace/#key`. */
type Model = ReadonlyMap<string, Entry>

interface Query {
  readonly start: string
  readonly end: string
  /** It stops when it has read so many. */
  readonly limit: number
  readonly degree: number
}
interface Part {
  readonly reads: readonly string[]
  readonly queries: readonly Query[]
  readonly hashedReads: readonly string[]
  /** Key to value; `''` deletes. Private ones start with `#`. */
  readonly writes: Readonly<Record<string, string>>
  /** Key to metadata; `''` removes. */
  readonly metadata: Readonly<Record<string, string>>
}
interface Transaction {
  /** How many blocks ago it was simulated. */
  readonly age: number
  readonly parts: Readonly<Record<string, Part>>
}

const key = fc.constantFrom(...KEYS)
const anyKey = fc.oneof(
  key,
  key.map((name) => `#${name}`),
)
const part: fc.Arbitrary<Part> = fc.record({
  reads: fc.uniqueArray(key, { maxLength: 2 }),
  queries: fc.array(
    fc.record({
      start: fc.constantFrom('', ...KEYS),
      end: fc.constantFrom('', ...KEYS),
      limit: fc.integer({ min: 1, max: 7 }),
      degree: fc.constantFrom(2, 50),
    }),
    { maxLength: 1 },
  ),
  hashedReads: fc.uniqueArray(key, { maxLength: 1 }),
  writes: fc.dictionary(anyKey, fc.constantFrom('', '1', '2'), { maxKeys: 3 }),
  metadata: fc.dictionary(anyKey, fc.constantFrom('', 'm', 'n'), { maxKeys: 2 }),
})
const transaction: fc.Arbitrary<Transaction> = fc.record({
  age: fc.integer({ min: 0, max: 2 }),
  parts: fc.dictionary(fc.constantFrom('x', 'y'), part, { minKeys: 1, maxKeys: 2 }),
})
const chain = fc.array(fc.array(transaction, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 6 })

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const inUtf8 = (a: string, b: string): number => Buffer.compare(bytes(a), bytes(b))

/** What a query reads, as a chaincode sees it. */
function run(model: Model, namespace: string, { start, end, limit }: Query): KVRead[] {
  return [...model]
    .filter(([id]) => id.startsWith(`${namespace}/`) && !id.startsWith(`${namespace}/#`))
    .map(([id, { version }]) => ({ key: id.slice(2), version }))
    .filter((read) => inUtf8(read.key, start) >= 0 && (end === '' || inUtf8(read.key, end) < 0))
    .sort((a, b) => inUtf8(a.key, b.key))
    .slice(0, limit)
}

function simulate({ parts }: Transaction, model: Model): ReadWriteSet {
  return { namespaces: Object.entries(parts).map(([namespace, each]) => simulatePart(namespace, each, model)) }
}

function simulatePart(namespace: string, { reads, queries, hashedReads, writes, metadata }: Part, model: Model): NamespaceReadWriteSet {
  const versionOf = (id: string): Version | undefined => model.get(`${namespace}/${id}`)?.version
  const entriesOf = (text: string) => (text === '' ? [] : [{ name: 'VALIDATION_PARAMETER', value: bytes(text) }])
  const open = (id: string): boolean => !id.startsWith('#')
  const keyValue = {
    reads: reads.map((id) => ({ key: id, version: versionOf(id) })),
    rangeQueriesInfo: queries.map((query) => {
      const read = run(model, namespace, query)
      const results = new RangeQueryResults(query.degree)
      for (const each of read) results.add(each)
      const itrExhausted = read.length < query.limit
      const endKey = itrExhausted ? query.end : (read.at(-1)?.key ?? '')
      return rangeQueryInfo({ startKey: query.start, endKey, itrExhausted }, results.finish())
    }),
    writes: Object.entries(writes).flatMap(([id, value]) => (open(id) ? [{ key: id, isDelete: value === '', value: bytes(value) }] : [])),
    metadataWrites: Object.entries(metadata).flatMap(([id, text]) => (open(id) ? [{ key: id, entries: entriesOf(text) }] : [])),
  }
  const hashed = {
    hashedReads: hashedReads.map((id) => ({ keyHash: hashKey(id), version: versionOf(`#${id}`) })),
    hashedWrites: Object.entries(writes).flatMap(([id, value]) => {
      const valueHash = value === '' ? new Uint8Array() : sha256(bytes(value))
      return open(id) ? [] : [{ keyHash: hashKey(id.slice(1)), isDelete: value === '', valueHash, isPurge: false }]
    }),
    metadataWrites: Object.entries(metadata).flatMap(([id, text]) =>
      open(id) ? [] : [{ keyHash: hashKey(id.slice(1)), entries: entriesOf(text) }],
    ),
  }
  return { namespace, keyValue, collections: [{ collection: 'col', hashed, privateHash: new Uint8Array() }] }
}

/** Would the transaction read the same, were it run now? And has nothing in the block written what it read by name? */
function judge({ parts }: Transaction, then: Model, now: Model, touched: ReadonlySet<string>): number {
  for (const [namespace, { reads, queries, hashedReads }] of Object.entries(parts)) {
    const isStale = (id: string): boolean => touched.has(id) || then.get(id)?.version !== now.get(id)?.version
    if (reads.some((id) => isStale(`${namespace}/${id}`))) return ValidationCode.mvccReadConflict
    const differs = (query: Query): boolean => {
      const [before, after] = [run(then, namespace, query), run(now, namespace, query)]
      return before.length !== after.length || before.some((read, at) => read.key !== after[at]?.key || read.version !== after[at]?.version)
    }
    if (queries.some(differs)) return ValidationCode.phantomReadConflict
    if (hashedReads.some((id) => isStale(`${namespace}/#${id}`))) return ValidationCode.mvccReadConflict
  }
  return ValidationCode.valid
}

/** One write after the other. */
function perform({ parts }: Transaction, model: Map<string, Entry>, touched: Set<string>, version: Version): void {
  for (const [namespace, { writes, metadata }] of Object.entries(parts)) {
    for (const [id, value] of Object.entries(writes).map(([name, each]) => [`${namespace}/${name}`, each] as const)) {
      touched.add(id)
      if (value === '') model.delete(id)
      else model.set(id, { value, metadata: model.get(id)?.metadata ?? '', version })
    }
    for (const [id, text] of Object.entries(metadata).map(([name, each]) => [`${namespace}/${name}`, each] as const)) {
      const entry = model.get(id)
      if (entry === undefined) continue
      touched.add(id)
      model.set(id, { ...entry, metadata: text, version })
    }
  }
}

/** The model's state as ours has it. */
function stateOf(model: Model): Map<string, unknown> {
  return new Map(
    [...model].map(([id, { value, metadata, version }]) => {
      const isHidden = id.startsWith('#', 2)
      const entries = [{ name: 'VALIDATION_PARAMETER', value: bytes(metadata) }]
      const entry = {
        value: isHidden ? sha256(bytes(value)) : bytes(value),
        metadata: metadata === '' ? new Uint8Array() : KVMetadataWrite.encode({ key: '', entries }),
        version,
      }
      return [isHidden ? `${id[0]}$$hcol/${toHex(hashKey(id.slice(3)))}` : id, entry]
    }),
  )
}

it('a transaction is valid if it would read the same again, and the state is as if the valid ones had run one by one', async () => {
  const counts = new Map<number, number>()
  await fc.assert(
    fc.asyncProperty(chain, async (blocks) => {
      const state = await memoryStateDatabase()('')
      const model = new Map<string, Entry>()
      const heights: Model[] = [new Map()]
      for (const [number, transactions] of blocks.entries()) {
        const touched = new Set<string>()
        const expected: number[] = []
        const sets = transactions.map((each) => {
          const then = heights[Math.max(0, number - each.age)] ?? new Map<string, Entry>()
          return { each, then, set: simulate(each, then) }
        })
        for (const [index, { each, then }] of sets.entries()) {
          const code = judge(each, then, model, touched)
          const version = { blockNumber: BigInt(number), transactionNumber: BigInt(index) }
          if (code === ValidationCode.valid) perform(each, model, touched, version)
          expected.push(code)
          counts.set(code, (counts.get(code) ?? 0) + 1)
        }
        const toValidate = sets.map(({ set }) => ({ code: ValidationCode.valid, set }))
        const { codes, updates } = await validateReads(BigInt(number), toValidate, await prefetch(toValidate, state))
        await state.apply(stateChanges(updates), BigInt(number) + 1n)
        heights.push(new Map(model))
        expect([...codes]).toEqual(expected)
        const entries = await listOf(state.entries())
        const found = entries.map(({ namespace, key, ...entry }) => [`${namespace}/${key}`, entry] as const)
        expect(new Map<string, unknown>(found)).toEqual(stateOf(model))
      }
    }),
    { numRuns: 400, seed: 20_261_121 },
  )
  for (const code of [0, 11, 12]) expect(counts.get(code)).toBeGreaterThan(100)
})
