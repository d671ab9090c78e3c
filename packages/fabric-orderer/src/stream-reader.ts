import { type Clock, KumikoError, type Millis, raceAbort, sleep } from '@kumiko/interface'
import type { Logger } from '@libp2p/interface'
import { JetStreamApiError, type JetStreamClient, type JetStreamManager, type StreamInfo } from '@nats-io/jetstream'
import { type AgreedEntry, Agreement } from './agreement.ts'
import { trimmed } from './log-tail.ts'
import type { LogBounds, LogEntry } from './ordered-log.ts'
import { type ReplicaListener, ReplicaReader, replicaConsumer, serverOf } from './replica-reader.ts'

/** What a reader reads with. */
export interface StreamReaderOptions {
  readonly manager: JetStreamManager
  readonly client: JetStreamClient
  readonly stream: string
  readonly clock: Clock
  readonly log: Logger | undefined
}

/** A reader of one server, at work. */
interface Replica {
  readonly reader: ReplicaReader
  readonly ended: Promise<void>
}

/** How often it is looked after who serves the stream, and whether there is something to hear. */
const WATCH_MS = 1000

/** The same, where too few servers are heard. */
const RETRY_MS = 100

/** A log that is shorter than what was read of it, or that servers have differently, may be one that still catches up; not for so long. */
const LOST_MS = 30_000

/** Consumers that are made at a time to find one of each server: NATS chooses the server. */
const OPENINGS = 8

/**
 * Reads a stream as each of the servers that keep it has it, and gives the entries that most of them have. Of one server alone it cannot be told: one
 * that was killed may come back with entries of its own in the place of those that the others agreed on (seen with `nats-server` 2.9.10).
 */
export class StreamReader {
  readonly #options: StreamReaderOptions
  readonly #agreement: Agreement
  /** By their servers' names. */
  readonly #replicas = new Map<string, Replica>()
  readonly #dissenters = new Set<string>()
  readonly #done = new AbortController()
  #news = Promise.withResolvers<void>()
  #isWaiting = false
  #stuckAt: bigint | undefined
  #lostSince: Millis | undefined
  #failure: KumikoError | undefined

  readonly #listener: ReplicaListener = {
    room: (sequence) => (this.#agreement.hasRoom(sequence) ? undefined : this.#news.promise),
    hear: (server, sequence, bytes) => {
      this.#agreement.hear(server, sequence, bytes)
      this.#tell()
    },
  }

  /** @param next - The number of the first entry. @param replicas - The stream has no fewer. */
  constructor(options: StreamReaderOptions, next: bigint, replicas: number) {
    this.#options = options
    this.#agreement = new Agreement(next, replicas)
  }

  /** As `OrderedLog.read`. Once. */
  async *entries(signal: AbortSignal): AsyncGenerator<LogEntry, void, undefined> {
    const stop = AbortSignal.any([signal, this.#done.signal])
    const tended = this.#tend(stop)
    try {
      while (!stop.aborted) {
        const news = this.#news.promise
        const agreed = this.#agreement.take()
        if (agreed !== undefined) yield this.#taken(agreed)
        else if (this.#failure !== undefined) throw this.#failure
        else await this.#wait(news, stop)
      }
    } finally {
      this.#done.abort(new Error('the reader is done'))
      await tended
      await stopAll([...this.#replicas.values()])
    }
  }

  async #wait(news: Promise<void>, stop: AbortSignal): Promise<void> {
    this.#isWaiting = true
    await raceAbort(news, stop).catch(() => undefined)
    this.#isWaiting = false
  }

  /** @throws KumikoError `fabric-orderer/log-lost`. */
  #taken({ sequence, bytes, dissenters }: AgreedEntry): LogEntry {
    // There is room for another.
    this.#tell()
    for (const server of dissenters) this.#tellDissent(server, sequence)
    if (bytes === undefined) throw lost(this.#options.stream, `it has no entry ${sequence}, and has later ones`)
    return { sequence, bytes }
  }

  #tellDissent(server: string, sequence: bigint): void {
    if (this.#dissenters.has(server)) return
    this.#dissenters.add(server)
    const { log, stream } = this.#options
    log?.error('server %s has another entry %d in stream %s than most: give it an empty store', server, sequence, stream)
  }

  #tell(): void {
    const news = this.#news
    this.#news = Promise.withResolvers()
    news.resolve()
  }

  /** Keeps a reader of each server, as they come and go. Never rejects. */
  async #tend(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    while (!signal.aborted) {
      try {
        await this.#look(signal)
      } catch (error) {
        if (error instanceof KumikoError) return this.#fail(error)
        // NATS is away, or is about to come: what it does not tell, it may still have.
        this.#lostSince = undefined
      }
      const isQuorum = this.#replicas.size >= this.#agreement.quorum
      await sleep(clock, isQuorum ? WATCH_MS : RETRY_MS, signal).catch(() => undefined)
    }
  }

  #fail(error: KumikoError): void {
    this.#failure = error
    this.#tell()
  }

  async #look(signal: AbortSignal): Promise<void> {
    const info = await this.#info()
    this.#assertThere(info)
    if (info === undefined) return
    this.#agreement.resize(info.config.num_replicas)
    await this.#stopSilent(info)
    await this.#open(info, signal)
  }

  /** @returns Undefined where there is no such stream. @throws Where NATS does not answer. */
  async #info(): Promise<StreamInfo | undefined> {
    const { manager, stream } = this.#options
    try {
      return await manager.streams.info(stream)
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
    return
  }

  /** @throws KumikoError `fabric-orderer/log-trimmed`, `fabric-orderer/log-lost`, `fabric-orderer/log-split`. */
  #assertThere(info: StreamInfo | undefined): void {
    const { next } = this.#agreement
    const first = info === undefined ? next : boundsOf(info).first
    if (first > next) throw trimmed(next, first)
    const problem = this.#problem(info)
    const now = this.#options.clock.now()
    this.#lostSince = problem === undefined ? undefined : (this.#lostSince ?? now)
    if (problem !== undefined && this.#lostSince !== undefined && now - this.#lostSince >= LOST_MS) throw problem
  }

  #problem(info: StreamInfo | undefined): KumikoError | undefined {
    const { stream } = this.#options
    const { next, quorum, isSplit } = this.#agreement
    if (info === undefined) return lost(stream, 'it is gone')
    if (isSplit) return split(stream, next)
    const short = [...this.#replicas.keys()].filter((server) => !this.#agreement.reaches(server))
    return short.length < quorum ? undefined : lost(stream, `on ${short.join(', ')} it ends before entry ${next - 1n}`)
  }

  /** Stops the readers of servers that went; and all, where there is an entry that they do not hear of. */
  async #stopSilent(info: StreamInfo): Promise<void> {
    const { next } = this.#agreement
    const isBehind = this.#isWaiting && boundsOf(info).last >= next
    const isStuck = isBehind && this.#stuckAt === next
    this.#stuckAt = isBehind && !isStuck ? next : undefined
    const servers = serversOf(info)
    const silent = [...this.#replicas].filter(([server]) => isStuck || !servers.includes(server)).map(([, replica]) => replica)
    await stopAll(silent)
  }

  /** Begins to read the servers that are not read yet. */
  async #open(info: StreamInfo, signal: AbortSignal): Promise<void> {
    const { manager, stream } = this.#options
    const servers = serversOf(info)
    for (let left = OPENINGS; left > 0 && !signal.aborted && servers.some((server) => !this.#replicas.has(server)); left--) {
      const { next } = this.#agreement
      // With the one before: a server that has it not has lost some.
      const from = next > 1n ? next - 1n : next
      const consumer = await replicaConsumer(manager, stream, from)
      if (this.#replicas.has(serverOf(consumer))) await manager.consumers.delete(stream, consumer.name)
      else this.#begin(new ReplicaReader(consumer, this.#listener), serverOf(consumer), from)
    }
  }

  #begin(reader: ReplicaReader, server: string, from: bigint): void {
    const ended = reader
      .read(this.#options.client, from)
      .catch(() => undefined) // another one finds out
      .then(() => {
        this.#replicas.delete(server)
        this.#agreement.forget(server)
      })
    this.#replicas.set(server, { reader, ended })
  }
}

async function stopAll(replicas: readonly Replica[]): Promise<void> {
  for (const { reader } of replicas) reader.stop()
  await Promise.all(replicas.map(({ ended }) => ended))
}

/** Those that are there now; one without a name where there is no cluster. */
function serversOf({ cluster }: StreamInfo): readonly string[] {
  if (cluster === undefined) return ['']
  const { leader, replicas = [] } = cluster
  const followers = replicas.filter(({ offline }) => offline !== true).map(({ name }) => name)
  return leader === undefined || leader === '' ? followers : [leader, ...followers]
}

/** Which entries the leader of a stream has. */
export function boundsOf({ state }: StreamInfo): LogBounds {
  // Of a stream that is new, NATS tells that it begins at 0.
  return { first: BigInt(Math.max(1, state.first_seq)), last: BigInt(state.last_seq) }
}

/** Is there no such stream? */
export function isNotFound(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.status === 404
}

/** @returns KumikoError `fabric-orderer/log-lost`. */
export function lost(name: string, why: string): KumikoError {
  const message = `the log in stream ${name} is not the one that was read before (${why}): give back its files, or begin the channel anew`
  return new KumikoError('fabric-orderer/log-lost', message, { context: { name } })
}

function split(name: string, sequence: bigint): KumikoError {
  const message = `most servers of stream ${name} have no entry ${sequence} in common: give back the files of most of them, or begin the channel anew`
  return new KumikoError('fabric-orderer/log-split', message, { context: { name, sequence } })
}
