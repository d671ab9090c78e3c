import type { CommittedBlock } from '@kumiko/fabric-ledger'
import type { Millis } from '@kumiko/interface'
import type { Metrics } from '@libp2p/interface'

/** What is measured of a channel. */
export interface ChannelMetrics {
  /** @param height - The number of its blocks. */
  height(height: bigint): void
  /** @param tookMs - To store the block, with all that follows from it. */
  committed(block: CommittedBlock, tookMs: Millis): void
}

/** In seconds, as Fabric's. */
const BUCKETS = [0.005, 0.01, 0.015, 0.05, 0.1, 1, 10]

/**
 * Measures of all channels of a peer, by Fabric's names.
 * @returns Those of a channel; they measure nothing where there are no metrics.
 * @see Fabric `core/ledger/kvledger/metrics.go`
 */
export function channelMetrics(metrics: Metrics | undefined): (channelId: string) => ChannelMetrics {
  if (metrics === undefined) return () => ({ height: () => {}, committed: () => {} })
  const label = 'channel'
  const heights = metrics.registerMetricGroup('ledger_blockchain_height', { label, help: 'Height of the chain in blocks.' })
  const times = metrics.registerHistogramGroup('ledger_block_processing_time', {
    label,
    help: 'Time taken in seconds for ledger block processing.',
    buckets: BUCKETS,
  })
  const transactions = metrics.registerCounterGroup('ledger_transaction_count', { label, help: 'Number of transactions processed.' })
  return (channelId) => ({
    height: (height) => heights.update({ [channelId]: Number(height) }),
    committed: ({ number, codes }, tookMs) => {
      heights.update({ [channelId]: Number(number) + 1 })
      times.observe({ [channelId]: tookMs / 1000 })
      transactions.increment({ [channelId]: codes.length })
    },
  })
}
