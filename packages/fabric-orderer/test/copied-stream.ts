import { type Clock, sleep } from '@kumiko/interface'
import type { Seeded } from '@kumiko/testkit'
import type { CopiedMessage, ReplicatedStream, StreamCopy, StreamState } from '../src/replicated-stream.ts'

/** A server of {@link CopiedStream}. */
export interface CopyServer {
  readonly name: string
  /** From entry 1 on; undefined where it has later ones, and not that. */
  entries: (Uint8Array | undefined)[]
  isCurrent: boolean
  /** It is listed, and answers nothing. */
  isAway: boolean
  /** Copies that are opened tell nothing. */
  isMute?: boolean
  /** Of each so many messages, one is lost on its way. */
  losesEvery?: number
}

/** What the servers of a stream have, each by itself, as a test sets it: the first leads. In virtual time. */
export class CopiedStream implements ReplicatedStream {
  readonly name = 'STREAM'
  readonly servers: readonly CopyServer[]
  readonly #clock: Clock
  readonly #random: Seeded
  isGone = false
  isAway = false
  /** Copies that are open. */
  openCount = 0
  /** Copies that were ever opened. */
  openedCount = 0

  constructor(servers: readonly CopyServer[], clock: Clock, random: Seeded) {
    this.servers = servers
    this.#clock = clock
    this.#random = random
  }

  async state(): Promise<StreamState | undefined> {
    if (this.isAway) throw new Error('nobody answers')
    if (this.isGone) return
    const entries = this.servers[0]?.entries ?? []
    const first = BigInt(entries.findIndex((entry) => entry !== undefined) + 1)
    return { replicas: this.servers.length, first: first === 0n ? 1n : first, last: BigInt(entries.length), servers: this.servers }
  }

  async open(from: bigint): Promise<StreamCopy> {
    const server = this.#random.pick(this.servers)
    await sleep(this.#clock, server.isAway ? 2000 : 5)
    if (server.isAway || this.isGone) throw new Error('it does not answer')
    this.openCount++
    this.openedCount++
    const closed = new AbortController()
    return {
      server: server.name,
      messages: () => this.#messages(server, from, closed.signal),
      close: () => {
        if (!closed.signal.aborted) this.openCount--
        closed.abort()
      },
    }
  }

  async *#messages(server: CopyServer, from: bigint, closed: AbortSignal): AsyncGenerator<CopiedMessage, void, undefined> {
    let delivery = 0
    const { isMute = false } = server
    for (let at = Math.min(Number(from) - 1, server.entries.length); !closed.aborted && !server.isAway; ) {
      const bytes = server.entries[at]
      if (isMute || at >= server.entries.length) await sleep(this.#clock, 1, closed).catch(() => undefined)
      else if (bytes === undefined) at++
      else if (++delivery % (server.losesEvery ?? Number.POSITIVE_INFINITY) === 0) at++
      else {
        // Time on its way.
        await sleep(this.#clock, 1, closed).catch(() => undefined)
        yield { sequence: BigInt(++at), delivery, bytes }
      }
    }
  }
}
