import {
  type BlockEventsOptions,
  type Checkpointer,
  type CloseableAsyncIterable,
  checkpointers,
  type Network,
} from '@hyperledger/fabric-gateway'
import type { Devnet } from '@kumiko/fabric-devnet'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { networkOf, scenarioNetwork } from './network.ts'

let net: Devnet
let network: Network

beforeAll(async () => {
  net = await scenarioNetwork()
  network = await networkOf(net)
})
afterAll(() => net.stop())

type Closeable<T> = AsyncIterable<T> & Pick<CloseableAsyncIterable<T>, 'close'>

type Listen = (options?: BlockEventsOptions) => Promise<Closeable<bigint>>

/** The three kinds of block events, each by the number of its block. */
const KINDS: readonly (readonly [string, Listen])[] = [
  ['block', async (options) => numbers(await network.getBlockEvents(options), (block) => block.getHeader()?.getNumber())],
  ['filtered block', async (options) => numbers(await network.getFilteredBlockEvents(options), (block) => block.getNumber())],
  [
    'block and private data',
    async (options) => numbers(await network.getBlockAndPrivateDataEvents(options), (both) => both.getBlock()?.getHeader()?.getNumber()),
  ],
]

function numbers<T>(events: Closeable<T>, numberOf: (event: T) => number | undefined): Closeable<bigint> {
  return {
    close: () => events.close(),
    async *[Symbol.asyncIterator]() {
      for await (const event of events) yield BigInt(numberOf(event) ?? -1)
    },
  }
}

/** Submits, and tells in which block it was committed. */
async function submit(name = 'echo', ...args: readonly string[]): Promise<bigint> {
  const submitted = await network.getContract('basic').submitAsync(name, { arguments: args.length > 0 ? [...args] : ['echo'] })
  return (await submitted.getStatus()).blockNumber
}

/** Hears events one by one. */
class Listener<T> {
  readonly #events: Closeable<T>
  readonly #iterator: AsyncIterator<T>

  constructor(events: Closeable<T>) {
    this.#events = events
    this.#iterator = events[Symbol.asyncIterator]()
  }

  async next(): Promise<T> {
    const { value, done } = await this.#iterator.next()
    if (done) throw new Error('the events have ended')
    return value
  }

  /** Hears events up to one: another test's may come before. */
  async until(wanted: (event: T) => boolean): Promise<T> {
    for (;;) {
      const event = await this.next()
      if (wanted(event)) return event
    }
  }

  close(): void {
    this.#events.close()
  }
}

/** From the next block on; the client does not tell when the server is listening, so it is told where to begin. */
function next(): { readonly startBlock: bigint } {
  return { startBlock: net.blocks.height }
}

describe.each(KINDS)('Block event listening: %s', (_, listen) => {
  it('Receive block event', async () => {
    const listener = new Listener(await listen())
    const heard = listener.next()
    // Without a start the stream begins with the next block once the server has it: the client does not tell when that is.
    let last = await submit()
    const submitting = setInterval(async () => {
      last = await submit().catch(() => last)
    }, 200)
    const number = await heard
    clearInterval(submitting)
    expect(number).toBeGreaterThan(0n)
    expect(number).toBeLessThanOrEqual(last + 1n)
    listener.close()
  })

  it('Replay block event', async () => {
    const number = await submit()
    const listener = new Listener(await listen({ startBlock: number }))
    expect(await listener.next()).toBe(number)
    listener.close()
  })

  it('Restart after closing block event session', async () => {
    for (let session = 0; session < 2; session++) {
      const listener = new Listener(await listen(next()))
      const number = await submit()
      expect(await listener.until((heard) => heard >= number)).toBe(number)
      listener.close()
    }
  })

  it('Close does not interrupt other block event listeners', async () => {
    const [one, other] = [new Listener(await listen(next())), new Listener(await listen(next()))]
    const first = await submit()
    expect(await one.until((heard) => heard >= first)).toBe(first)
    expect(await other.until((heard) => heard >= first)).toBe(first)
    one.close()
    const second = await submit()
    expect(await other.until((heard) => heard >= second)).toBe(second)
    other.close()
  })

  it('Checkpoint of block events', async () => {
    const checkpoint: Checkpointer & { checkpointBlock(number: bigint): Promise<void> } = checkpointers.inMemory()
    const before = new Listener(await listen({ ...next(), checkpoint }))
    const first = await submit()
    expect(await before.until((heard) => heard >= first)).toBe(first)
    await checkpoint.checkpointBlock(first)
    before.close()
    await submit()
    const after = new Listener(await listen({ startBlock: 0n, checkpoint }))
    expect(await after.next()).toBe(first + 1n)
    after.close()
  })
})

describe('Chaincode event listening', () => {
  const events = async (options?: Parameters<Network['getChaincodeEvents']>[1]) =>
    new Listener(await network.getChaincodeEvents('basic', options))
  const told = ({ eventName, payload }: { eventName: string; payload: Uint8Array }) => [eventName, Buffer.from(payload).toString()]

  it('Receive chaincode event', async () => {
    const listener = await events()
    const heard = listener.next()
    const submitting = setInterval(() => void submit('event', 'foo', 'bar').catch(() => {}), 200)
    expect(told(await heard)).toEqual(['foo', 'bar'])
    clearInterval(submitting)
    listener.close()
  })

  it('Replay chaincode event', async () => {
    const startBlock = await submit('event', 'event', 'replay')
    const listener = await events({ startBlock })
    expect(told(await listener.until(({ eventName }) => eventName === 'event'))).toEqual(['event', 'replay'])
    listener.close()
  })

  it('Restart after closing chaincode event session', async () => {
    for (const payload of ['one', 'two']) {
      const listener = await events(next())
      await submit('event', 'restart', payload)
      expect(told(await listener.until(({ eventName }) => eventName === 'restart'))).toEqual(['restart', payload])
      listener.close()
    }
  })

  it('Close does not interrupt other chaincode event listeners', async () => {
    const [one, other] = [await events(next()), await events(next())]
    await submit('event', 'close', 'before')
    for (const listener of [one, other])
      expect(told(await listener.until(({ eventName }) => eventName === 'close'))).toEqual(['close', 'before'])
    one.close()
    await submit('event', 'close', 'after')
    expect(told(await other.until(({ eventName }) => eventName === 'close'))).toEqual(['close', 'after'])
    other.close()
  })

  it('Checkpoint of chaincode events', async () => {
    const checkpoint = checkpointers.inMemory()
    const before = await events({ ...next(), checkpoint })
    await submit('event', 'checkpoint', 'one')
    const first = await before.until(({ eventName }) => eventName === 'checkpoint')
    expect(told(first)).toEqual(['checkpoint', 'one'])
    await checkpoint.checkpointChaincodeEvent(first)
    before.close()
    await submit('event', 'checkpoint', 'two')
    const after = await events({ checkpoint })
    expect(told(await after.until(({ eventName }) => eventName === 'checkpoint'))).toEqual(['checkpoint', 'two'])
    after.close()
  })
})
