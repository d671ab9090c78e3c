import {
  memoryStateDatabase,
  prefetch,
  type SimulationResults,
  Simulator,
  type StateChange,
  validateReads,
  withSnapshots,
} from '@kumiko/fabric-ledger'
import { compareUtf8, type RangeQueryInfo, ValidationCode, writeReadWriteSet } from '@kumiko/fabric-protocol'
import fc from 'fast-check'
import { expect, it } from 'vitest'

const NONE = new Uint8Array()
const put = (key: string, block: number): StateChange => ({
  namespace: 'cc',
  key,
  value: Uint8Array.of(1),
  metadata: NONE,
  version: { blockNumber: BigInt(block), transactionNumber: 0n },
})
const remove = (key: string): StateChange => ({ ...put(key, 1), value: undefined })
const nameOf = (index: number): string =>
  `${index % 3 === 0 ? '\uffff' : index % 3 === 1 ? '\u{10000}' : 'k'}${String(index).padStart(4, '0')}`

async function stateOf(count: number) {
  const state = withSnapshots(await memoryStateDatabase()(''))
  await state.apply(
    Array.from({ length: count }, (_, index) => put(nameOf(index), 0)),
    1n,
  )
  return state
}

type State = Awaited<ReturnType<typeof stateOf>>

async function codeOf({ public: set }: SimulationResults, state: State): Promise<number | undefined> {
  const transactions = [{ code: ValidationCode.valid, set }]
  return (await validateReads(9n, transactions, await prefetch(transactions, state))).codes[0]
}

/** Changes one key that the recorded range covers. @returns Undefined where there is none of the kind. */
function changeWithin(
  kind: string,
  place: number,
  read: readonly string[],
  { startKey, endKey, itrExhausted }: RangeQueryInfo,
): StateChange | undefined {
  const key = read[place % Math.max(1, read.length)]
  if (kind === 'insert before' && !read.includes(startKey) && startKey !== '' && (endKey === '' || compareUtf8(startKey, endKey) < 0))
    return put(startKey, 1)
  if (key === undefined) return
  if (kind === 'write') return put(key, 1)
  if (kind === 'delete') return remove(key)
  const inserted = `${key}0`
  const isWithin = itrExhausted ? endKey === '' || compareUtf8(inserted, endKey) < 0 : compareUtf8(inserted, endKey) <= 0
  return isWithin ? put(inserted, 1) : undefined
}

it('is valid on the state that it read, and not once a key of its ranges is another', async () => {
  const size = fc.oneof({ weight: 6, arbitrary: fc.nat(160) }, { weight: 2, arbitrary: fc.integer({ min: 2590, max: 2720 }) })
  const input = fc.record({
    size,
    start: fc.option(fc.nat(200), { nil: undefined, freq: 2 }),
    end: fc.option(fc.nat(3000), { nil: undefined, freq: 1 }),
    stopAfter: fc.oneof({ weight: 1, arbitrary: fc.integer({ min: 1, max: 200 }) }, { weight: 2, arbitrary: fc.constant(10_000) }),
    kind: fc.constantFrom('write', 'delete', 'insert', 'insert before'),
    place: fc.nat(3000),
  })
  const seen = { raw: 0, hashed: 0, high: 0, changed: 0 }
  await fc.assert(
    fc.asyncProperty(input, async ({ size, start, end, stopAfter, kind, place }) => {
      const state = await stateOf(size)
      const simulator = await Simulator.begin({ state })
      const read: string[] = []
      const endKey = end === undefined ? '' : `${nameOf(end)}5`
      for await (const { key } of simulator.range('cc', start === undefined ? '' : `${nameOf(start)}5`, endKey)) {
        if (read.push(key) === stopAfter) break
      }
      const results = await simulator.results()
      expect(await codeOf(results, state)).toBe(ValidationCode.valid)
      const [info] = results.public.namespaces[0]?.keyValue.rangeQueriesInfo ?? []
      if (info === undefined) throw new Error('no range was recorded')
      const level = info.readsMerkleHashes?.maxLevel ?? 0
      seen[level === 0 ? 'raw' : level === 1 ? 'hashed' : 'high']++
      const change = changeWithin(kind, place, read, info)
      if (change === undefined) return
      seen.changed++
      await state.apply([change], 2n)
      expect(await codeOf(results, state)).toBe(ValidationCode.phantomReadConflict)
    }),
    { numRuns: 250, seed: 20_261_121 },
  )
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(10)
})

it('has the same bytes in whatever order it came to them, but for ranges, which keep theirs', async () => {
  const key = fc.constantFrom('a', 'b', '\uffff', '\u{10000}')
  const namespace = fc.constantFrom('x', 'y')
  const names = { namespace, key }
  const operation = fc.oneof(
    fc.record({ ...names, do: fc.constant('get') }),
    fc.record({ ...names, do: fc.constant('put'), value: fc.uint8Array({ maxLength: 1 }) }),
    fc.record({ ...names, do: fc.constant('metadata'), value: fc.uint8Array({ maxLength: 1 }) }),
    fc.record({ ...names, do: fc.constant('get private') }),
    fc.record({ ...names, do: fc.constant('put private'), value: fc.uint8Array({ maxLength: 1 }) }),
    fc.record({ ...names, do: fc.constant('purge') }),
  )
  type Operation = { namespace: string; key: string; do: string; value?: Uint8Array }
  const idOf = (each: Operation): string => `${each.do.replace('purge', 'put private')} ${each.namespace} ${each.key}`
  const operations = fc.uniqueArray(operation, { selector: idOf, maxLength: 20 })
  const both = operations.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })))
  const state = await stateOf(10)
  const perform = async (all: readonly Operation[]): Promise<unknown> => {
    const simulator = await Simulator.begin({ state })
    for await (const _ of simulator.range('x', 'b', 'c'));
    for (const { do: what, namespace, key, value = NONE } of all) {
      if (what === 'get') await simulator.getState(namespace, key)
      else if (what === 'put') simulator.setState(namespace, key, value)
      else if (what === 'metadata') simulator.setStateMetadata(namespace, key, new Map([['m', value]]))
      else if (what === 'get private') await simulator.getPrivateData(namespace, 'c', key)
      else if (what === 'put private') await simulator.setPrivateData(namespace, 'c', key, value)
      else await simulator.purgePrivateData(namespace, 'c', key)
    }
    for await (const _ of simulator.range('x', 'a', 'c'));
    const { public: open, private: hidden } = await simulator.results()
    return { open: writeReadWriteSet(open), hidden }
  }
  await fc.assert(
    fc.asyncProperty(both, async ([one, other]) => {
      expect(await perform(other)).toEqual(await perform(one))
    }),
    { numRuns: 200, seed: 20_261_121 },
  )
})
