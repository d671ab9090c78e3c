import { closeSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { codeOf, KumikoError } from '@kumiko/interface'
import { entryOf, HISTORY_MAX, type HistoryEntry, readHistory } from './history.ts'
import type { RoomEvent } from './room.ts'

/** Bytes of the entries that are kept. */
const HISTORY_MAX_BYTES = 4 * 1024 * 1024

/** So much more is in the file before the old entries go. */
const FILE_FACTOR = 4

/** A room's history in a file of JSON lines. Each is with the operating system before `keep` returns, so that it outlives `kill -9`. */
export class HistoryFile implements Disposable {
  readonly #path: string
  readonly #kept = new Kept()
  #count = 0
  #sizeBytes = 0
  #file: number

  /** @throws KumikoError `chat/history-not-accessible`. */
  constructor(path: string) {
    this.#path = path
    for (const entry of this.#try(() => readHistory(readIfThere(path)))) this.#kept.add(entry)
    this.#file = this.#try(() => this.#rewrite())
  }

  get entries(): readonly HistoryEntry[] {
    return this.#kept.entries
  }

  /** @throws KumikoError `chat/history-not-accessible`. */
  keep(event: RoomEvent): void {
    const entry = entryOf(event)
    if (entry === undefined) return
    const line = this.#kept.add(entry)
    this.#count++
    this.#sizeBytes += Buffer.byteLength(line)
    this.#try(() => {
      if (this.#count <= FILE_FACTOR * HISTORY_MAX && this.#sizeBytes <= FILE_FACTOR * HISTORY_MAX_BYTES)
        return void writeSync(this.#file, line)
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
    writeFileSync(aside, this.#kept.lines().join(''), { mode: 0o600 })
    renameSync(aside, this.#path)
    this.#count = this.#kept.entries.length
    this.#sizeBytes = this.#kept.sizeBytes
    return openSync(this.#path, 'a', 0o600)
  }

  #try<T>(work: () => T): T {
    try {
      return work()
    } catch (cause) {
      const code = codeOf(cause) ?? String(cause)
      const message = `cannot keep the history in "${this.#path}" (${code}): make it writable, or choose another --data-dir`
      throw new KumikoError('chat/history-not-accessible', message, { context: { path: this.#path }, cause })
    }
  }
}

/** The last entries: of too many, the oldest of whoever has said most goes, so that nobody talks others out of it. */
class Kept {
  readonly #all: { readonly entry: HistoryEntry; readonly line: string; readonly sizeBytes: number }[] = []
  sizeBytes = 0

  get entries(): readonly HistoryEntry[] {
    return this.#all.map(({ entry }) => entry)
  }

  /** Each with its end. */
  lines(): string[] {
    return this.#all.map(({ line }) => line)
  }

  /** @returns The entry as a line, with its end. */
  add(entry: HistoryEntry): string {
    const line = `${JSON.stringify(entry)}\n`
    const sizeBytes = Buffer.byteLength(line)
    this.#all.push({ entry, line, sizeBytes })
    this.sizeBytes += sizeBytes
    if (this.#all.length > HISTORY_MAX) this.#drop(() => 1)
    while (this.sizeBytes > HISTORY_MAX_BYTES) this.#drop((each) => each.sizeBytes)
    return line
  }

  #drop(sizeOf: (each: { readonly sizeBytes: number }) => number): void {
    const sums = new Map<string, number>()
    for (const each of this.#all) sums.set(each.entry.peer, (sums.get(each.entry.peer) ?? 0) + sizeOf(each))
    const most = Math.max(...sums.values())
    const [gone] = this.#all.splice(
      this.#all.findIndex(({ entry }) => sums.get(entry.peer) === most),
      1,
    )
    this.sizeBytes -= gone?.sizeBytes ?? 0
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return ''
    throw error
  }
}
