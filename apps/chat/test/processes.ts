import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** What Node runs. */
export const PROGRAM: readonly string[] = ['--conditions=@kumiko/source', join(import.meta.dirname, '../src/main.ts')]

/** What a process of the real program ended with. */
export interface Outcome {
  /** Null where a signal ended it. */
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

/** An event of `--json`. */
export type JsonEvent = Readonly<Record<string, unknown>> & { readonly event: string }

/** A process of the real program. */
export interface ChatProcess extends AsyncDisposable {
  /** The first event so far, or to come, with this name and these fields. Each is given once. @throws Error where the process ends before. */
  event(name: string, fields?: Readonly<Record<string, unknown>>): Promise<JsonEvent>
  /** All events so far. */
  readonly events: readonly JsonEvent[]
  /** All lines so far. */
  stdout(): string
  say(line: string): void
  kill(signal: NodeJS.Signals): Promise<Outcome>
  readonly ended: Promise<Outcome>
}

/** A folder of its own for a test, removed at its end. */
export async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'kumiko-chat-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 3 }) }
}

/** Starts `kumiko-chat …` on loopback, without anything of our environment that would change what it does. */
export function startChatProcess(args: readonly string[]): ChatProcess {
  return startProcess(['--json', '--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0', ...args])
}

/** Starts `kumiko-chat …` as it is. */
export function startProcess(args: readonly string[]): ChatProcess {
  return startCommand(process.execPath, [...PROGRAM, ...args])
}

/** Starts a command that has the output of `kumiko-chat`. */
export function startCommand(command: string, args: readonly string[]): ChatProcess {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(DEBUG|NO_COLOR|FORCE_COLOR|NODE_)/.test(name)))
  const child = spawn(command, [...args], { env: inherited })
  child.stdin.on('error', () => {})
  const texts = { stdout: '', stderr: '' }
  child.stderr.on('data', (chunk) => {
    texts.stderr += String(chunk)
  })
  const events: JsonEvent[] = []
  const taken = new Set<JsonEvent>()
  let news = Promise.withResolvers<void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    texts.stdout += `${line}\n`
    if (line.startsWith('{')) events.push(JSON.parse(line) as JsonEvent)
    news.resolve()
    news = Promise.withResolvers()
  })
  let isEnded = false
  const ended = (async (): Promise<Outcome> => {
    const [exitCode] = (await once(child, 'close')) as [number | null]
    isEnded = true
    news.resolve()
    return { exitCode, ...texts }
  })()
  const kill = async (signal: NodeJS.Signals): Promise<Outcome> => {
    child.kill(signal)
    return await ended
  }
  return {
    events,
    ended,
    kill,
    stdout: () => texts.stdout,
    say: (line) => void child.stdin.write(`${line}\n`),
    event: async (name, fields = {}) => {
      for (;;) {
        const found = events.find(
          (one) => one.event === name && !taken.has(one) && Object.entries(fields).every(([key, value]) => one[key] === value),
        )
        if (found !== undefined) {
          taken.add(found)
          return found
        }
        if (isEnded) throw new Error(`ended without ${name} ${JSON.stringify(fields)}: ${texts.stdout}${texts.stderr}`)
        await news.promise
      }
    },
    [Symbol.asyncDispose]: async () => void (await kill('SIGKILL')),
  }
}

/** The address of a chat that has started. */
export function addressOf(started: JsonEvent): string {
  const [address] = started.addresses as string[]
  if (address === undefined) throw new Error('it listens nowhere')
  return address
}
