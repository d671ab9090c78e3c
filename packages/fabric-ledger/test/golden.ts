import { mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { blockTransactions, type TransactionToValidate } from '@kumiko/fabric-ledger'
import { type Block, readBlock, ValidationCode } from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT, goldenBlocks, peerBlock } from '@kumiko/golden-channel'
import { type Fault, isFault } from '@kumiko/interface'

/** The value, which must not be a fault. */
export function good<T>(value: T | Fault): T {
  if (isFault(value)) throw new Error(`${value.fault}: ${value.detail}`)
  return value
}

/** All that it gives. */
export async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

/** The channel's blocks as the real peer stored them. */
export const peerBlocks: readonly Block[] = Array.from({ length: GOLDEN_HEIGHT }, (_, number) => good(readBlock(peerBlock(number))))

const BY_READS = new Set<number>([ValidationCode.mvccReadConflict, ValidationCode.phantomReadConflict])

/** A block's transactions as they come to the ledger: with the codes of the checks before what they read is looked at. */
export function goldenTransactions(number: number): readonly TransactionToValidate[] {
  const codes = goldenBlocks()[number]?.txs.map(({ validationCode }) =>
    BY_READS.has(validationCode) ? ValidationCode.valid : validationCode,
  )
  return good(blockTransactions(goldenBlock(number), Uint8Array.from(codes ?? [])))
}

/** A block as the real peer stored it. */
export function goldenBlock(number: number): Block {
  const block = peerBlocks[number]
  if (block === undefined) throw new Error(`there is no block ${number}`)
  return block
}

/** A disk in memory that has room: thousands of databases are opened, and each syncs. */
const MEMORY_DISK = '/dev/shm'
const ROOM_MIN = 1024 ** 3

async function scratchFolder(): Promise<string> {
  const disk = await statfs(MEMORY_DISK).catch(() => undefined)
  return disk !== undefined && disk.bavail * disk.bsize >= ROOM_MIN ? MEMORY_DISK : tmpdir()
}

/** Runs with a folder of its own, that is removed at the end. */
export async function withFolder<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(await scratchFolder(), 'fabric-ledger-'))
  try {
    return await run(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
