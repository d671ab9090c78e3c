import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Block, readBlock } from '@kumiko/fabric-protocol'
import { codeOf, isFault, KumikoError } from '@kumiko/interface'
import { readBinary } from './binary-file.ts'

/** A folder of blocks, each in a file `block_N.block`, as `peer channel fetch` and `kumiko channel fetch` write them. */
export interface BlockFolder {
  readonly path: string
  /** The numbers of the first and the last block that are there. */
  readonly first: bigint
  readonly last: bigint
  /**
   * Blocks by number, each read when it is asked for; none beyond the last.
   * @param from - At least 0, at most one beyond the last.
   * @throws KumikoError `node/missing-block`, `node/bad-block-file`; of the file, as `readBinary`.
   */
  blocks(from: bigint): AsyncGenerator<Block, void, undefined>
}

const NAME = /^block_(0|[1-9]\d{0,18})\.block$/

/** @throws KumikoError `node/unreadable-file`, `node/no-blocks`. */
export async function openBlockFolder(path: string): Promise<BlockFolder> {
  const numbers = (await namesIn(path)).flatMap((name) => NAME.exec(name)?.[1] ?? []).map(BigInt)
  numbers.sort((a, b) => (a < b ? -1 : 1))
  const [first, last] = [numbers[0], numbers.at(-1)]
  if (first === undefined || last === undefined) {
    throw new KumikoError('node/no-blocks', `no block in "${path}": want files block_0.block, block_1.block and so on`, {
      context: { path },
    })
  }
  const known = new Set(numbers)
  return {
    path,
    first,
    last,
    async *blocks(from) {
      for (let number = from; number <= last; number++) {
        if (!known.has(number)) throw missing(path, number, last)
        yield await readBlockFile(join(path, `block_${number}.block`), number)
      }
    },
  }
}

/**
 * A block's file.
 * @param number - What it must be; any where undefined.
 * @throws KumikoError `node/bad-block-file`; of the file, as `readBinary`.
 */
export async function readBlockFile(path: string, number?: bigint): Promise<Block> {
  const block = readBlock(await readBinary(path))
  if (isFault(block)) throw badBlock(path, `no whole block: ${block.detail ?? block.fault}`)
  if (number !== undefined && block.header.number !== number) throw badBlock(path, `it holds block ${block.header.number}, not ${number}`)
  return block
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path)
  } catch (cause) {
    const why = codeOf(cause) ?? String(cause)
    throw new KumikoError('node/unreadable-file', `cannot read folder "${path}" (${why}): correct the path or make it readable`, {
      context: { path },
      cause,
    })
  }
}

function missing(path: string, number: bigint, last: bigint): KumikoError {
  const message = `block ${number} is missing: there is no block_${number}.block in "${path}", where the last is ${last}: fetch it first`
  return new KumikoError('node/missing-block', message, { context: { path, number } })
}

function badBlock(path: string, why: string): KumikoError {
  return new KumikoError('node/bad-block-file', `${path}: ${why}; the file is left as it is: fetch the block again`, { context: { path } })
}
