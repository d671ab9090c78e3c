import { curve, nodeFromParts } from '@kumiko/identity'
import type { NodeRecord, NodeSource } from '@kumiko/interface'
import { virtualClock } from '@kumiko/testkit'
import type { AbortOptions } from '@libp2p/interface'
import { describe, expect, test } from 'vitest'
import { FairMix } from './fair-mix.ts'

const KEY = curve.compress(curve.publicKey(new Uint8Array(32).fill(1)))

/** A node that is told by its port. */
function record(port: number): NodeRecord {
  return nodeFromParts({ publicKey: KEY, endpoints: [{ host: '10.0.0.1', tcp: port }] })
}

function portOf(node: NodeRecord | undefined): number | undefined {
  return node?.endpoints[0]?.tcp
}

/** A source that yields when told to, and tells what was asked of it. */
class ScriptedSource implements NodeSource {
  readonly name: string = 'scripted'
  asked = 0
  returned = 0
  signal: AbortSignal | undefined
  #port: number
  #waiting: ((result: IteratorResult<NodeRecord>) => void) | undefined
  #isSilent = false

  /** @param port - Of the first node; each next one is one higher. */
  constructor(port: number) {
    this.#port = port
  }

  /** From now on nothing comes until {@link yield}. */
  silence(): this {
    this.#isSilent = true
    return this
  }

  yield(): void {
    this.#waiting?.({ done: false, value: record(this.#port++) })
  }

  end(): void {
    this.#waiting?.({ done: true, value: undefined })
  }

  nodes({ signal }: AbortOptions = {}): AsyncIterable<NodeRecord> {
    this.signal = signal
    return { [Symbol.asyncIterator]: () => ({ next: () => this.#next(), return: () => this.#return() }) }
  }

  async #next(): Promise<IteratorResult<NodeRecord>> {
    this.asked += 1
    if (!this.#isSilent) return { done: false, value: record(this.#port++) }
    const { promise, resolve } = Promise.withResolvers<IteratorResult<NodeRecord>>()
    this.#waiting = resolve
    return await promise
  }

  async #return(): Promise<IteratorResult<NodeRecord>> {
    this.returned += 1
    return { done: true, value: undefined }
  }
}

function failing(error: unknown, when: () => boolean = () => true): NodeSource {
  return {
    name: 'failing',
    async *nodes() {
      if (when()) throw error
      yield record(7)
    },
  }
}

async function take(mix: FairMix, count: number): Promise<(number | undefined)[]> {
  const ports: (number | undefined)[] = []
  while (ports.length < count) ports.push(portOf(await mix.next()))
  return ports
}

describe('a fair mix', () => {
  test('takes from its sources by turns, and asks them no more than that', async () => {
    const mix = new FairMix({ clock: virtualClock() })
    const [one, two] = [new ScriptedSource(100), new ScriptedSource(200)]
    mix.add(one)
    mix.add(two)
    expect([one.asked, two.asked]).toEqual([0, 0])
    expect(await take(mix, 5)).toEqual([100, 200, 101, 201, 102])
    expect([one.asked, two.asked]).toEqual([3, 2])
    await mix.close()
  })

  test('waits for the one whose turn it is, then lets another go first', async () => {
    const clock = virtualClock()
    const mix = new FairMix({ clock, timeoutMs: 5000 })
    const [slow, fast] = [new ScriptedSource(100).silence(), new ScriptedSource(200)]
    mix.add(slow)
    mix.add(fast)
    let got: number | undefined
    const taking = mix.next().then((node) => {
      got = portOf(node)
    })
    await clock.advance(4999)
    expect([got, fast.asked]).toEqual([undefined, 0])
    await clock.advance(1)
    await taking
    expect(got).toBe(200)
    expect(await take(mix, 1)).toEqual([201])
    const again = mix.next()
    await clock.advance(2500)
    expect(portOf(await again)).toBe(202)
    expect(slow.asked).toBe(1)
    slow.yield()
    expect(await take(mix, 2)).toEqual([203, 100])
    await mix.close()
  })

  test('gives a source that delivers its whole time again', async () => {
    const clock = virtualClock()
    const mix = new FairMix({ clock, timeoutMs: 1000 })
    const [slow, fast] = [new ScriptedSource(100).silence(), new ScriptedSource(200)]
    mix.add(slow)
    mix.add(fast)
    const first = mix.next()
    await clock.advance(1000)
    await first
    slow.yield()
    expect(await take(mix, 3)).toEqual([201, 100, 202])
    const next = mix.next()
    await clock.advance(999)
    expect(fast.asked).toBe(3)
    await clock.advance(1)
    expect(portOf(await next)).toBe(203)
    await mix.close()
  })

  test('does without a source that has ended', async () => {
    const mix = new FairMix({ clock: virtualClock() })
    mix.add({
      name: 'short',
      async *nodes() {
        yield record(1)
      },
    })
    mix.add(new ScriptedSource(200))
    expect(await take(mix, 4)).toEqual([1, 200, 201, 202])
    expect(mix.size).toBe(1)
    await mix.close()
  })

  test('waits for a source to be added', async () => {
    const mix = new FairMix({ clock: virtualClock() })
    const taking = mix.next()
    mix.add(new ScriptedSource(100))
    expect(portOf(await taking)).toBe(100)
    await mix.close()
  })

  test('goes on when the source that it waits for is removed', async () => {
    const mix = new FairMix({ clock: virtualClock() })
    const silent = new ScriptedSource(100).silence()
    const remove = mix.add(silent)
    const taking = mix.next()
    await Promise.resolve()
    mix.add(new ScriptedSource(200))
    remove()
    remove()
    expect(portOf(await taking)).toBe(200)
    expect(silent.signal?.aborted).toBe(true)
    expect(silent.returned).toBeGreaterThan(0)
    await mix.close()
  })

  test('reports a source that throws, and asks it again later and later', async () => {
    const clock = virtualClock()
    const errors: unknown[] = []
    let failures = 0
    const mix = new FairMix({ clock, onError: (source, error) => errors.push([source.name, error]) })
    mix.add(failing('broken', () => failures++ < 3))
    const startedAt = clock.now()
    let gotAt: number | undefined
    const taking = mix.next().then(() => {
      gotAt = clock.now() - startedAt
    })
    await clock.advance(60_000)
    await taking
    expect(errors).toEqual(Array.from({ length: 3 }, () => ['failing', 'broken']))
    expect(gotAt).toBe(1000 + 2000 + 4000)
    await mix.close()
  })

  test('takes from the others while one keeps failing', async () => {
    const mix = new FairMix({ clock: virtualClock() })
    mix.add(failing('broken'))
    mix.add({
      name: 'throws at once',
      nodes: () => {
        throw new Error('no')
      },
    })
    mix.add(new ScriptedSource(200))
    expect(await take(mix, 3)).toEqual([200, 201, 202])
    await mix.close()
  })

  test('ends at once when closed, and lets its sources go', async () => {
    const clock = virtualClock()
    const mix = new FairMix({ clock })
    const source = new ScriptedSource(100).silence()
    mix.add(source)
    const taking = mix.next()
    await Promise.resolve()
    await mix.close()
    await mix.close()
    expect(await taking).toBe(undefined)
    expect(await mix.next()).toBe(undefined)
    expect([source.signal?.aborted, source.returned]).toEqual([true, 1])
    mix.add(new ScriptedSource(200))
    expect(mix.size).toBe(0)
    source.yield()
    expect(clock.pending).toBe(0)
  })

  test('does not wait for ever for a source that does not let go', async () => {
    const clock = virtualClock()
    const mix = new FairMix({ clock })
    mix.add({
      name: 'stuck',
      async *nodes() {
        await new Promise(() => {})
        yield record(1)
      },
    })
    const taking = mix.next()
    await Promise.resolve()
    let isClosed = false
    const closing = mix.close().then(() => {
      isClosed = true
    })
    await clock.advance(999)
    expect(isClosed).toBe(false)
    await clock.advance(1)
    await closing
    expect(await taking).toBe(undefined)
  })

  test('keeps a node that comes after the one who asked has gone', async () => {
    const mix = new FairMix({ clock: virtualClock() })
    const source = new ScriptedSource(100).silence()
    mix.add(source)
    const controller = new AbortController()
    const taking = mix.next(controller.signal)
    await Promise.resolve()
    controller.abort()
    expect(await taking).toBe(undefined)
    source.yield()
    expect(await take(mix, 1)).toEqual([100])
    await mix.close()
  })

  test('is taken from by one at a time', async () => {
    const mix = new FairMix({ clock: virtualClock() })
    const taking = mix.next()
    await expect(mix.next()).rejects.toMatchObject({ code: 'dialer/concurrent-next' })
    await mix.close()
    await taking
  })
})
