import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { EventLog } from './event-log.ts'
import type { ForeignEvent, ForeignEventOf } from './foreign-event.ts'

/** The remote refused a command: `reason` is the disconnect reason, where there was one. */
class ForeignError extends Error {
  override readonly name: string = 'ForeignError'
  readonly reason: number | undefined

  constructor(message: string, reason?: number) {
    super(message)
    this.reason = reason
  }
}

type Child = ChildProcessByStdio<Writable, Readable, null>

/** An answer to a command. */
export type Reply = Readonly<Record<string, unknown>>

/** `case`: for one case · `cases`: for several, until one fails. */
export type ChildLife = 'case' | 'cases'

const living = new Map<ChildProcess, ChildLife>()
process.on('exit', () => killForeignChildren('cases'))

/** Has a child killed with the others. */
export function trackChild(child: ChildProcess, life: ChildLife = 'case'): void {
  living.set(child, life)
  child.once('error', () => living.delete(child))
  child.once('exit', () => living.delete(child))
}

/** Kills every child that still runs. @param life - `case`: all but those for several cases. */
export function killForeignChildren(life: ChildLife): void {
  for (const [child, itsLife] of living) {
    if (life === 'case' && itsLife === 'cases') continue
    child.kill('SIGKILL')
    living.delete(child)
  }
}

/**
 * Another implementation in a child process that is driven by lines of JSON. Commands are answered when they are done, side by side: await
 * each where the order counts.
 */
export class ForeignChild implements AsyncDisposable {
  readonly events: EventLog<ForeignEvent>
  readonly #child: Child
  readonly #replies: Map<number, (reply: Reply) => void>
  #count = 0

  constructor(process: ForeignProcess) {
    this.#child = process.child
    this.events = process.events
    this.#replies = process.replies
  }

  /** Whether it still runs. */
  get isLiving(): boolean {
    return living.has(this.#child)
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

  /** Sends any command, resolves with its reply. @throws ForeignError where the reply is an error, or the process has ended. */
  command(fields: Readonly<Record<string, unknown>>): Promise<Reply> {
    const id = ++this.#count
    return new Promise((resolve, reject) => {
      this.#replies.set(id, (reply) => {
        if (reply.error === undefined) resolve(reply)
        else reject(new ForeignError(String(reply.error), typeof reply.reason === 'number' ? reply.reason : undefined))
      })
      if (this.isLiving) this.#child.stdin.write(`${JSON.stringify({ id, ...fields })}\n`)
      else this.#replies.get(id)?.({ error: 'the peer has ended' })
    })
  }

  /** Stops it, as its implementation does when it quits. Killed after 3 s. Idempotent. */
  async close(): Promise<void> {
    const child = this.#child
    if (!this.isLiving) return
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

/** A child that listens. */
export interface StartedProcess {
  readonly process: ForeignProcess
  readonly enode: string
  /** `enr:…`, where it has one. */
  readonly record: string | undefined
}

/** Starts the child and waits until it listens. */
export async function startProcess(command: string, args: readonly string[]): Promise<StartedProcess> {
  const process = spawnProcess(command, args)
  const isListening = (event: ForeignEvent): event is ForeignEventOf<'listening'> => event.event === 'listening'
  const { enode, record } = await process.events.waitFor(isListening, 30_000, "'listening'")
  return { process, enode, record }
}

/** Starts the child. */
export function spawnProcess(command: string, args: readonly string[], life?: ChildLife): ForeignProcess {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  trackChild(child, life)
  const events = new EventLog<ForeignEvent>()
  const replies = new Map<number, (reply: Reply) => void>()
  const ended = (why: string) => {
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
  return { child, events, replies }
}
