import { toHex } from '@kumiko/fabric-protocol'
import { type Clock, KumikoError, type Millis, sleep, systemClock } from '@kumiko/interface'
import type { Logger } from '@libp2p/interface'
import {
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  type StreamInfo,
} from '@nats-io/jetstream'
import { connect, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node'
import { boundsOf, isNotFound, JetStreamStream } from './jetstream-stream.ts'
import type { Consenter, LogBounds, LogContext, LogEntry, OrderedLog } from './ordered-log.ts'
import { type StreamDemand, streamConfig, streamProblems } from './stream-config.ts'
import { lost, StreamReader } from './stream-reader.ts'

/** How orderers agree over NATS JetStream. */
export interface JetStreamOptions {
  /** `host:port` of NATS servers, one or more: others of their cluster are learnt of them. */
  readonly servers: readonly string[]
  /** Servers that keep each entry. Default 3: one of them may fail. */
  readonly replicas?: number
  /** What connections need besides: TLS, credentials. */
  readonly connection?: Omit<NodeConnectionOptions, 'servers' | 'reconnect' | 'maxReconnectAttempts' | 'waitOnFirstConnect'>
  /** How long an entry is tried to be put in the log before the client is told to come again, in ms. Default 10,000. */
  readonly appendTimeoutMs?: number
  /** How long a channel waits for NATS when it is opened, in ms. Default 60,000. */
  readonly openTimeoutMs?: number
}

const DEFAULTS = { replicas: 3, connection: {}, appendTimeoutMs: 10_000, openTimeoutMs: 60_000 }

/** One try to put an entry in the log. */
const ATTEMPT_MS = 2000

/** What NATS counts besides an entry's bytes. */
const HEADERS_MAX = 512

/** Between tries. */
const RETRY_MS = 100

/** Of a channel's name, in a stream's. */
const CHANNEL_NAME_MAX = 200

/** The stream has no room, or does not take an entry of that size: `JSStreamStoreFailedF`, `JSStreamMessageExceedsMaximumErr`. */
const FULL_CODES: ReadonlySet<number> = new Set([10_077, 10_054])

/**
 * Orderers that agree over one stream a channel, `KUMIKO_ORDERER_<channel>_<hash of its genesis block>` with `_` for each dot, which they make where it
 * is missing, and which keeps every entry. An entry outlives the end of any server's process while most of `replicas` stay or come back with their files; a
 * loss of power on most of them at once may lose what their disks had not written (`sync_interval` of `nats-server`). Whoever may write to the stream is trusted.
 */
export function natsJetStream(options: JetStreamOptions): Consenter {
  return { name: 'nats', open: async (context) => await JetStreamLog.open(context, { ...DEFAULTS, ...options }) }
}

class JetStreamLog implements OrderedLog {
  readonly #options: Required<JetStreamOptions>
  readonly #demand: StreamDemand
  readonly #connection: NatsConnection
  readonly #client: JetStreamClient
  readonly #manager: JetStreamManager
  readonly #clock: Clock = systemClock
  readonly #log: Logger | undefined
  readonly #stop = new AbortController()

  private constructor(
    options: Required<JetStreamOptions>,
    demand: StreamDemand,
    connection: NatsConnection,
    manager: JetStreamManager,
    log: Logger | undefined,
  ) {
    this.#options = options
    this.#demand = demand
    this.#connection = connection
    this.#manager = manager
    this.#log = log
    this.#client = jetstream(connection, { timeout: ATTEMPT_MS })
  }

  /** @throws KumikoError `fabric-orderer/nats-unreachable`, `fabric-orderer/stream-unfit`, `fabric-orderer/log-lost`. */
  static async open(context: LogContext, options: Required<JetStreamOptions>): Promise<JetStreamLog> {
    // NATS takes 255 letters.
    const name = `${context.channelId.slice(0, CHANNEL_NAME_MAX).replaceAll('.', '_')}_${toHex(context.genesisHash).slice(0, 16)}`
    const demand: StreamDemand = {
      name: `KUMIKO_ORDERER_${name}`,
      subject: `kumiko.orderer.${name}`,
      replicas: options.replicas,
      entryBytesMax: context.entryBytesMax,
    }
    const deadline = systemClock.now() + options.openTimeoutMs
    const connection = await connectUntil(deadline, options)
    try {
      const manager = await jetstreamManager(connection, { checkAPI: false, timeout: ATTEMPT_MS })
      const log = new JetStreamLog(options, demand, connection, manager, context.log)
      await log.#prepare(context.lastSequence, deadline)
      return log
    } catch (error) {
      await connection.close()
      throw error
    }
  }

  async append(bytes: Uint8Array): Promise<bigint> {
    // Unknown while there is no connection.
    const payloadMax = this.#connection.info?.max_payload ?? Number.POSITIVE_INFINITY
    if (bytes.length + HEADERS_MAX > payloadMax) throw full(this.#demand.name, new Error(`max_payload is ${payloadMax}`))
    const deadline = this.#clock.now() + this.#options.appendTimeoutMs
    const expect = { streamName: this.#demand.name }
    for (;;) {
      try {
        // No id by which NATS would know it again: a server that reads its files anew miscounts where an entry came twice by one.
        const { seq } = await this.#client.publish(this.#demand.subject, bytes, { timeout: ATTEMPT_MS, expect, retries: 0 })
        return BigInt(seq)
      } catch (cause) {
        if (cause instanceof JetStreamApiError && FULL_CODES.has(cause.code)) throw full(this.#demand.name, cause)
        if (this.#isClosed || this.#clock.now() + RETRY_MS >= deadline) throw notAppended(cause)
      }
      await sleep(this.#clock, RETRY_MS, this.#stop.signal)
    }
  }

  read(from: bigint, { signal }: { readonly signal: AbortSignal }): AsyncIterable<LogEntry> {
    const stream = new JetStreamStream(this.#demand.name, this.#manager, this.#client)
    const reader = new StreamReader({ stream, replicas: this.#demand.replicas, clock: this.#clock, log: this.#log }, from)
    return reader.entries(AbortSignal.any([signal, this.#stop.signal]))
  }

  async bounds(): Promise<LogBounds> {
    return boundsOf(await this.#manager.streams.info(this.#demand.name))
  }

  /** Other orderers may need it. */
  release(): void {}

  async close(): Promise<void> {
    this.#stop.abort(new Error('the log is closed'))
    await this.#connection.close()
  }

  get #isClosed(): boolean {
    return this.#stop.signal.aborted || this.#connection.isClosed()
  }

  /** Finds the stream, or makes it; tries while NATS is coming up. */
  async #prepare(lastSequence: bigint, deadline: Millis): Promise<void> {
    for (;;) {
      try {
        const info = await this.#findStream(lastSequence)
        this.#assertFit(info)
        return
      } catch (error) {
        // Servers that are just coming up may not know of a stream that they have.
        const isFinal = error instanceof KumikoError && error.code !== 'fabric-orderer/log-lost'
        if (isFinal || this.#clock.now() + RETRY_MS >= deadline) throw unreachable(this.#options.servers, error)
      }
      await sleep(this.#clock, RETRY_MS)
    }
  }

  async #findStream(lastSequence: bigint): Promise<StreamInfo> {
    const { name } = this.#demand
    try {
      return await this.#manager.streams.info(name)
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
    // A new one would begin anew, and its first entries be taken for those that the blocks have.
    if (lastSequence > 0n) throw lost(name, `it is gone, and blocks hold ${lastSequence} entries of it`)
    return await this.#manager.streams.add(streamConfig(this.#demand))
  }

  #assertFit({ config }: StreamInfo): void {
    const { name, entryBytesMax } = this.#demand
    const problems = [...streamProblems(config, this.#demand)]
    const payloadMax = this.#connection.info?.max_payload ?? Number.POSITIVE_INFINITY
    if (payloadMax < entryBytesMax)
      problems.push(`max_payload of the server is ${payloadMax}, and must be ${entryBytesMax} or more for the channel's absolute_max_bytes`)
    if (problems.length > 0) throw unfit(name, problems)
  }
}

async function connectUntil(deadline: Millis, options: Required<JetStreamOptions>): Promise<NatsConnection> {
  const { servers, connection } = options
  for (;;) {
    try {
      return await connect({
        timeout: ATTEMPT_MS,
        pingInterval: 2000,
        maxPingOut: 2,
        reconnectTimeWait: 200,
        // Else the connection would be given up for good.
        ignoreAuthErrorAbort: true,
        ...connection,
        servers: [...servers],
        maxReconnectAttempts: -1,
      })
    } catch (error) {
      if (systemClock.now() + RETRY_MS >= deadline) throw unreachable(servers, error)
    }
    await sleep(systemClock, RETRY_MS)
  }
}

function unreachable(servers: readonly string[], cause: unknown): KumikoError {
  if (cause instanceof KumikoError) return cause
  const message = `NATS JetStream does not answer at ${servers.join(', ')}: start it (nats-server -js), or give other servers`
  return new KumikoError('fabric-orderer/nats-unreachable', message, { cause, context: { servers } })
}

function unfit(name: string, problems: readonly string[]): KumikoError {
  const message = `the stream ${name} would not keep what is acknowledged: ${problems.join('; ')}`
  return new KumikoError('fabric-orderer/stream-unfit', message, { context: { name, problems } })
}

function full(name: string, cause: unknown): KumikoError {
  const message = `the stream ${name} takes no more: raise max_bytes, max_msgs or max_msg_size, or max_payload of the servers`
  return new KumikoError('fabric-orderer/log-full', message, { cause, context: { name } })
}

function notAppended(cause: unknown): KumikoError {
  return new KumikoError('fabric-orderer/not-appended', 'NATS did not confirm the entry in time', { cause })
}
