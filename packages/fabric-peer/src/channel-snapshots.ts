import type { Ledger, SnapshotRequests } from '@kumiko/fabric-ledger'
import type { Logger } from '@libp2p/interface'

/** The snapshots of a channel: those asked for, and where they go. */
export interface ChannelSnapshots extends Pick<SnapshotRequests, 'pending' | 'submit' | 'cancel'> {
  /** Takes the snapshot that is due, if one is. Asks the ledger for it before it returns. Never throws: what fails is told in the log. */
  fulfil(ledger: Pick<Ledger, 'info' | 'writeSnapshot'>): Promise<void>
  /** Resolves when none is being taken. */
  settled(): Promise<void>
}

/**
 * Snapshots in folders that are named for their blocks.
 * @param folderOf - Where the snapshot that ends with a block goes.
 */
export function channelSnapshots(
  requests: SnapshotRequests,
  folderOf: (blockNumber: bigint) => string,
  log: Logger | undefined,
): ChannelSnapshots {
  let last: Promise<void> = Promise.resolve()
  return {
    get pending() {
      return requests.pending
    },
    submit: (blockNumber, height) => requests.submit(blockNumber, height),
    cancel: (blockNumber) => requests.cancel(blockNumber),
    fulfil: (ledger) => {
      const { height } = ledger.info
      if (!requests.pending.includes(height - 1n)) return last
      const taken = requests
        .fulfil(height, (number) => ledger.writeSnapshot(folderOf(number)))
        .catch((error: unknown) => {
          log?.error('the snapshot at block %d failed: %e', height - 1n, error instanceof Error ? error : new Error(String(error)))
        })
      last = Promise.all([last, taken]).then(() => {})
      return taken
    },
    settled: () => last,
  }
}
