import { Channel } from '@kumiko/fabric-committer'
import type { Ledger } from '@kumiko/fabric-ledger'
import { StoppedError } from '../failure.ts'
import { openBlockFolder } from './block-folder.ts'
import { type BlockRun, type RunReport, runBlocks } from './block-run.ts'
import type { CoreConfig } from './core-config.ts'
import { openSnapshotRequests, peerFolders } from './peer-ledgers.ts'
import { readPrivateDataFile } from './private-data-file.ts'

/** What {@link importBlocks} is to do. */
export interface ImportOptions extends Pick<BlockRun, 'signal'> {
  readonly ledger: Ledger
  readonly core: CoreConfig
  /** A folder of `block_N.block` files. */
  readonly blocks: string
  readonly privateData?: string | undefined
  readonly workers: number
  readonly onBlock: (...args: [...Parameters<BlockRun['onBlock']>, last: bigint]) => void
  /** Told of each snapshot that was asked for, once it is there. */
  readonly onSnapshot: (folder: string) => void
}

/**
 * Validates a folder's blocks and commits them to a ledger, from its height on. Snapshots that were asked for are taken on the way.
 * @throws KumikoError `node/stopped`, `node/block-refused`: what was taken in is kept. Of folder, files and ledger, theirs.
 */
export async function importBlocks(options: ImportOptions): Promise<RunReport> {
  const { ledger, core, signal, workers, onBlock } = options
  const folder = await openBlockFolder(options.blocks)
  const privateData = options.privateData === undefined ? undefined : await readPrivateDataFile(options.privateData)
  const requests = await openSnapshotRequests(core, ledger.channelId)
  const onPause = async (height: bigint): Promise<void> => {
    await requests.fulfil(height, async (number) => {
      const path = peerFolders(core).snapshot(ledger.channelId, number)
      await ledger.writeSnapshot(path)
      options.onSnapshot(path)
    })
  }
  const channel = await Channel.open({ ledger, workers })
  try {
    await onPause(ledger.info.height)
    return await runBlocks({
      folder,
      privateData,
      channel,
      ledger,
      signal,
      pauses: requests.pending,
      onPause,
      onBlock: (stored, progress) => onBlock(stored, progress, folder.last),
    })
  } catch (error) {
    throw error instanceof StoppedError ? new StoppedError(`${error.message}; run it again to go on`, error) : error
  } finally {
    await channel.close()
  }
}
