import { toHex } from '@kumiko/fabric-protocol'
import { type Clock, KumikoError, type Millis, sleep, systemClock } from '@kumiko/interface'
import {
  type ConsumerMessages,
  DeliverPolicy,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  type StreamInfo,
} from '@nats-io/jetstream'
import { connect, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node'
import { trimmed } from './log-tail.ts'
import type { Consenter, LogBounds, LogContext, LogEntry, OrderedLog } from './ordered-log.ts'
import { type StreamDemand, streamConfig, streamProblems } from './stream-config.ts'

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

const LOST = 'fabric-orderer/log-lost'

/** Of a stream that is gone. */
const EMPTY: LogBounds = { first: 1n, last: 0n }

/** What NATS counts besides an entry's bytes. */
const HEADERS_MAX = 512

/** Between tries. */
const RETRY_MS = 100

/** A reader that hears nothing for so long asks whether there is anything to hear. */
const WATCH_MS = 1000

/** Of a channel's name, in a stream's. */
const CHANNEL_NAME_MAX = 200

/** A log that is shorter than what was read of it may be one that still catches up; not for so long. */
const LOST_MS = 30_000

/** The stream has no room, or does not take an entry of that size: `JSStreamStoreFailedF`, `JSStreamMessageExceedsMaximumErr`. */
const FULL_CODES: ReadonlySet<number> = new Set([10_077, 10_054])

/**
 * Orderers that agree over one stream a channel, `KUMIKO_ORDERER_<channel>_<hash of its genesis block>` with `_` for each dot, which they make where it
 * is missing, and which keeps every entry. An entry
 * outlives the end of any server's process while most of `replicas` stay or come back with their files; a loss of power on most of them at once may lose
 * what their disks had not written (`sync_interval` of `nats-server`). Whoever may write to the stream is trusted.
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
  readonly #stop = new AbortController()

  private constructor(options: Required<JetStreamOptions>, demand: StreamDemand, connection: NatsConnection, manager: JetStreamManager) {
    this.#options = options
    this.#demand = demand
    this.#connection = connection
    this.#manager = manager
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
      const log = new JetStreamLog(options, demand, connection, manager)
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
        // No id by which NATS would know it again: a server that reads its files anew takes an entry that came twice for none, and counts on from there.
        const { seq } = await this.#client.publish(this.#demand.subject, bytes, { timeout: ATTEMPT_MS, expect, retries: 0 })
        return BigInt(seq)
      } catch (cause) {
        if (cause instanceof JetStreamApiError && FULL_CODES.has(cause.code)) throw full(this.#demand.name, cause)
        if (this.#isClosed || this.#clock.now() + RETRY_MS >= deadline) throw notAppended(cause)
      }
      await sleep(this.#clock, RETRY_MS, this.#stop.signal)
    }
  }

  async *read(from: bigint, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<LogEntry, void, undefined> {
    const stop = AbortSignal.any([signal, this.#stop.signal])
    let next = from
    while (!stop.aborted) {
      await this.#assertHas(next, stop)
      const session = new ReadSession(this.#manager, this.#client, this.#demand.name, next, this.#clock)
      try {
        for await (const entry of session.entries(stop)) {
          next = entry.sequence + 1n
          yield entry
        }
      } catch (error) {
        // A server went, or is about to come: another session finds out.
        if (error instanceof KumikoError) throw error
      } finally {
        await session.close()
      }
      await sleep(this.#clock, RETRY_MS, stop).catch(() => undefined)
    }
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
        const isFinal = error instanceof KumikoError && error.code !== LOST
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

  /** Returns when the entry is there, or is to come. */
  async #assertHas(next: bigint, signal: AbortSignal): Promise<void> {
    let lostSince: Millis | undefined
    while (!signal.aborted) {
      const bounds = await this.bounds().catch((error: unknown) => (isNotFound(error) ? EMPTY : undefined))
      if (bounds === undefined) lostSince = undefined
      else {
        if (bounds.first > next) throw trimmed(next, bounds.first)
        if (bounds.last >= next - 1n) return
        lostSince ??= this.#clock.now()
        if (this.#clock.now() - lostSince >= LOST_MS) throw lost(this.#demand.name, `it ends at ${bounds.last}, and ${next - 1n} was read`)
      }
      await sleep(this.#clock, RETRY_MS, signal).catch(() => undefined)
    }
  }
}

/** Reads a stream by one consumer of NATS, until that fails, stalls or leaves an entry out. */
class ReadSession {
  readonly #manager: JetStreamManager
  readonly #client: JetStreamClient
  readonly #stream: string
  readonly #clock: Clock
  #next: bigint
  #isWaiting = true
  #messages: ConsumerMessages | undefined
  readonly #done = new AbortController()

  constructor(manager: JetStreamManager, client: JetStreamClient, stream: string, next: bigint, clock: Clock) {
    this.#manager = manager
    this.#client = client
    this.#stream = stream
    this.#next = next
    this.#clock = clock
  }

  async *entries(signal: AbortSignal): AsyncGenerator<LogEntry, void, undefined> {
    const consumer = await this.#client.consumers.get(this.#stream, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: Number(this.#next),
    })
    const messages = await consumer.consume({ max_messages: MESSAGES_AHEAD, expires: EXPIRES_MS, idle_heartbeat: HEARTBEAT_MS })
    this.#messages = messages
    const stop = (): void => messages.stop()
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    const watch = this.#watch()
    try {
      for await (const message of messages) {
        if (BigInt(message.seq) !== this.#next) return await this.#assertThere(this.#next)
        this.#isWaiting = false
        yield { sequence: this.#next++, bytes: bytesOf(message.data) }
        this.#isWaiting = true
      }
    } finally {
      signal.removeEventListener('abort', stop)
      this.#done.abort()
      await watch
    }
  }

  async close(): Promise<void> {
    this.#done.abort()
    await this.#messages?.close()
  }

  /** An entry was left out: NATS begins anew at times. */
  async #assertThere(sequence: bigint): Promise<void> {
    const found = await this.#manager.streams.getMessage(this.#stream, { seq: Number(sequence) })
    if (found === null) throw lost(this.#stream, `it has no entry ${sequence}, and has later ones`)
  }

  /** Ends the session where there are entries that it does not hear of. */
  async #watch(): Promise<void> {
    const { signal } = this.#done
    while (!signal.aborted) {
      const before = this.#next
      await sleep(this.#clock, WATCH_MS, signal).catch(() => undefined)
      if (signal.aborted || !this.#isWaiting || this.#next !== before) continue
      const info = await this.#manager.streams.info(this.#stream).catch(() => undefined)
      if (info !== undefined && this.#isWaiting && this.#next === before && boundsOf(info).last >= before) this.#messages?.stop()
    }
  }
}

/** Entries that NATS sends before they are asked for. */
const MESSAGES_AHEAD = 64

const EXPIRES_MS = 5000
const HEARTBEAT_MS = 1000

async function connectUntil(deadline: Millis, options: Required<JetStreamOptions>): Promise<NatsConnection> {
  const { servers, connection } = options
  for (;;) {
    try {
      return await connect({
        timeout: ATTEMPT_MS,
        pingInterval: 2000,
        maxPingOut: 2,
        reconnectTimeWait: 200,
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

/** Not a Buffer, whose `slice` shares. */
function bytesOf({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length)
}

function boundsOf({ state }: StreamInfo): LogBounds {
  // Of a stream that is new, NATS tells that it begins at 0.
  return { first: BigInt(Math.max(1, state.first_seq)), last: BigInt(state.last_seq) }
}

function isNotFound(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.status === 404
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

function lost(name: string, why: string): KumikoError {
  const message = `the log in stream ${name} is not the one that was read before (${why}): give back its files, or begin the channel anew`
  return new KumikoError(LOST, message, { context: { name } })
}

function full(name: string, cause: unknown): KumikoError {
  const message = `the stream ${name} takes no more: raise max_bytes, max_msgs or max_msg_size, or max_payload of the servers`
  return new KumikoError('fabric-orderer/log-full', message, { cause, context: { name } })
}

function notAppended(cause: unknown): KumikoError {
  return new KumikoError('fabric-orderer/not-appended', 'NATS did not confirm the entry in time', { cause })
}
