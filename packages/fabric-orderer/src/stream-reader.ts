import { type Clock, KumikoError, type Millis, News, raceAbort, sleep } from '@kumiko/interface'
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

/** Since when most servers do not have what was read, and when that was last seen. */
interface Trouble {
  readonly since: Millis
  readonly seenAt: Millis
}

/** An entry that is there, and not on most servers: since when. */
interface Delay {
  readonly sequence: bigint
  readonly since: Millis
  isTold: boolean
}

/** How often it is looked after who serves the stream, and whether there is something to hear. */
const WATCH_MS = 1000

/** The same, where too few servers are read. */
const RETRY_MS = 100

/** A server that tells nothing for so long, though there is something to tell, is asked anew: long enough for a large entry. */
const SILENT_MS = 5000

/** A log that is gone, shorter than what was read of it, or another on each server, may be one that still catches up; not for so long. */
const LOST_MS = 30_000

/** Such trouble that is not seen for so long is over. */
const OVER_MS = 10_000

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
  readonly #done = new AbortController()
  readonly #news = new News()
  #isWaiting = false
  #first = 1n
  #trouble: Trouble | undefined
  #delay: Delay | undefined

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
        const news = this.#news.next
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
  #taken({ sequence, bytes, dissenters }: AgreedEntry): LogEntry {
    // There is room for another.
    this.#news.tell()
    for (const server of dissenters) this.#tellDissent(server, sequence)
    if (bytes !== undefined) return { sequence, bytes }
    if (this.#first > sequence) throw trimmed(sequence, this.#first)
    throw lost(this.#options.stream.name, `it has no entry ${sequence}, and has later ones`)
  }

  #tellDissent(server: string, sequence: bigint): void {
    const { log, stream } = this.#options
    const next = 'stop it, and start it with an empty store while another server leads the stream'
    log?.error('server %s has another entry %d in stream %s than most: %s', server, sequence, stream.name, next)
  }

  /** Keeps a reader of each server, as they come and go. Never rejects. */
  async #tend(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#look(signal)
      } catch (error) {
        if (error instanceof KumikoError) this.#done.abort(error)
        // It cannot be asked: what it does not tell, it may still have.
        this.#trouble = undefined
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
    this.#judge(state)
    if (state === undefined) return
    this.#first = state.first
    this.#agreement.resize(state.replicas)
    await stopAll(this.#silent(state))
    this.#tellDelay(state)
    await this.#open(state, signal)
  }

  /** @throws KumikoError `fabric-orderer/log-lost`, `fabric-orderer/log-split`. */
  #judge(state: StreamState | undefined): void {
    const problem = this.#problem(state)
    const now = this.#options.clock.now()
    if (problem === undefined) {
      // While servers are looked for again, nothing says that it is over.
      const isOld = this.#trouble !== undefined && now - this.#trouble.seenAt >= OVER_MS
      const reached = [...this.#replicas.keys()].filter((server) => this.#agreement.hasReached(server))
      if (isOld || reached.length >= this.#agreement.quorum) this.#trouble = undefined
      return
    }
    this.#trouble = { since: this.#trouble?.since ?? now, seenAt: now }
    if (now - this.#trouble.since >= LOST_MS) throw problem
  }

  #problem(state: StreamState | undefined): KumikoError | undefined {
    const { name } = this.#options.stream
    const { next, quorum, isSplit, isContradicted } = this.#agreement
    if (state === undefined) return lost(name, 'it is gone')
    if (isSplit) return split(name, next)
    if (isContradicted) return lost(name, `most servers have another entry ${next - 1n}`)
    // One that is not current may have the rest before long.
    const current = state.servers.filter(({ name: server, isCurrent }) => isCurrent && this.#replicas.has(server))
    const short = current.filter(({ name: server }) => !this.#agreement.hasReached(server)).map(({ name: server }) => server)
    return short.length < quorum ? undefined : lost(name, `on ${short.join(', ')} it ends before entry ${next - 1n}`)
  }

  /** Readers of servers that went, or that do not tell of an entry that the leader has. */
  #silent({ servers, last }: StreamState): readonly Replica[] {
    const { next } = this.#agreement
    const now = this.#options.clock.now()
    const found = [...this.#replicas].filter(([server, replica]) => {
      const { told } = replica.reader
      const isBehind = this.#isWaiting && (last >= next || !this.#agreement.hasReached(server))
      if (!isBehind || told !== replica.told || this.#agreement.hasHeard(server)) replica.toldAt = now
      replica.told = told
      return now - replica.toldAt >= SILENT_MS || servers.every(({ name }) => name !== server)
    })
    return found.map(([, replica]) => replica)
  }

  /** Tells, once for an entry, that it is waited for. */
  #tellDelay({ last }: StreamState): void {
    const { stream, clock, log } = this.#options
    const { next } = this.#agreement
    if (!this.#isWaiting || last < next) this.#delay = undefined
    else if (this.#delay?.sequence !== next) this.#delay = { sequence: next, since: clock.now(), isTold: false }
    else if (!this.#delay.isTold && clock.now() - this.#delay.since >= LOST_MS) {
      this.#delay.isTold = true
      const read = [...this.#replicas.keys()].join(', ')
      log?.error('entry %d of stream %s is not on most servers, of which these are read: %s; it is waited for', next, stream.name, read)
    }
  }

  /** Begins to read servers that are not read yet: where most are and nothing is waited for, such as catch up or went may wait. */
  async #open({ servers }: StreamState, signal: AbortSignal): Promise<void> {
    const isDelayed = this.#delay !== undefined && this.#options.clock.now() - this.#delay.since >= WATCH_MS
    const isEnough = this.#isRead && !isDelayed
    const missing = servers.filter(({ name, isCurrent }) => !this.#replicas.has(name) && (isCurrent || !isEnough))
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
    const ended = reader.read().then(() => {
      this.#replicas.delete(server)
      this.#agreement.forget(server)
    })
    this.#replicas.set(server, { reader, ended, told: 0, toldAt: clock.now() })
  }

  get #listener(): CopyListener {
    return {
      room: (sequence) => (this.#agreement.hasRoom(sequence) ? undefined : this.#news.next),
      hear: (server, sequence, bytes) => {
        if (this.#agreement.hear(server, sequence, bytes)) this.#tellDissent(server, sequence)
        this.#news.tell()
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
