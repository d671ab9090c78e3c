import { readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KumikoError, type Millis } from '@kumiko/interface'
import type { Logger } from '@libp2p/interface'
import { Level } from 'level'
import { codeOf, type Misfit, makeFolder, moveAside, notAccessible } from './aside.ts'
import { seal, unseal } from './seal.ts'

/** The layout of keys and values. Each change of it has a number of its own. */
const FORMAT_VERSION = 1

/** Its value is the version in decimal digits, without a checksum: in all versions, so that each can tell the others. */
const VERSION_KEY: Uint8Array = new TextEncoder().encode('version')

/** More than what LevelDB writes when it opens. */
const PROBE_SIZE_BYTES = 65_536

const SCAN_ENTRIES = 1000

type BytesLevel = Level<Uint8Array, Uint8Array>

/** One change. */
export type Write =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array }

/** Keys from `gte` on, below `lt`. */
export interface KeyRange {
  readonly gte: Uint8Array
  readonly lt: Uint8Array
}

/** What opening needs. */
export interface DatabaseOptions {
  readonly path: string
  readonly log: Logger
  now(): Millis
}

/** Bytes by key, in order of the keys' bytes, in a LevelDB folder that no other process has open. */
export class Database {
  readonly #path: string
  readonly #log: Logger
  #level: BytesLevel
  /** A write failed. LevelDB's log may end in half an entry then, behind which it would read nothing back. */
  #isSuspect = false
  #renewal: Promise<void> | undefined

  private constructor({ path, log }: DatabaseOptions, level: BytesLevel) {
    this.#path = path
    this.#log = log
    this.#level = level
  }

  /**
   * Opens the folder and reads it through. What is broken or of another version is moved aside with one warning, and an empty database begun.
   *
   * @throws KumikoError `node-db/in-use`, `node-db/not-accessible`.
   */
  static async open(options: DatabaseOptions): Promise<Database> {
    const { path, log, now } = options
    await makeFolder(path)
    const found = await openLevel(path)
    if (found instanceof Level) return new Database(options, found)
    const target = await moveAside(path, found.misfit, now())
    log.error('node database "%s" %s: it is moved to "%s", and an empty one begun; its nodes will be found again', path, found.why, target)
    await makeFolder(path)
    const fresh = await openLevel(path)
    if (fresh instanceof Level) return new Database(options, fresh)
    throw notAccessible(path, `a fresh database ${fresh.why}`, fresh.cause)
  }

  /** @returns Undefined where there is none, or none that can be trusted. */
  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const sealed = await (await this.#reader()).get(key)
    return sealed === undefined ? undefined : unseal(key, sealed)
  }

  /** In the order of the keys. */
  async getMany(keys: Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const values = await (await this.#reader()).getMany(keys)
    return keys.map((key, index) => {
      const sealed = values[index]
      return sealed === undefined ? undefined : unseal(key, sealed)
    })
  }

  /** Entries of a range as they were at the beginning. Ending it early frees what it holds. */
  async *entries(range: KeyRange): AsyncGenerator<[key: Uint8Array, value: Uint8Array]> {
    for await (const [key, sealed] of (await this.#reader()).iterator({ ...range, fillCache: false })) {
      const value = unseal(key, sealed)
      if (value !== undefined) yield [key, value]
    }
  }

  /**
   * Visits keys of a range: each time the first from a given one on.
   *
   * @param visit - Is given `seek`, whose answer is undefined where the range has no entry from there on.
   */
  async seeking(range: KeyRange, visit: (seek: (key: Uint8Array) => Promise<Entry | undefined>) => Promise<void>): Promise<void> {
    const iterator = (await this.#reader()).iterator({ ...range, fillCache: false, highWaterMarkBytes: 1 })
    try {
      await visit(async (target) => {
        iterator.seek(target)
        const found = await iterator.next()
        return found === undefined ? undefined : { key: found[0], value: unseal(found[0], found[1]) }
      })
    } finally {
      await iterator.close()
    }
  }

  /**
   * Writes all or nothing. When it resolves the operating system has it: it outlives the process, however that ends. (It may not outlive a
   * loss of power: for what can be found again the price of waiting for the disk is too high.)
   */
  async write(writes: readonly Write[]): Promise<void> {
    if (this.#isSuspect) await this.#renew()
    const level = await this.#reader()
    try {
      await level.batch(writes.map((write) => (write.type === 'put' ? { ...write, value: seal(write.key, write.value) } : write)))
    } catch (error) {
      this.#isSuspect = true
      throw error
    }
    if (this.#isSuspect) throw new Error('a write beside this one failed, and this one may be lost with it')
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.#renewal?.catch(() => {})
    await this.#level.close()
  }

  async #reader(): Promise<BytesLevel> {
    await this.#renewal?.catch(() => {})
    return this.#level
  }

  /** Joined by whoever comes while it is under way. */
  #renew(): Promise<void> {
    this.#renewal ??= this.#reopen().finally(() => {
      this.#renewal = undefined
    })
    return this.#renewal
  }

  /** Only once the disk takes writes again: LevelDB cannot open without, and what is open can still be read. */
  async #reopen(): Promise<void> {
    const probe = join(this.#path, 'probe')
    await writeFile(probe, new Uint8Array(PROBE_SIZE_BYTES)).finally(() => rm(probe, { force: true }).catch(() => {}))
    await this.#level.close()
    const level = newLevel(this.#path)
    await level.open()
    this.#level = level
    this.#isSuspect = false
    this.#log('node database "%s" can be written again', this.#path)
  }
}

/** An entry that was found; its value is undefined where it cannot be trusted. */
export interface Entry {
  readonly key: Uint8Array
  readonly value: Uint8Array | undefined
}

/** Why a folder holds no database for us. */
interface Rejection {
  readonly misfit: Misfit
  /** Follows the path in a sentence. */
  readonly why: string
  readonly cause?: unknown
}

function newLevel(path: string): BytesLevel {
  return new Level<Uint8Array, Uint8Array>(path, { keyEncoding: 'view', valueEncoding: 'view' })
}

/** @throws KumikoError `node-db/in-use`, `node-db/not-accessible`. */
async function openLevel(path: string): Promise<BytesLevel | Rejection> {
  if (await lacksCurrent(path)) return broken('lacks its file CURRENT')
  const level = newLevel(path)
  try {
    await level.open()
    const rejection = await examine(level)
    if (rejection === undefined) return level
    await level.close()
    return rejection
  } catch (error) {
    await level.close().catch(() => {})
    return rejectionOf(path, error)
  }
}

/** LevelDB would take such a folder for an empty one, and delete what is in it. */
async function lacksCurrent(path: string): Promise<boolean> {
  const names = await readdir(path).catch((): string[] => [])
  if (names.includes('CURRENT')) return false
  for (const name of names.filter((each) => /\.(ldb|sst|log)$/.test(each))) {
    // A database whose making was interrupted has nothing in it.
    if ((await stat(join(path, name)).catch(() => undefined))?.size !== 0) return true
  }
  return false
}

/** Looks at the version, then at every entry. A database without any entry gets our version. */
async function examine(level: BytesLevel): Promise<Rejection | undefined> {
  const version = await level.get(VERSION_KEY)
  if (version === undefined) {
    for await (const _ of level.keys({ limit: 1 })) return { misfit: 'no-version', why: 'is of another program, or of an earlier kumiko' }
    await level.put(VERSION_KEY, new TextEncoder().encode(String(FORMAT_VERSION)), { sync: true })
    return undefined
  }
  const text = new TextDecoder('latin1').decode(version)
  if (!/^[1-9]\d{0,8}$/.test(text)) return broken('has a garbled version')
  if (Number(text) !== FORMAT_VERSION) {
    return { misfit: `version-${Number(text)}`, why: `is of format version ${text}, and this program reads version ${FORMAT_VERSION}` }
  }
  return await scan(level)
}

async function scan(level: BytesLevel): Promise<Rejection | undefined> {
  const iterator = level.iterator({ fillCache: false })
  try {
    for (let entries = await iterator.nextv(SCAN_ENTRIES); entries.length > 0; entries = await iterator.nextv(SCAN_ENTRIES)) {
      const isSound = entries.every(([key, sealed]) => isVersionKey(key) || unseal(key, sealed) !== undefined)
      if (!isSound) return broken('has an entry whose checksum is wrong')
    }
    return undefined
  } finally {
    await iterator.close()
  }
}

function isVersionKey(key: Uint8Array): boolean {
  return key.length === VERSION_KEY.length && key.every((byte, index) => byte === VERSION_KEY[index])
}

function broken(why: string, cause?: unknown): Rejection {
  return { misfit: 'broken', why, cause }
}

/** What the system says where it refuses. All else that LevelDB finds is of its files: missing, cut off, garbled. */
const REFUSED =
  /permission denied|not permitted|access is denied|read-only|no space left|quota exceeded|too large|too many open|input\/output error|memory/i

/** What the system refuses is not broken. */
function rejectionOf(path: string, error: unknown): Rejection {
  const cause = error instanceof Error ? (error.cause ?? error) : error
  const code = codeOf(cause)
  const text = cause instanceof Error ? cause.message : String(cause)
  if (code === 'LEVEL_LOCKED') {
    const message = `node database "${path}" is in use by another process: stop that one, or choose another path`
    throw new KumikoError('node-db/in-use', message, { context: { path }, cause })
  }
  if (code === 'LEVEL_IO_ERROR' && REFUSED.test(text.slice(text.lastIndexOf(':')))) throw notAccessible(path, text, cause)
  return broken(`is broken (${text})`, cause)
}
