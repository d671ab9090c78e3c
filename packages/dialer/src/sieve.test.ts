import { curve, encodeRlp, nodeFromEnr, nodeFromParts, signEnr } from '@kumiko/identity'
import type { NodeRecord, NodeSource } from '@kumiko/interface'
import { type VirtualClock, virtualClock } from '@kumiko/testkit'
import { beforeEach, describe, expect, test } from 'vitest'
import { Sieve } from './sieve.ts'

let clock: VirtualClock
let refused: NodeRecord[]

beforeEach(() => {
  clock = virtualClock()
  refused = []
})

const secretKey = (number: number): Uint8Array => new Uint8Array(32).fill(number)

/** A node known without a record. */
const bare = (number: number): NodeRecord => nodeFromParts({ publicKey: curve.compress(curve.publicKey(secretKey(number))) })

/** The same with a record, which says `fit` or not. */
const recorded = (number: number, isFit: boolean): NodeRecord =>
  nodeFromEnr(signEnr(secretKey(number), 1n, isFit ? { fit: encodeRlp(1) } : {}))

/** The nodes of a source that say `fit`. */
function sieve(source: NodeSource): AsyncIterator<NodeRecord> {
  const accepts = (node: NodeRecord): boolean => node.entry('fit') !== undefined
  return new Sieve(source, { clock, accepts, onRefused: (node) => refused.push(node) }).nodes()[Symbol.asyncIterator]()
}

/** A source of these nodes, once. */
function source(nodes: Iterable<NodeRecord>, requestEnr?: NodeSource['requestEnr']): NodeSource {
  return {
    name: 'test',
    async *nodes() {
      yield* nodes
    },
    ...(requestEnr === undefined ? {} : { requestEnr }),
  }
}

/** All that comes until the end, with time passing. */
async function all(nodes: AsyncIterator<NodeRecord>): Promise<NodeRecord[]> {
  const taken: NodeRecord[] = []
  const run = async (): Promise<void> => {
    for (let next = await nodes.next(); next.done !== true; next = await nodes.next()) taken.push(next.value)
  }
  let isOver = false
  const running = run().finally(() => {
    isOver = true
  })
  for (let step = 0; step < 1000 && !isOver; step++) await clock.advance(100)
  await running
  return taken
}

test('lets pass what is accepted, in order, and tells of the rest', async () => {
  const [a, b, c] = [recorded(1, true), recorded(2, false), recorded(3, true)]
  expect(await all(sieve(source([a, b, c])))).toEqual([a, c])
  expect(refused).toEqual([b])
})

describe('a node without a record', () => {
  test('is refused where the source cannot ask for it', async () => {
    expect(await all(sieve(source([bare(1)])))).toEqual([])
    expect(refused).toEqual([bare(1)])
  })

  test('passes with the record that it gives, if that is accepted', async () => {
    const asked: NodeRecord[] = []
    const requestEnr = async (node: NodeRecord): Promise<NodeRecord | undefined> => {
      asked.push(node)
      return [recorded(1, true), recorded(2, false)].find(({ nodeId }) => nodeId === node.nodeId)
    }
    expect(await all(sieve(source([bare(1), bare(2), bare(3)], requestEnr)))).toEqual([recorded(1, true)])
    expect(asked).toEqual([bare(1), bare(2), bare(3)])
    expect(refused).toEqual([bare(2), bare(3)])
  })

  test('is not asked where it has a record, however unfit', async () => {
    const requestEnr = async (): Promise<NodeRecord> => expect.unreachable('asked')
    expect(await all(sieve(source([recorded(1, false)], requestEnr)))).toEqual([])
  })

  test('does not pass with the record of another', async () => {
    expect(await all(sieve(source([bare(1)], async () => recorded(2, true))))).toEqual([])
  })

  test('is waited for no longer than 5 s, and a source that throws does no harm', async () => {
    const signals: (AbortSignal | undefined)[] = []
    const requestEnr: NodeSource['requestEnr'] = async (node, { signal } = {}) => {
      if (node.nodeId === bare(2).nodeId) throw new Error('broken')
      signals.push(signal)
      return await new Promise<never>(() => {})
    }
    const startedAt = clock.now()
    const nodes = sieve(source([bare(1), bare(2), recorded(3, true)], requestEnr))
    let isFound = false
    const found = nodes.next().then(({ value }) => {
      isFound = true
      return value
    })
    await clock.advance(4999)
    expect([isFound, signals[0]?.aborted]).toEqual([false, false])
    await clock.advance(1)
    expect(await found).toEqual(recorded(3, true))
    expect([clock.now() - startedAt, signals[0]?.aborted]).toEqual([5000, true])
    expect(clock.pending).toBe(0)
  })
})

test('a source of nothing but unfit nodes is asked for 32 a second, and lets go at once', async () => {
  let given = 0
  let isFreed = false
  const unfit = recorded(1, false)
  const nodes = sieve({
    name: 'flood',
    async *nodes() {
      try {
        for (;;) {
          given++
          yield unfit
        }
      } finally {
        isFreed = true
      }
    },
  })
  const next = nodes.next()
  await clock.advance(9999)
  expect(given).toBe(320)
  await nodes.return?.()
  expect(await next).toEqual({ done: true, value: undefined })
  expect([given, isFreed, clock.pending]).toEqual([320, true, 0])
})

test('reaches a source that heeds only `return`, and one that heeds only the signal', async () => {
  const freed: string[] = []
  const silent = new Promise<never>(() => {})
  const heedsReturn: NodeSource = {
    name: 'returns',
    nodes: () => ({
      [Symbol.asyncIterator]: () => ({
        next: async () => await silent,
        return: async () => {
          freed.push('return')
          return { done: true, value: undefined }
        },
      }),
    }),
  }
  const heedsSignal: NodeSource = {
    name: 'signal',
    nodes: ({ signal } = {}) => {
      signal?.addEventListener('abort', () => freed.push('signal'))
      return { [Symbol.asyncIterator]: () => ({ next: async () => await silent }) }
    },
  }
  for (const each of [heedsReturn, heedsSignal]) {
    const nodes = sieve(each)
    void nodes.next()
    await nodes.return?.()
  }
  expect(freed).toEqual(['return', 'signal'])
})
