// Blocks validated and committed to a ledger in LevelDB.
//   ledger-ours.ts rate <endorsements> <workers> <ms>    transactions per CPU-second of all threads
//   ledger-ours.ts reads <endorsements> <workers>        calls of the state's getMany a block
//   ledger-ours.ts memory <endorsements> <workers> <transactions>    the curve of heap and RSS on stderr; by how many MB the heap grew after a
//     tenth of them
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Channel, collectionPolicies } from '@kumiko/fabric-committer'
import { Ledger, levelStateDatabase, type OpenStateDatabase } from '@kumiko/fabric-ledger'
import { isFault } from '@kumiko/interface'
import { type BenchChannel, BLOCK_SIZE, MANY, type MadeBlock, makeChannel, manyBlocks } from '../ledger-channel.ts'
import { heapBytes, preparedRatePerCpuSecond } from '../measure.ts'

const MB = 1_000_000

let reads = 0

/** Counts the calls that read by keys. */
const counted: OpenStateDatabase = async (folder) => {
  const database = await levelStateDatabase()(folder)
  const getMany = database.getMany.bind(database)
  database.getMany = async (keys) => {
    reads++
    return await getMany(keys)
  }
  return database
}

type Store = (blocks: readonly MadeBlock[]) => Promise<number>

const work: Readonly<Record<string, (made: BenchChannel, store: Store, amount: number) => Promise<number>>> = {
  rate: async (made, store, durationMs) => {
    for (let i = 0; i < 2; i++) await store(manyBlocks(made))
    return await preparedRatePerCpuSecond(durationMs, async () => manyBlocks(made), store)
  },
  reads: async (made, store) => {
    await store([made.next()])
    reads = 0
    await store(manyBlocks(made))
    return reads / MANY
  },
  memory: async (made, store, transactions) => {
    let first: number | undefined
    for (let done = 0; ; ) {
      const [heap, rss] = [heapBytes() / MB, process.memoryUsage().rss / MB]
      process.stderr.write(`${done} transactions: heap ${heap.toFixed(1)} MB, RSS ${rss.toFixed(0)} MB\n`)
      if (done >= transactions / 10) first ??= heap
      if (done >= transactions) return Math.max(0, heap - (first ?? heap))
      for (const end = done + transactions / 10; done < end; ) done += await store([made.next()])
    }
  },
}

const [what = '', endorsements, workers, amount] = process.argv.slice(2)
const made = await makeChannel(endorsements === '2' ? 2 : 1)
const folder = await mkdtemp(join(tmpdir(), 'kumiko-bench-'))
try {
  const [genesis, definition] = made.first
  if (genesis === undefined || definition === undefined) throw new Error('no first blocks')
  const policies = collectionPolicies({ channelId: 'bench' })
  const ledger = await Ledger.create({ folder: join(folder, 'bench'), channelId: 'bench', genesis, policies, openState: counted })
  const channel = await Channel.open({ ledger, workers: Number(workers) })
  const store: Store = async (blocks) => {
    for (const { block } of blocks) {
      const stored = await channel.store(block)
      if (isFault(stored)) throw new Error(`${stored.fault}: ${stored.detail}`)
      if (stored.codes.some((code) => code !== 0)) throw new Error(`block ${stored.number} has codes ${[...new Set(stored.codes)]}`)
    }
    return blocks.length * BLOCK_SIZE
  }
  await store([{ block: definition, checks: [] }])
  console.log(await work[what]?.(made, store, Number(amount)))
  await channel.close()
  await ledger.close()
} finally {
  await rm(folder, { recursive: true, force: true })
}
