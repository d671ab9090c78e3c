import type { BroadcastResponse } from '@kumiko/fabric-protocol'
import type { Clock } from '@kumiko/interface'
import type { Logger } from '@libp2p/interface'
import { LogRecord, type RegularRecord } from './log-record.ts'
import type { OrderedLog } from './ordered-log.ts'
import type { OrdererMetrics } from './orderer-metrics.ts'
import { ACCEPTED, unavailable } from './outcome.ts'

/** What a writer is made of. */
export interface LogWriterOptions {
  readonly channelId: string
  readonly clock: Clock
  readonly metrics: OrdererMetrics
  readonly log: Logger | undefined
}

/** Envelopes on their way into the log, and their bytes: more are told to come again. */
const [APPENDS_MAX, BYTES_MAX] = [10_000, 268_435_456]

/** Puts envelopes of clients in a channel's log. */
export class LogWriter {
  readonly #log: OrderedLog
  readonly #options: LogWriterOptions
  #appends = 0
  #bytes = 0

  constructor(log: OrderedLog, options: LogWriterOptions) {
    this.#log = log
    this.#options = options
  }

  /** @returns SUCCESS once it cannot be lost any more. */
  async append(regular: RegularRecord): Promise<BroadcastResponse> {
    const { length } = regular.payload
    if (this.#appends >= APPENDS_MAX || this.#bytes + length > BYTES_MAX) return unavailable('too many messages are being ordered')
    const { channelId, clock, metrics, log } = this.#options
    const began = clock.now()
    this.#appends++
    this.#bytes += length
    try {
      await this.#log.append(LogRecord.encode({ regular }))
      metrics.enqueued(channelId, clock.now() - began)
      return ACCEPTED
    } catch (error) {
      log?.error('an envelope of channel %s cannot be put in the log: %e', channelId, error)
      return unavailable(`cannot enqueue: ${error instanceof Error ? error.message : String(error)}`)
    } finally {
      this.#appends--
      this.#bytes -= length
    }
  }
}
