import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type FileSystem, nodeFileSystem, type RandomAccessFile } from '@kumiko/fabric-ledger'
import { ClassicLevel } from 'classic-level'

/** The writes that LevelDB is asked for, as `classic-level` has them. */
const LEVEL_WRITES = ['_batch', '_put', '_del', '_clear'] as const
type LevelWrite = (...args: unknown[]) => Promise<unknown>
type LevelBatch = () => { _write(this: unknown, options: object): Promise<unknown> }

/**
 * Stops all writing at a chosen write: of LevelDB, of all databases of the process, and of a file system. From then on all fail, until
 * {@link mend}. What was written before is there: so it is when a process ends. So nothing is synced in earnest either.
 */
export class Faults {
  /** How many writes still go well. */
  left: number = Number.POSITIVE_INFINITY
  /** How many there were. */
  count = 0
  /** What happens at the write that does not go well. */
  readonly #strike: () => Error
  readonly #originals = new Map<string, LevelWrite | LevelBatch>()
  #isDown = false

  constructor(strike: () => Error = () => new Error('ENOSPC: no space left on device')) {
    this.#strike = strike
    const prototype = ClassicLevel.prototype as unknown as Record<string, LevelWrite | LevelBatch>
    const before = () => this.#before()
    const makeBatch = prototype._chainedBatch as LevelBatch
    this.#originals.set('_chainedBatch', makeBatch)
    prototype._chainedBatch = function (this: unknown) {
      const batch = makeBatch.apply(this)
      const write = batch._write
      batch._write = async function (this: unknown) {
        before()
        await write.call(this, { sync: false })
      }
      return batch
    }
    for (const name of LEVEL_WRITES) {
      const original = prototype[name] as LevelWrite
      this.#originals.set(name, original)
      prototype[name] = async function (this: unknown, ...args: unknown[]) {
        before()
        const last = args.at(-1)
        return await original.apply(this, typeof last === 'object' ? [...args.slice(0, -1), { ...last, sync: false }] : args)
      }
    }
  }

  /** The system's own, with faults. A write that fails leaves half its bytes, the removal of a folder half its files. */
  get fileSystem(): FileSystem {
    return {
      ...nodeFileSystem,
      syncFolder: async () => this.#before(),
      rename: async (from, to) => {
        this.#before()
        await nodeFileSystem.rename(from, to)
      },
      remove: async (path) => {
        if (this.left === 0 && !this.#isDown) await removeHalf(path)
        this.#before()
        await nodeFileSystem.remove(path)
      },
      open: async (path) => this.#fileOf(await nodeFileSystem.open(path)),
    }
  }

  /** All goes well again. */
  mend(): void {
    this.#isDown = false
    this.left = Number.POSITIVE_INFINITY
  }

  /** LevelDB is as it was. */
  end(): void {
    const prototype = ClassicLevel.prototype as unknown as Record<string, LevelWrite | LevelBatch>
    for (const [name, original] of this.#originals) prototype[name] = original
  }

  #fileOf(file: RandomAccessFile): RandomAccessFile {
    return {
      ...file,
      write: async (bytes, offset) => {
        if (this.left === 0 && !this.#isDown) await file.write(bytes.subarray(0, bytes.length >> 1), offset)
        this.#before()
        await file.write(bytes, offset)
      },
      truncate: async (size) => {
        this.#before()
        await file.truncate(size)
      },
      sync: async () => this.#before(),
    }
  }

  #before(): void {
    if (this.#isDown) throw new Error('it is down')
    if (this.left === 0) {
      this.#isDown = true
      throw this.#strike()
    }
    this.left--
    this.count++
  }
}

async function removeHalf(path: string): Promise<void> {
  const names = await readdir(path).catch(() => [])
  for (const name of names.sort().slice(names.length >> 1)) await nodeFileSystem.remove(join(path, name))
}
