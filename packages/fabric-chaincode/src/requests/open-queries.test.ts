import { QueryResponse } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import { expect, it } from 'vitest'
import { OpenQueries } from './open-queries.ts'

/** So many results, of which it is told which were asked for. */
function source(count: number) {
  const state = { asked: 0, closed: 0 }
  async function* results(): AsyncGenerator<Uint8Array> {
    try {
      for (let at = 0; at < count; at++) {
        state.asked++
        yield Uint8Array.of(at >> 8, at & 255)
      }
      state.asked++
    } finally {
      state.closed++
    }
  }
  return { state, results: results() }
}

function read(bytes: Uint8Array) {
  const response = QueryResponse.decode(bytes)
  if (isFault(response)) throw new Error(response.detail)
  return { count: response.results.length, hasMore: response.hasMore, id: response.id }
}

it.each([
  [0, [0], 1],
  [1, [1], 2],
  [99, [99], 100],
  [100, [100], 101],
  [101, [100, 1], 102],
  [200, [100, 100], 201],
  [250, [100, 100, 50], 251],
])('gives %d results in batches of %j', async (count, batches, asked) => {
  const queries = new OpenQueries()
  const { state, results } = source(count)
  const got = [read(await queries.begin(results, 1000))]
  while (got.at(-1)?.hasMore === true) got.push(read(await queries.next('1')))
  expect(got.map((each) => each.count)).toEqual(batches)
  expect(state).toEqual({ asked, closed: 1 })
  await expect(queries.next('1')).rejects.toThrow('query iterator not found')
})

it('has read one result more than it gave, for that tells that there is more', async () => {
  const { state, results } = source(500)
  const queries = new OpenQueries()
  await queries.begin(results, 1000)
  expect(state.asked).toBe(101)
  await queries.next('1')
  expect(state.asked).toBe(201)
  await queries.closeAll()
  expect(state.closed).toBe(1)
})

it.each([
  [10, [10], 10],
  [100, [100], 100],
  [101, [100, 1], 101],
  [150, [100, 50], 150],
])('never asks for more than %d', async (limit, batches, asked) => {
  const queries = new OpenQueries()
  const { state, results } = source(1000)
  const got = [read(await queries.begin(results, limit))]
  while (got.at(-1)?.hasMore === true) got.push(read(await queries.next('1')))
  expect(got.map((each) => each.count)).toEqual(batches)
  expect(state).toEqual({ asked, closed: 1 })
})

it('closes a query that fails', async () => {
  const queries = new OpenQueries()
  const failing = (async function* (): AsyncGenerator<Uint8Array> {
    yield Uint8Array.of(1)
    throw new Error('disk')
  })()
  await expect(queries.begin(failing, 10)).rejects.toThrow('disk')
  await expect(queries.next('1')).rejects.toThrow('query iterator not found')
  await queries.close('1')
})

it('tells queries apart', async () => {
  const queries = new OpenQueries()
  const [first, second] = [source(150), source(150)]
  expect(read(await queries.begin(first.results, 1000)).id).toBe('1')
  expect(read(await queries.begin(second.results, 1000)).id).toBe('2')
  await queries.close('1')
  expect([first.state.closed, second.state.closed]).toEqual([1, 0])
  expect(read(await queries.next('2'))).toEqual({ count: 50, hasMore: false, id: '2' })
})
