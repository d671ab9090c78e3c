import { KumikoError, type Millis } from '@kumiko/interface'
import type { Logger } from '@libp2p/interface'
import { type Datastore, Key } from 'interface-datastore'

/** More is not read. */
const SIZE_BYTES_MAX = 32 * 1024 * 1024

/** What keeping a text needs. */
export interface StoredTextParts {
  readonly datastore: () => Datastore
  /** Where it is kept. */
  readonly key: string
  readonly log: Logger
  readonly now: () => Millis
  /** Makes the text, as it is to be kept now. */
  readonly text: () => string
}

/** One text in a datastore, written anew after each change; changes that come while it is being written share the next write. */
export class StoredText {
  readonly #parts: StoredTextParts
  #isStale = false
  #writing: Promise<void> | undefined
  #error: unknown

  constructor(parts: StoredTextParts) {
    this.#parts = parts
  }

  /**
   * Reads what is kept. What `use` throws at is set aside under another key, with one line in the log.
   *
   * @throws KumikoError `connection-manager/not-loaded` where the datastore fails.
   */
  async load(use: (text: string) => void): Promise<void> {
    const bytes = await this.#get()
    if (bytes === undefined) return
    try {
      if (bytes.length > SIZE_BYTES_MAX) throw new Error(`it has ${bytes.length} bytes`)
      use(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    } catch (error) {
      await this.#setAside(bytes, error)
    }
  }

  /** What is kept has changed. */
  changed(): void {
    this.#isStale = true
    this.#write()
  }

  /** Waits until the last change is written. @throws KumikoError `connection-manager/not-stored`. */
  async flush(): Promise<void> {
    this.#write()
    await this.#writing
    if (!this.#isStale) return
    const { key } = this.#parts
    throw new KumikoError('connection-manager/not-stored', `could not write ${key} to the datastore`, {
      context: { key },
      cause: this.#error,
    })
  }

  #write(): void {
    if (this.#writing !== undefined || !this.#isStale) return
    this.#writing = this.#writeAll()
  }

  /** Ends with a failure, or when nothing has changed meanwhile. */
  async #writeAll(): Promise<void> {
    // What changes in the same turn is written together.
    await Promise.resolve()
    try {
      while (this.#isStale) await this.#writeOnce()
    } catch (error) {
      this.#isStale = true
      this.#error = error
      this.#parts.log.error('could not write %s - %e', this.#parts.key, error)
    }
    this.#writing = undefined
  }

  async #writeOnce(): Promise<void> {
    const { datastore, key, text } = this.#parts
    this.#isStale = false
    await datastore().put(new Key(key), new TextEncoder().encode(text()))
  }

  async #get(): Promise<Uint8Array | undefined> {
    const { datastore, key } = this.#parts
    try {
      const [store, at] = [datastore(), new Key(key)]
      return (await store.has(at)) ? await store.get(at) : undefined
    } catch (cause) {
      throw new KumikoError('connection-manager/not-loaded', `could not read ${key} from the datastore`, { context: { key }, cause })
    }
  }

  async #setAside(bytes: Uint8Array, error: unknown): Promise<void> {
    const { datastore, key, log, now } = this.#parts
    const aside = `${key}.broken-${Math.round(now())}`
    const why = (error instanceof Error ? error.message : String(error)).slice(0, 200)
    try {
      await datastore().put(new Key(aside), bytes)
      await datastore().delete(new Key(key))
    } catch (cause) {
      throw new KumikoError('connection-manager/not-loaded', `could not set ${key} aside, which is broken: ${why}`, {
        context: { key },
        cause,
      })
    }
    log.error('what is stored at %s is broken (%s): it is set aside as %s, and does not hold', key, why, aside)
  }
}
