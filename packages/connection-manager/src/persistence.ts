import type { FilterAction } from '@kumiko/interface'
import { KumikoError, type Millis } from '@kumiko/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { AddressFilter, AddressFilterSet, AddressFilterState } from './address-filters.ts'
import type { Bans } from './bans.ts'
import { StoredText, type StoredTextParts } from './stored-text.ts'
import { networkOf } from './target.ts'

/** Of what is written. */
const FORMAT_VERSION = 1
const FILTERS_KEY = '/kumiko/connection-manager/address-filters'
const BANS_KEY = '/kumiko/connection-manager/bans'

/** More of a ban's detail is not kept. */
const DETAIL_LENGTH_MAX = 200

/** What persistence works with. */
export interface PersistenceParts extends Pick<StoredTextParts, 'datastore' | 'log' | 'now'> {
  /** Undefined: they are not kept. */
  readonly filters: AddressFilterSet | undefined
  /** Undefined: they are not kept. */
  readonly bans: Bans | undefined
}

/** Keeps address filters and bans in the node's datastore, where that is asked for. */
export class Persistence {
  readonly #filters: StoredText | undefined
  readonly #bans: StoredText | undefined
  readonly #parts: PersistenceParts
  #isLoaded = false
  /** From the first load on, bans are what we know of them: what is kept may be older. */
  #hasBans = false

  constructor(parts: PersistenceParts) {
    const { filters, bans, now } = parts
    this.#parts = parts
    if (filters !== undefined) this.#filters = new StoredText({ ...parts, key: FILTERS_KEY, text: () => filtersText(filters.state()) })
    if (bans !== undefined) this.#bans = new StoredText({ ...parts, key: BANS_KEY, text: () => bansText(bans, now()) })
  }

  /** False: nothing is kept. */
  get isNeeded(): boolean {
    return this.#filters !== undefined || this.#bans !== undefined
  }

  /** Takes over what is kept. @throws KumikoError `connection-manager/not-loaded`. */
  async load(): Promise<void> {
    const { filters, bans, now } = this.#parts
    await this.#filters?.load((text) => filters?.replace(readFilters(text)))
    const isStale = this.#hasBans || (bans !== undefined && bans.size > 0)
    if (!this.#hasBans) {
      await this.#bans?.load((text) => {
        for (const { target, until, detail } of readBans(text)) bans?.addOlder(targetOf(target), { until, detail }, now())
      })
    }
    this.#hasBans = true
    this.#isLoaded = true
    if (isStale) this.#bans?.changed()
  }

  /** Waits for what is being written. Does not throw: that it could not be written has been logged. */
  async close(): Promise<void> {
    await this.flush().catch(() => {})
    this.#isLoaded = false
  }

  /** @throws KumikoError `connection-manager/not-stored`. */
  async flush(): Promise<void> {
    if (!this.#isLoaded) return
    await Promise.all([this.#filters?.flush(), this.#bans?.flush()])
  }

  /** An address filter is about to change. @throws KumikoError `connection-manager/not-started` where what is kept is not read yet. */
  filtersChange(): void {
    if (this.#filters === undefined) return
    if (!this.#isLoaded) {
      const message = 'address filters are kept in the datastore, and read at the start: start the node first, or give them as options'
      throw new KumikoError('connection-manager/not-started', message)
    }
    this.#filters.changed()
  }

  /** A ban was made or lifted. Before the start it is written once what is kept has been read. */
  bansChanged(): void {
    if (this.#isLoaded) this.#bans?.changed()
  }
}

function filtersText({ defaultAction, filters }: AddressFilterState): string {
  return JSON.stringify({ version: FORMAT_VERSION, defaultAction, filters: filters.map(({ mask, action }) => [mask, action]) })
}

function bansText(bans: Bans, now: Millis): string {
  const list = bans
    .list(now)
    .map(({ target, until, detail }) => [
      target,
      until === Number.POSITIVE_INFINITY ? null : until,
      detail?.slice(0, DETAIL_LENGTH_MAX) ?? null,
    ])
  return JSON.stringify({ version: FORMAT_VERSION, bans: list })
}

/** @throws for what {@link filtersText} has not written; masks and actions are checked by whoever takes them. */
function readFilters(text: string): AddressFilterState {
  const { defaultAction, filters } = parse(text)
  if (!isAction(defaultAction) || !Array.isArray(filters)) throw new Error('it holds no address filters')
  return { defaultAction, filters: filters.map(readFilter) }
}

function readFilter(entry: unknown): AddressFilter {
  const [mask, action]: unknown[] = Array.isArray(entry) ? entry : []
  if (typeof mask !== 'string' || !isAction(action)) throw new Error('a filter is no mask with an action')
  return { mask, action }
}

interface StoredBan {
  readonly target: string
  readonly until: Millis
  readonly detail: string | undefined
}

/** @throws for what {@link bansText} has not written. */
function readBans(text: string): StoredBan[] {
  const { bans } = parse(text)
  if (!Array.isArray(bans)) throw new Error('it holds no bans')
  return bans.map((entry: unknown) => {
    const [target, until, detail]: unknown[] = Array.isArray(entry) ? entry : []
    if (typeof target !== 'string' || (until !== null && typeof until !== 'number') || (detail !== null && typeof detail !== 'string')) {
      throw new Error('a ban is no target with a time')
    }
    targetOf(target)
    return { target, until: until ?? Number.POSITIVE_INFINITY, detail: detail ?? undefined }
  })
}

/** A peer's text, or a network. @throws for what is neither. */
function targetOf(text: string): string | ReturnType<typeof networkOf> {
  return text.includes('/') ? networkOf(text) : peerIdFromString(text).toString()
}

function parse(text: string): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null) throw new Error('it is no object')
  const fields: Readonly<Record<string, unknown>> = { ...value }
  if (fields.version !== FORMAT_VERSION) throw new Error(`it is of version ${String(fields.version)}, not ${FORMAT_VERSION}`)
  return fields
}

function isAction(value: unknown): value is FilterAction {
  return value === 'none' || value === 'accept' || value === 'deny'
}
