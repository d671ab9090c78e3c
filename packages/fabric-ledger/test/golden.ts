import { mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Block, readBlock } from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT, peerBlock } from '@kumiko/golden-channel'
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
