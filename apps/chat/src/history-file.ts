import { closeSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { KumikoError } from '@kumiko/interface'
import { entryOf, HISTORY_MAX, type HistoryEntry, readHistory } from './history.ts'
import type { RoomEvent } from './room.ts'

/** So many entries are in the file before the old ones go. */
const FILE_ENTRIES_MAX = 4 * HISTORY_MAX

/** A room's history in a file of JSON lines. Each is with the operating system before `keep` returns, so that it outlives `kill -9`. */
export class HistoryFile implements Disposable {
  readonly #path: string
  /** The last of them. */
  #entries: HistoryEntry[]
  #count: number
  #file: number

  /** @throws KumikoError `chat/history-not-accessible`. */
  constructor(path: string) {
    this.#path = path
    this.#entries = this.#try(() => readHistory(readIfThere(path))).slice(-HISTORY_MAX)
    this.#count = this.#entries.length
    this.#file = this.#try(() => this.#rewrite())
  }

  get entries(): readonly HistoryEntry[] {
    return this.#entries
  }

  /** @throws KumikoError `chat/history-not-accessible`. */
  keep(event: RoomEvent): void {
    const entry = entryOf(event)
    if (entry === undefined) return
    this.#entries.push(entry)
    this.#count++
    if (this.#entries.length > HISTORY_MAX) this.#entries.shift()
    this.#try(() => {
      if (this.#count <= FILE_ENTRIES_MAX) return void writeSync(this.#file, `${JSON.stringify(entry)}\n`)
      closeSync(this.#file)
      this.#file = this.#rewrite()
    })
  }

  [Symbol.dispose](): void {
    closeSync(this.#file)
  }

  /** The entries alone, whole or not at all. @returns The file, open for more. */
  #rewrite(): number {
    const aside = `${this.#path}.new`
    writeFileSync(aside, this.#entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''), { mode: 0o600 })
    renameSync(aside, this.#path)
    this.#count = this.#entries.length
    return openSync(this.#path, 'a', 0o600)
  }

  #try<T>(work: () => T): T {
    try {
      return work()
    } catch (cause) {
      const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
      const message = `cannot keep the history in "${this.#path}" (${code}): make it writable, or choose another --data-dir`
      throw new KumikoError('chat/history-not-accessible', message, { context: { path: this.#path }, cause })
    }
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw error
  }
}
