import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TransactionPrivateData } from '@kumiko/fabric-ledger'
import { type Block, readBlock } from '@kumiko/fabric-protocol'
import { codeOf, isFault, KumikoError } from '@kumiko/interface'

/** A block as a source brings it. */
export interface SourcedBlock {
  readonly block: Block
  /** Of private write sets what the source has; may be too much, or false: the ledger checks it. */
  readonly privateData?: readonly TransactionPrivateData[]
}

/** Where a channel's blocks come from: files, orderers, other peers. */
export interface BlockSource {
  /**
   * The blocks from a number on, one after the other. Read as they are asked for; what comes is checked by who asked.
   * @param options.signal - Ends the loop: by its reason thrown, or quietly.
   */
  blocks(from: bigint, options?: { readonly signal?: AbortSignal }): AsyncIterable<SourcedBlock>
}

/** Where private data is that blocks in a folder have. */
export interface BlockFolderOptions {
  /** @returns A block's private write sets. Default: none. */
  readonly privateData?: (number: bigint) => readonly TransactionPrivateData[]
}

/**
 * Blocks in a folder, each a file `block_0.block`, `block_1.block`, … as `peer channel fetch` writes them. Ends before the first that is not
 * there.
 * @returns A source whose loop throws KumikoError `fabric-committer/unreadable-block`.
 */
export function blockFolder(folder: string, { privateData }: BlockFolderOptions = {}): BlockSource {
  return {
    blocks: async function* (from, { signal } = {}) {
      for (let number = from; ; number++) {
        signal?.throwIfAborted()
        const path = join(folder, `block_${number}.block`)
        const bytes = await readIfThere(path)
        if (bytes === undefined) return
        const block = readBlock(bytes)
        if (isFault(block)) throw unreadable(path, block.detail ?? block.fault)
        yield { block, ...(privateData && { privateData: privateData(number) }) }
      }
    },
  }
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined
    throw new KumikoError('fabric-committer/unreadable-block', `cannot read ${path}`, { context: { path }, cause })
  }
}

function unreadable(path: string, why: string): KumikoError {
  return new KumikoError('fabric-committer/unreadable-block', `${path} is no block: ${why}`, { context: { path } })
}
