import { Envelope, equalBytes, readEnvelope, toHex } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import { must } from '@kumiko/testkit'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { bundleIn } from '../src/chain-store.ts'
import { configTransaction, readConfig } from '../src/config-update.ts'
import { LogConsumer, type LogEffect } from '../src/log-consumer.ts'
import { LogMetadata, LogRecord, RecordClass } from '../src/log-record.ts'
import type { OrderedBundle } from '../src/message-filters.ts'
import { BATCH, configUpdate, genesis, type Identities, identities, transaction, withBatch, withTimeout } from './network.ts'

let who: Identities
let start: OrderedBundle
/** Signing takes its time: all logs are of these. */
let envelopes: Uint8Array[]

beforeAll(async () => {
  who = await identities()
  start = must(bundleIn(await genesis()))
  envelopes = Array.from({ length: 12 }, (_, at) =>
    Envelope.encode(transaction(who.client, at % 4 === 3 ? 21_000 : at % 4 === 2 ? 9000 : 100)),
  )
})

type Step =
  | { readonly do: 'send'; readonly envelope: number; readonly isStale: boolean }
  | { readonly do: 'cut'; readonly ahead: number }
  | { readonly do: 'configure'; readonly batch: number | undefined; readonly isStale: boolean }
  | { readonly do: 'junk'; readonly bytes: Uint8Array }
  /** Orderers that do what they were told to do again: each of them. */
  | { readonly do: 'again'; readonly times: number }

const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('send' as const), envelope: fc.nat(11), isStale: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const), ahead: fc.integer({ min: -1, max: 2 }) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('configure' as const),
        batch: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
        isStale: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('junk' as const), bytes: fc.uint8Array({ maxLength: 20 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('again' as const), times: fc.integer({ min: 1, max: 3 }) }) },
  ),
  { maxLength: 30 },
)

type Written = LogEffect & { readonly do: 'write' }

/** A consumer with the chain that it makes. */
class Reader {
  readonly blocks: Written[]
  readonly effects: LogEffect[] = []
  readonly consumer: LogConsumer

  constructor(consumer: LogConsumer, before: readonly Written[]) {
    this.consumer = consumer
    this.blocks = [...before]
  }

  take(sequence: bigint, bytes: Uint8Array): void {
    const record = LogRecord.decode(bytes)
    const payload = isFault(record) ? undefined : record.regular?.payload
    const isInChain = payload !== undefined && this.blocks.some(({ data }) => data.some((each) => equalBytes(each, payload)))
    for (const effect of this.consumer.receive({ sequence, bytes }, isInChain)) {
      this.effects.push(effect)
      if (effect.do === 'write') this.blocks.push(effect)
    }
  }
}

/** The log that orderers make of the steps, and who read it as it was made. */
function play(played: readonly Step[]): {
  readonly log: readonly Uint8Array[]
  readonly reader: Reader
  readonly bundles: OrderedBundle[]
} {
  const reader = readerFrom([])
  const log: Uint8Array[] = []
  const bundles = [start]
  const awaited: { readonly sequence: bigint; readonly payload: Uint8Array }[] = []
  for (const step of played) {
    const { bundle } = reader.consumer
    if (bundle !== bundles.at(-1)) bundles.push(bundle)
    const older = bundles.at(-2) ?? bundle
    for (const bytes of entriesOf(step, bundle, older, reader, awaited)) {
      const seen = reader.effects.length
      reader.take(BigInt(log.push(bytes)), bytes)
      for (const effect of reader.effects.slice(seen)) if (effect.do === 'resubmit') awaited.push(effect)
    }
  }
  return { log, reader, bundles }
}

function entriesOf(
  step: Step,
  bundle: OrderedBundle,
  older: OrderedBundle,
  { consumer, blocks }: Reader,
  awaited: { readonly sequence: bigint; readonly payload: Uint8Array }[],
): Uint8Array[] {
  switch (step.do) {
    case 'send':
      return [regular(must(envelopes[step.envelope]), (step.isStale ? older : bundle).config.sequence, RecordClass.normal)]
    case 'cut':
      return [LogRecord.encode({ timeToCut: { blockNumber: BigInt(Math.max(0, blocks.length + 1 + step.ahead)) } })]
    case 'configure': {
      const checked = step.isStale ? older : bundle
      const { batch } = step
      const update = configUpdate(
        checked.config,
        (config) =>
          batch === undefined
            ? withTimeout(config, `${++timeouts}ms`)
            : withBatch(config, { ...BATCH, maxMessageCount: batch, preferredMaxBytes: 20_000 + ++timeouts }),
        [who.ordererAdmin],
      )
      return [regular(configOf(update, checked), checked.config.sequence, RecordClass.config)]
    }
    case 'junk':
      return [step.bytes]
    case 'again': {
      const next = awaited.shift()
      if (next === undefined) return []
      const read = must(readConfig(must(readEnvelope(next.payload))))
      const made = configTransaction(read.update, consumer.bundle, { signer: who.orderer, now: 0, randomBytes })
      const payload = 'status' in made ? next.payload : Envelope.encode(made)
      return Array.from({ length: step.times }, () => regular(payload, bundle.config.sequence, RecordClass.config, next.sequence))
    }
  }
}

let timeouts = 1000

function configOf(update: Envelope, checked: OrderedBundle): Uint8Array {
  const made = configTransaction(update, checked, { signer: who.orderer, now: 0, randomBytes })
  if ('status' in made) throw new Error(made.info)
  return Envelope.encode(made)
}

function regular(payload: Uint8Array, configSequence: bigint, recordClass: number, originalSequence = 0n): Uint8Array {
  return LogRecord.encode({ regular: { payload, configSequence, class: recordClass, originalSequence } })
}

function randomBytes(length: number): Uint8Array {
  return new Uint8Array(length).fill(9)
}

/** Who goes on after these blocks, with nothing but what they say. */
function readerFrom(before: readonly Written[]): Reader {
  const last = before.at(-1)
  const config = before.findLast(({ isConfig }) => isConfig)
  const bundle = config === undefined ? start : bundleAfter(must(config.data[0]))
  const metadata = last === undefined ? { lastSequence: 0n, awaited: [] } : must(LogMetadata.decode(last.consenterMetadata))
  return new Reader(new LogConsumer({ bundle, nextBlock: BigInt(before.length + 1), metadata }), before)
}

function bundleAfter(transaction: Uint8Array): OrderedBundle {
  return must(bundleIn({ header: { number: 1n, previousHash: transaction, dataHash: transaction }, data: [transaction], metadata: [] }))
}

const shown = (blocks: readonly Written[]) =>
  blocks.map(({ data, consenterMetadata }) => [...data.map(toHex), toHex(consenterMetadata)].join())

describe('LogConsumer', () => {
  it('makes the same blocks whoever reads, and wherever they were broken off', () => {
    fc.assert(
      fc.property(steps, (played) => {
        const { log, reader } = play(played)
        const all = shown(reader.blocks)
        for (let blocks = 0; blocks <= reader.blocks.length; blocks++) {
          const again = readerFrom(reader.blocks.slice(0, blocks))
          const from = Number(again.consumer.nextSequence)
          for (const [at, bytes] of log.entries()) if (at + 1 >= from) again.take(BigInt(at + 1), bytes)
          expect(shown(again.blocks)).toEqual(all)
          expect(again.consumer.pendingBlock).toEqual(reader.consumer.pendingBlock)
          expect(again.consumer.awaited).toEqual(reader.consumer.awaited)
        }
      }),
      { numRuns: 80 },
    )
  })

  it('orders each envelope once, keeps the limits of blocks, and says what it still needs of the log', () => {
    fc.assert(
      fc.property(steps, (played) => {
        const { reader } = play(played)
        const { blocks } = reader
        const hex = blocks.flatMap(({ data }) => data.map(toHex))
        expect(new Set(hex).size).toBe(hex.length)
        for (const { data, isConfig, consenterMetadata, releasable } of blocks) {
          expect(data.length).toBeGreaterThan(0)
          if (isConfig) expect(data.length).toBe(1)
          const { lastSequence, awaited } = must(LogMetadata.decode(consenterMetadata))
          expect(releasable).toBeLessThanOrEqual(lastSequence)
          for (const { sequence } of awaited) expect(releasable).toBeLessThan(sequence)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('takes a configuration that others have come before, where it still fits', () => {
    const base = start
    const [batch, timeout] = [
      configUpdate(base.config, (config) => withBatch(config, { ...BATCH, maxMessageCount: 9 }), [who.ordererAdmin]),
      configUpdate(base.config, (config) => withTimeout(config, '7s'), [who.ordererAdmin]),
    ]
    const reader = readerFrom([])
    reader.take(1n, regular(configOf(batch, base), 0n, RecordClass.config))
    reader.take(2n, regular(configOf(timeout, base), 0n, RecordClass.config))
    const [, stale] = reader.effects
    expect(stale).toMatchObject({ do: 'resubmit', sequence: 2n })
    const again = configOf(timeout, reader.consumer.bundle)
    for (const sequence of [3n, 4n]) reader.take(sequence, regular(again, 1n, RecordClass.config, 2n))
    expect(reader.effects.slice(2)).toMatchObject([
      { do: 'write', isConfig: true },
      { do: 'drop', sequence: 4n },
    ])
    expect(reader.consumer.bundle).toMatchObject({ orderer: { batchTimeoutMs: 7000, batchSize: { maxMessageCount: 9 } } })
  })

  it('takes a configuration that comes again once more, where the block before its own was all that could be written', () => {
    const [batch, timeout] = [
      configUpdate(start.config, (config) => withBatch(config, { ...BATCH, maxMessageCount: 9 }), [who.ordererAdmin]),
      configUpdate(start.config, (config) => withTimeout(config, '7s'), [who.ordererAdmin]),
    ]
    const reader = readerFrom([])
    for (const [at, update] of [batch, timeout].entries())
      reader.take(BigInt(at + 1), regular(configOf(update, start), 0n, RecordClass.config))
    reader.take(3n, regular(must(envelopes[0]), 1n, RecordClass.normal))
    const again = regular(configOf(timeout, reader.consumer.bundle), 1n, RecordClass.config, 2n)
    reader.take(4n, again)
    expect(reader.blocks.map(({ isConfig }) => isConfig)).toEqual([true, false, true])
    const after = readerFrom(reader.blocks.slice(0, 2))
    expect(after.consumer.nextSequence).toBe(4n)
    after.take(4n, again)
    expect(shown(after.blocks)).toEqual(shown(reader.blocks))
  })

  it('cuts in time the block that it was time for, and no other', () => {
    const reader = readerFrom([])
    reader.take(1n, regular(must(envelopes[0]), 0n, RecordClass.normal))
    expect(reader.consumer.pendingBlock).toBe(1n)
    const cut = (blockNumber: bigint) => LogRecord.encode({ timeToCut: { blockNumber } })
    for (const [at, number] of [0n, 2n, 3n].entries()) reader.take(BigInt(2 + at), cut(number))
    expect(reader.blocks).toEqual([])
    reader.take(5n, cut(1n))
    reader.take(6n, cut(2n))
    expect(reader.blocks.length).toBe(1)
    expect(reader.consumer.pendingBlock).toBeUndefined()
  })

  it('drops, everywhere, what a newer configuration refuses', () => {
    const reader = readerFrom([])
    const forged = Envelope.encode({ ...transaction(who.client), signature: new Uint8Array(70) })
    reader.take(
      1n,
      regular(
        configOf(
          configUpdate(start.config, (config) => withTimeout(config, '7s'), [who.ordererAdmin]),
          start,
        ),
        0n,
        RecordClass.config,
      ),
    )
    // Checked, it is said, against the configuration before.
    reader.take(2n, regular(forged, 0n, RecordClass.normal))
    expect(reader.effects.at(-1)).toMatchObject({ do: 'drop', sequence: 2n, why: expect.stringContaining('permission denied') })
  })
})
