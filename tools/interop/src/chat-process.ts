import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { EventLog } from './event-log.ts'
import { trackChild } from './foreign-child.ts'

const PROGRAM = fileURLToPath(new URL('../../../apps/chat/src/main.ts', import.meta.url))

/** A line of `kumiko-chat --json`. */
export type ChatLine = Readonly<Record<string, unknown>> & { readonly event: string }

/** Our chat in a process of its own, on 127.0.0.1. */
export interface ChatProcess {
  /** Takes the next line of that event with these fields. @throws Error on timeout. */
  next(event: string, fields?: Readonly<Record<string, unknown>>): Promise<ChatLine>
  say(line: string): void
  /** As ctrl-C does. @returns The exit code. */
  leave(): Promise<number | null>
}

/** A line may be waited for on a busy machine. */
const LINE_MS = 40_000

/** Starts `kumiko-chat`. It ends with the case. */
export function startChatProcess(args: readonly string[]): ChatProcess {
  const quiet = ['--json', '--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0']
  const child = spawn(process.execPath, ['--conditions=@kumiko/source', PROGRAM, ...quiet, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  trackChild(child)
  const events = new EventLog<ChatLine>()
  createInterface({ input: child.stdout }).on('line', (line) => events.push(JSON.parse(line) as ChatLine))
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  child.once('exit', () => events.end())
  child.stdin.on('error', () => {}) // the end is told by 'exit'
  return {
    next: async (event, fields = {}) => {
      const isIt = (line: ChatLine): boolean =>
        line.event === event && Object.entries(fields).every(([name, value]) => line[name] === value)
      return await events.waitFor(isIt, LINE_MS, `chat '${event}' ${JSON.stringify(fields)}`)
    },
    say: (line) => void child.stdin.write(`${line}\n`),
    leave: async () => {
      child.kill('SIGINT')
      return await ended
    },
  }
}
