import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { EventLog } from './event-log.ts'
import type { ForeignEvent, ForeignEventOf } from './foreign-event.ts'

/** Message codes that every capability of a foreign peer serves; other codes are reported only. */
export const ECHO = 0
/** What {@link ECHO} is answered with, where the capability has that code: the same payload. */
export const ECHOED = 1
/** Counted only, see {@link ForeignPeer.stats}. */
export const SINK = 2

/** How to start a peer of another implementation. */
export interface ForeignPeerOptions {
  /** Default one: `kecho/1`, length 4. */
  readonly capabilities?: readonly { readonly name: string; readonly version: number; readonly length: number }[]
  /** Private key, 64 hex digits. Default: a fresh one. */
  readonly key?: string
  /** Default 50. */
  readonly maxPeers?: number
  /** Its name in Hello. */
  readonly client?: string
}

/** What to send. Payloads are made by {@link payload} on both sides. */
export interface SendOptions {
  readonly cap: string
  readonly code: number
  /** Bytes. */
  readonly size: number
  /** Default 0. */
  readonly seed?: number
  /** How many, with seeds `seed`, `seed + 1`, … Default 1. */
  readonly count?: number
  /** To whom; default: any one. */
  readonly peer?: string
}

/** The remote refused a command: `reason` is the disconnect reason, where there was one. */
class ForeignPeerError extends Error {
  override readonly name: string = 'ForeignPeerError'
  readonly reason: number | undefined

  constructor(message: string, reason?: number) {
    super(message)
    this.reason = reason
  }
}

type Child = ChildProcessByStdio<Writable, Readable, null>
type Reply = Readonly<Record<string, unknown>>

const living = new Set<Child>()
process.on('exit', killForeignPeers)

/** Kills every child that still runs. */
export function killForeignPeers(): void {
  for (const child of living) child.kill('SIGKILL')
}

/**
 * A peer of another implementation in a child process that is driven by lines of JSON. Commands are answered when they are done, side by
 * side: await each where the order counts.
 */
export class ForeignPeer implements AsyncDisposable {
  /** `enode://…@127.0.0.1:port`. */
  readonly enode: string
  readonly events: EventLog<ForeignEvent>
  readonly #child: Child
  readonly #replies: Map<number, (reply: Reply) => void>
  #count = 0

  /** @internal Use `startGoPeer` or `startEjsPeer`. */
  constructor(process: ForeignProcess, enode: string) {
    this.#child = process.child
    this.events = process.events
    this.#replies = process.replies
    this.enode = enode
  }

  /** Public key as in enode URLs: 128 hex digits. */
  get id(): string {
    return this.enode.slice('enode://'.length, 'enode://'.length + 128)
  }

  /** Connects. Resolves when the peer is added, with its id. @throws ForeignPeerError where it is refused. */
  async dial(enode: string): Promise<string> {
    return String((await this.command({ cmd: 'dial', enode })).peer)
  }

  /** Resolves when all is handed to the socket. @throws ForeignPeerError where there is no such peer. */
  async send(options: SendOptions): Promise<void> {
    await this.command({ cmd: 'send', ...options })
  }

  /** Disconnects one peer (default: any one) with that reason number. Wait for `dropped` to know that it is done. */
  async disconnect(reason: number, peer?: string): Promise<void> {
    await this.command({ cmd: 'disconnect', reason, ...(peer === undefined ? {} : { peer }) })
  }

  /** Connected peers, as the implementation describes them. */
  async peers(): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return (await this.command({ cmd: 'peers' })).peers as Readonly<Record<string, unknown>>[]
  }

  /** {@link SINK} messages received so far, by capability. */
  async stats(): Promise<Readonly<Record<string, { readonly count: number; readonly bytes: number }>>> {
    return (await this.command({ cmd: 'stats' })).sunk as Record<string, { count: number; bytes: number }>
  }

  /** Waits for the next event of that name, see {@link EventLog.waitFor}. */
  async next<Name extends ForeignEvent['event']>(
    name: Name,
    timeoutMs?: number,
    matches: (event: ForeignEventOf<Name>) => boolean = () => true,
  ): Promise<ForeignEventOf<Name>> {
    const isNext = (event: ForeignEvent): event is ForeignEventOf<Name> => event.event === name && matches(event as ForeignEventOf<Name>)
    return await this.events.waitFor(isNext, timeoutMs, `'${name}'`)
  }

  /** Sends any command, resolves with its reply. @throws ForeignPeerError where the reply is an error, or the process has ended. */
  command(fields: Readonly<Record<string, unknown>>): Promise<Reply> {
    const id = ++this.#count
    return new Promise((resolve, reject) => {
      this.#replies.set(id, (reply) => {
        if (reply.error === undefined) resolve(reply)
        else reject(new ForeignPeerError(String(reply.error), typeof reply.reason === 'number' ? reply.reason : undefined))
      })
      if (living.has(this.#child)) this.#child.stdin.write(`${JSON.stringify({ id, ...fields })}\n`)
      else this.#replies.get(id)?.({ error: 'the peer has ended' })
    })
  }

  /** Stops it: its peers are told `client quitting` (8). Killed after 3 s. Idempotent. */
  async close(): Promise<void> {
    const child = this.#child
    if (!living.has(child)) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    const timer = setTimeout(() => child.kill('SIGKILL'), 3000)
    this.command({ cmd: 'quit' }).catch(() => {}) // it may end before it has answered
    await gone
    clearTimeout(timer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** A started child, before it listens. */
export interface ForeignProcess {
  readonly child: Child
  readonly events: EventLog<ForeignEvent>
  readonly replies: Map<number, (reply: Reply) => void>
}

/**
 * Starts the child and waits until it listens.
 *
 * @returns What a {@link ForeignPeer} is made of.
 */
export async function startProcess(
  command: string,
  args: readonly string[],
): Promise<{ readonly process: ForeignProcess; readonly enode: string }> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  living.add(child)
  const events = new EventLog<ForeignEvent>()
  const replies = new Map<number, (reply: Reply) => void>()
  const ended = (why: string) => {
    living.delete(child)
    events.end()
    for (const reply of replies.values()) reply({ error: why })
    replies.clear()
  }
  child.once('error', (error) => ended(error.message))
  child.once('exit', (code, signal) => ended(`the peer has ended (${signal ?? code})`))
  child.stdin.on('error', () => {}) // the end is told by 'exit'
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as Reply
    if (typeof line.reply !== 'number') return events.push(line as unknown as ForeignEvent)
    replies.get(line.reply)?.(line)
    replies.delete(line.reply)
  })
  const isListening = (event: ForeignEvent): event is ForeignEventOf<'listening'> => event.event === 'listening'
  const { enode } = await events.waitFor(isListening, 10_000, "'listening'")
  return { process: { child, events, replies }, enode }
}

/** Command-line arguments that both children understand. */
export function peerArguments(options: ForeignPeerOptions): string[] {
  const capabilities = options.capabilities ?? [{ name: 'kecho', version: 1, length: 4 }]
  return [
    '-caps',
    capabilities.map(({ name, version, length }) => `${name}/${version}/${length}`).join(','),
    ...(options.key === undefined ? [] : ['-key', options.key]),
    ...(options.maxPeers === undefined ? [] : ['-max-peers', String(options.maxPeers)]),
    ...(options.client === undefined ? [] : ['-client', options.client]),
  ]
}
