import { posix } from 'node:path'
import type { FileSystem, RandomAccessFile } from '@kumiko/fabric-ledger'

interface Content {
  bytes: Uint8Array
  /** What outlives a loss of power; undefined where the folder was not synced since the file was made. */
  durable: Uint8Array | undefined
  synced: Uint8Array
}

/** A disk in memory, that stops at any byte, and loses at a loss of power all that was not synced. */
export class MemoryFileSystem implements FileSystem {
  readonly files: Map<string, Content> = new Map()
  /** Bytes that can be written before the crash. */
  bytesLeft = Number.POSITIVE_INFINITY
  /** Changes other than writes (truncate, sync, new file) that can be made before the crash. */
  changesLeft = Number.POSITIVE_INFINITY
  #isDown = false
  /** What a folder's names were before renames that it was not synced after, as `before`: undefined where there was no such file. */
  #renames: { readonly folder: string; readonly before: ReadonlyMap<string, Content | undefined> }[] = []

  /** Another one with the same files. */
  copy(): MemoryFileSystem {
    const other = new MemoryFileSystem()
    for (const [path, content] of this.files) other.files.set(path, { ...content })
    return other
  }

  /** The process ends; the next one finds what was written. */
  restart(): void {
    this.#isDown = false
    this.bytesLeft = Number.POSITIVE_INFINITY
    this.changesLeft = Number.POSITIVE_INFINITY
  }

  /** All that was not synced is gone. */
  losePower(): void {
    for (const { before } of this.#renames.reverse()) {
      for (const [path, content] of before) {
        if (content === undefined) this.files.delete(path)
        else this.files.set(path, content)
      }
    }
    this.#renames = []
    for (const [path, content] of this.files) {
      if (content.durable === undefined) this.files.delete(path)
      else content.bytes = content.durable.slice()
    }
  }

  async makeFolder(): Promise<void> {}

  async list(folder: string): Promise<readonly string[]> {
    const within = [...this.files.keys()].filter((path) => path.startsWith(`${folder}/`))
    return [...new Set(within.map((path) => path.slice(folder.length + 1).split('/')[0] ?? ''))]
  }

  /** Atomic. Undone by a loss of power before the folder is synced. */
  async rename(from: string, to: string): Promise<void> {
    this.#change()
    const before = new Map<string, Content | undefined>()
    for (const [path, content] of [...this.files]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue
      const target = to + path.slice(from.length)
      before.set(target, this.files.get(target)).set(path, content)
      this.files.delete(path)
      this.files.set(target, content)
    }
    this.#renames.push({ folder: posix.dirname(to), before })
  }

  async remove(path: string): Promise<void> {
    this.#change()
    for (const each of [...this.files.keys()]) if (each === path || each.startsWith(`${path}/`)) this.files.delete(each)
  }

  async syncFolder(folder: string): Promise<void> {
    this.#change()
    for (const [path, content] of this.files) if (posix.dirname(path) === folder) content.durable ??= content.synced
    this.#renames = this.#renames.filter((rename) => rename.folder !== folder)
  }

  async openToRead(path: string): Promise<RandomAccessFile> {
    if (!this.files.has(path)) throw new Error(`there is no ${path}`)
    return await this.open(path)
  }

  async open(path: string): Promise<RandomAccessFile> {
    const found = this.files.get(path)
    if (found === undefined) this.#change()
    const content = found ?? { bytes: new Uint8Array(), durable: undefined, synced: new Uint8Array() }
    this.files.set(path, content)
    return {
      size: async () => content.bytes.length,
      read: async (offset, length) => content.bytes.slice(offset, offset + length),
      write: async (bytes, offset) => this.#write(content, bytes, offset),
      truncate: async (size) => {
        this.#change()
        content.bytes = content.bytes.slice(0, size)
      },
      sync: async () => {
        this.#change()
        content.synced = content.bytes.slice()
        if (content.durable !== undefined) content.durable = content.synced
      },
      close: async () => {},
    }
  }

  #write(content: Content, bytes: Uint8Array, offset: number): void {
    if (this.#isDown) throw new Error('down')
    const part = bytes.subarray(0, Math.min(bytes.length, this.bytesLeft))
    const grown = new Uint8Array(Math.max(content.bytes.length, offset + part.length))
    grown.set(content.bytes)
    grown.set(part, offset)
    content.bytes = grown
    this.bytesLeft -= part.length
    if (part.length < bytes.length) this.#crash()
  }

  #change(): void {
    if (this.#isDown) throw new Error('down')
    if (this.changesLeft === 0) this.#crash()
    this.changesLeft--
  }

  #crash(): never {
    this.#isDown = true
    throw new Error('crash')
  }
}
