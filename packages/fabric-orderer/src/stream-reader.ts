import { type Clock, KumikoError, type Millis, raceAbort, sleep } from '@kumiko/interface'
import type { Logger } from '@libp2p/interface'
import { type AgreedEntry, Agreement } from './agreement.ts'
import { type CopyListener, CopyReader } from './copy-reader.ts'
import { trimmed } from './log-tail.ts'
import type { LogEntry } from './ordered-log.ts'
import type { ReplicatedStream, StreamState } from './replicated-stream.ts'

/** What a reader reads. */
export interface StreamReaderOptions {
  readonly stream: ReplicatedStream
  /** The stream has no fewer. */
  readonly replicas: number
  readonly clock: Clock
  readonly log: Logger | undefined
}

/** A reader of one server, at work, and what it had told when it was last looked at. */
interface Replica {
  readonly reader: CopyReader
  readonly ended: Promise<void>
  told: number
  toldAt: Millis
}

/** How often it is looked after who serves the stream, and whether there is something to hear. */
const WATCH_MS = 1000

/** The same, where too few servers are read. */
const RETRY_MS = 100

/** A server that tells nothing for so long, though there is something to tell, is asked anew: long enough for a large entry. */
const SILENT_MS = 5000

/** A log that is gone, shorter than what was read of it, or another on each server, may be one that still catches up; not for so long. */
const LOST_MS = 30_000

/** Copies that are opened at a time for each server that is not read: which server's, is chance. */
const DRAWS = 3

/**
 * Reads a stream as each of the servers that keep it has it, and gives the entries that most of them have. Of one server alone it cannot be told: one
 * that was killed may come back with entries of its own in the place of those that the others agreed on (seen with `nats-server` 2.9.10).
 */
export class StreamReader {
  readonly #options: StreamReaderOptions
  readonly #agreement: Agreement
  /** By their servers' names; bounded by the servers that keep the stream. */
  readonly #replicas = new Map<string, Replica>()
  /** Servers that were told of; bounded by them. */
  readonly #dissenters = new Set<string>()
  readonly #done = new AbortController()
  #news = Promise.withResolvers<void>()
  #isWaiting = false
  #first = 1n
  #lostSince: Millis | undefined

  /** @param next - The number of the first entry. */
  constructor(options: StreamReaderOptions, next: bigint) {
    this.#options = options
    this.#agreement = new Agreement(next, options.replicas)
  }

  /** As `OrderedLog.read`, with `fabric-orderer/log-split` where servers have too little in common. Once. */
  async *entries(signal: AbortSignal): AsyncGenerator<LogEntry, void, undefined> {
    const stop = AbortSignal.any([signal, this.#done.signal])
    const tended = this.#tend(stop)
    try {
      while (!stop.aborted) {
        const news = this.#news.promise
        const agreed = this.#agreement.take()
        if (agreed === undefined) await this.#wait(news, stop)
        else yield this.#taken(agreed)
      }
      if (this.#done.signal.reason instanceof KumikoError) throw this.#done.signal.reason
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

  /** @throws KumikoError `fabric-orderer/log-trimmed`, `fabric-orderer/log-lost`. */
  #taken({ sequence, bytes }: AgreedEntry): LogEntry {
    // There is room for another.
    this.#tell()
    this.#tellDissent()
    if (bytes !== undefined) return { sequence, bytes }
    if (this.#first > sequence) throw trimmed(sequence, this.#first)
    throw lost(this.#options.stream.name, `it has no entry ${sequence}, and has later ones`)
  }

  #tellDissent(): void {
    const { log, stream } = this.#options
    for (const [server, sequence] of this.#agreement.dissenters) {
      if (this.#dissenters.has(server)) continue
      this.#dissenters.add(server)
      log?.error('server %s has another entry %d in stream %s than most: give it an empty store', server, sequence, stream.name)
    }
  }

  #tell(): void {
    const news = this.#news
    this.#news = Promise.withResolvers()
    news.resolve()
  }

  /** Keeps a reader of each server, as they come and go. Never rejects. */
  async #tend(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#look(signal)
      } catch (error) {
        if (error instanceof KumikoError) this.#done.abort(error)
        // It cannot be asked: what it does not tell, it may still have.
        this.#lostSince = undefined
      }
      await sleep(this.#options.clock, this.#isRead ? WATCH_MS : RETRY_MS, signal).catch(() => undefined)
    }
  }

  /** Are most servers read? */
  get #isRead(): boolean {
    return this.#replicas.size >= this.#agreement.quorum
  }

  async #look(signal: AbortSignal): Promise<void> {
    const state = await raceAbort(this.#options.stream.state(), signal)
    this.#assertThere(state)
    if (state === undefined) return
    this.#first = state.first
    this.#agreement.resize(state.replicas)
    await stopAll(this.#silent(state))
    await this.#open(state, signal)
  }

  /** @throws KumikoError `fabric-orderer/log-lost`, `fabric-orderer/log-split`. */
  #assertThere(state: StreamState | undefined): void {
    const problem = this.#problem(state)
    // Until most are heard again, nothing says that it is over.
    const reaching = [...this.#replicas.keys()].filter((server) => this.#agreement.reaches(server))
    if (problem === undefined && reaching.length >= this.#agreement.quorum) this.#lostSince = undefined
    if (problem === undefined) return
    const now = this.#options.clock.now()
    this.#lostSince ??= now
    if (now - this.#lostSince >= LOST_MS) throw problem
  }

  #problem(state: StreamState | undefined): KumikoError | undefined {
    const { name } = this.#options.stream
    const { next, quorum, isSplit } = this.#agreement
    if (state === undefined) return lost(name, 'it is gone')
    if (isSplit) return split(name, next)
    // One that is not current may have the rest before long.
    const current = state.servers.filter(({ name: server, isCurrent }) => isCurrent && this.#replicas.has(server))
    const short = current.filter(({ name: server }) => !this.#agreement.reaches(server)).map(({ name: server }) => server)
    return short.length < quorum ? undefined : lost(name, `on ${short.join(', ')} it ends before entry ${next - 1n}`)
  }

  /** Readers of servers that went, or that do not tell of an entry that the leader has. */
  #silent({ servers, last }: StreamState): readonly Replica[] {
    const { next } = this.#agreement
    const now = this.#options.clock.now()
    const isBehind = this.#isWaiting && last >= next
    const found = [...this.#replicas].filter(([server, replica]) => {
      const { told } = replica.reader
      if (!isBehind || told !== replica.told || this.#agreement.hasHeard(server)) replica.toldAt = now
      replica.told = told
      return now - replica.toldAt >= SILENT_MS || servers.every(({ name }) => name !== server)
    })
    return found.map(([, replica]) => replica)
  }

  /** Begins to read servers that are not read yet: where most are, such as catch up or went may wait. */
  async #open({ servers }: StreamState, signal: AbortSignal): Promise<void> {
    const missing = servers.filter(({ name, isCurrent }) => !this.#replicas.has(name) && (isCurrent || !this.#isRead))
    const draws = Array.from({ length: missing.length * DRAWS }, () => this.#draw())
    await raceAbort(Promise.all(draws), signal)
  }

  /** Never rejects. */
  async #draw(): Promise<void> {
    const { stream, clock } = this.#options
    const { next } = this.#agreement
    // With the one before: a server that has it not has lost some.
    const from = next > 1n ? next - 1n : next
    const copy = await stream.open(from).catch(() => undefined)
    if (copy === undefined) return
    const { server } = copy
    if (this.#done.signal.aborted || this.#replicas.has(server)) return copy.close()
    const reader = new CopyReader(copy, from, this.#listener)
    const ended = reader.read().then(() => void this.#replicas.delete(server))
    // It may have something else by now.
    this.#agreement.forget(server)
    this.#replicas.set(server, { reader, ended, told: 0, toldAt: clock.now() })
  }

  get #listener(): CopyListener {
    return {
      room: (sequence) => (this.#agreement.hasRoom(sequence) ? undefined : this.#news.promise),
      hear: (server, sequence, bytes) => {
        this.#agreement.hear(server, sequence, bytes)
        this.#tellDissent()
        this.#tell()
      },
    }
  }
}

async function stopAll(replicas: readonly Replica[]): Promise<void> {
  for (const { reader } of replicas) reader.stop()
  await Promise.all(replicas.map(({ ended }) => ended))
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
