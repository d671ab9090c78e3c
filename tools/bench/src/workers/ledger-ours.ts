// Blocks validated and committed to a ledger in LevelDB.
//   ledger-ours.ts rate <endorsements> <workers>         transactions per CPU-second of all threads, from a block's bytes in a file on
//   ledger-ours.ts reads <endorsements> <workers>        calls of the state's getMany a block
//   ledger-ours.ts memory <endorsements> <workers> <transactions>    the curve of heap and RSS on stderr; by how many MB the heap grew after
//     the first tenth
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Channel, collectionPolicies } from '@kumiko/fabric-committer'
import { Ledger, levelStateDatabase, type OpenStateDatabase } from '@kumiko/fabric-ledger'
import { type Block, readBlock, writeBlock } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import { BLOCK_SIZE, makeChannel } from '../ledger-channel.ts'
import { cpuSeconds, heapBytes } from '../measure.ts'

const MB = 1_000_000

/** Taken in before anything is measured: after them the code is compiled and the ledger is no longer empty. */
const WARM_UP = 40

/** Taken in while it is measured: some seconds. */
const MEASURED = 40

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

/** Takes in the next blocks. @returns How many transactions they had. */
type Store = (blocks: number) => Promise<number>

const work: Readonly<Record<string, (make: (blocks: number) => Promise<void>, store: Store, amount: number) => Promise<number>>> = {
  rate: async (make, store) => {
    // All are made before the first is taken in: making some in between, V8 would forget code and compile it again in what is measured.
    await make(WARM_UP + MEASURED)
    await store(WARM_UP)
    const before = cpuSeconds()
    const count = await store(MEASURED)
    return count / (cpuSeconds() - before)
  },
  reads: async (make, store) => {
    await make(2)
    await store(1)
    reads = 0
    await store(1)
    return reads
  },
  memory: async (make, store, transactions) => {
    const heaps: number[] = []
    for (let tenth = 1; tenth <= 10; tenth++) {
      await make(transactions / 10 / BLOCK_SIZE)
      await store(transactions / 10 / BLOCK_SIZE)
      const [heap, rss] = [heapBytes() / MB, process.memoryUsage().rss / MB]
      process.stderr.write(`${(tenth * transactions) / 10} transactions: heap ${heap.toFixed(1)} MB, RSS ${rss.toFixed(0)} MB\n`)
      heaps.push(heap)
    }
    const [first = 0] = heaps
    return Math.max(0, (heaps.at(-1) ?? first) - first)
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
  const fileOf = (number: number) => join(folder, `${number}.block`)
  let last = 1
  const make = async (blocks: number) => {
    for (const end = last + blocks; last < end; ) await writeFile(fileOf(++last), writeBlock(made.next().block))
    globalThis.gc?.()
  }
  const storeBlock = async (block: Block | Fault) => {
    const stored = isFault(block) ? block : await channel.store(block)
    if (isFault(stored)) throw new Error(`${stored.fault}: ${stored.detail}`)
    if (stored.codes.some((code) => code !== 0)) throw new Error(`block ${stored.number} has codes ${[...new Set(stored.codes)]}`)
  }
  const store: Store = async (blocks) => {
    for (let i = 0; i < blocks; i++) await storeBlock(readBlock(await readFile(fileOf(Number(channel.height)))))
    return blocks * BLOCK_SIZE
  }
  await storeBlock(definition)
  console.log(await work[what]?.(make, store, Number(amount)))
  await channel.close()
  await ledger.close()
} finally {
  await rm(folder, { recursive: true, force: true })
}
