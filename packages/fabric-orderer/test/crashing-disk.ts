import { dirname } from 'node:path'
import type { FileSystem, RandomAccessFile } from '@kumiko/fabric-ledger'

interface Content {
  written: Uint8Array
  synced: Uint8Array
  isListed: boolean
}

/** A disk in memory that stops at any byte, and may lose what was not synced. */
export class CrashingDisk implements FileSystem {
  readonly #files = new Map<string, Content>()
  /** Bytes that are still written. */
  bytesLeft: number = Number.POSITIVE_INFINITY
  #isDown = false

  /** The process is gone, and the next one begins. @param losesPower - What was not synced is gone too. */
  restart(losesPower: boolean): void {
    this.#isDown = false
    this.bytesLeft = Number.POSITIVE_INFINITY
    if (!losesPower) return
    for (const [path, content] of this.#files) {
      if (content.isListed) content.written = content.synced
      else this.#files.delete(path)
    }
  }

  get paths(): readonly string[] {
    return [...this.#files.keys()]
  }

  async makeFolder(): Promise<void> {}

  async list(folder: string): Promise<readonly string[]> {
    return this.paths.filter((path) => dirname(path) === folder).map((path) => path.slice(folder.length + 1))
  }

  async open(path: string): Promise<RandomAccessFile> {
    this.#assertUp()
    const none = new Uint8Array()
    const content = this.#files.get(path) ?? { written: none, synced: none, isListed: false }
    this.#files.set(path, content)
    return this.#file(content)
  }

  async openToRead(path: string): Promise<RandomAccessFile> {
    return await this.open(path)
  }

  async syncFolder(folder: string): Promise<void> {
    this.#assertUp()
    for (const [path, content] of this.#files) if (dirname(path) === folder) content.isListed = true
  }

  async rename(): Promise<void> {}

  async remove(path: string): Promise<void> {
    this.#assertUp()
    this.#files.delete(path)
  }

  #file(content: Content): RandomAccessFile {
    return {
      size: async () => content.written.length,
      read: async (offset, length) => content.written.slice(offset, offset + length),
      write: async (bytes, offset) => {
        this.#assertUp()
        const part = bytes.subarray(0, Math.min(bytes.length, this.bytesLeft))
        this.bytesLeft -= part.length
        const written = new Uint8Array(Math.max(content.written.length, offset + part.length))
        written.set(content.written)
        written.set(part, offset)
        content.written = written
        if (part.length === bytes.length) return
        this.#isDown = true
        this.#assertUp()
      },
      truncate: async (size) => {
        this.#assertUp()
        content.written = content.written.slice(0, size)
      },
      sync: async () => {
        // Others may come meanwhile.
        await undefined
        this.#assertUp()
        content.synced = content.written
      },
      close: async () => {},
    }
  }

  #assertUp(): void {
    if (this.#isDown) throw new Error('the disk is gone')
  }
}
