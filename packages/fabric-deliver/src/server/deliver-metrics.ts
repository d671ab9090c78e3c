import type { Metrics } from '@libp2p/interface'
import { Status } from '../status.ts'

/** What a deliver service counts, by Fabric's names. @see Fabric `common/deliver/metrics.go` */
export interface DeliverMetrics {
  opened(): void
  closed(): void
  requested(channelId: string): void
  completed(channelId: string, status: number): void
  sent(channelId: string): void
}

/** Counts in a registry. */
export function deliverMetrics(metrics: Metrics): DeliverMetrics {
  const label = 'channel'
  const opened = metrics.registerCounter('deliver_streams_opened', { help: 'The number of GRPC streams that have been opened.' })
  const closed = metrics.registerCounter('deliver_streams_closed', { help: 'The number of GRPC streams that have been closed.' })
  const requested = metrics.registerCounterGroup('deliver_requests_received', { label, help: 'The number of deliver requests received.' })
  const completed = metrics.registerCounterGroup('deliver_requests_completed', { label, help: 'The number of deliver requests fulfilled.' })
  const sent = metrics.registerCounterGroup('deliver_blocks_sent', { label, help: 'The number of blocks sent.' })
  return {
    opened: () => opened.increment(),
    closed: () => closed.increment(),
    requested: (channelId) => requested.increment({ [channelId]: true }),
    completed: (channelId, status) => status === Status.success && completed.increment({ [channelId]: true }),
    sent: (channelId) => sent.increment({ [channelId]: true }),
  }
}
