import type { StateEntry } from '@kumiko/fabric-ledger'
import { compareUtf8 } from '@kumiko/fabric-protocol'
import { KumikoError, sleep } from '@kumiko/interface'
import { type CouchAnswer, type CouchClient, hasCode } from './couch-client.ts'
import { entryOf, type Members, memberOf, type StoredEntry, stringOf } from './document.ts'
import { type Json, type JsonObject, writeObject, writeString } from './json.ts'
import type { RevisionCache } from './revision-cache.ts'

/** A document to be written: with members, or deleted where they say so. */
export interface Write {
  readonly id: string
  readonly members: Members
}

/** What a rich query found. */
export interface Found {
  readonly entries: readonly StateEntry[]
  readonly bookmark: string
  /** What CouchDB has to say of the query: that it has no index. */
  readonly warning: string | undefined
}

/** A part of a range. */
export interface Page {
  readonly entries: readonly StateEntry[]
  /** From where to go on; undefined at the end. */
  readonly next: string | undefined
}

const RETRY_FIRST_MS = 125

/** One database of a CouchDB: its documents with their revisions. */
export class CouchDatabase {
  readonly name: string
  readonly #client: CouchClient
  readonly #revisions: RevisionCache
  readonly #reserved: ReadonlySet<string>

  /**
   * @param name - As `database-name.ts` makes them.
   * @param reserved - Documents that hold no key.
   */
  constructor(name: string, client: CouchClient, revisions: RevisionCache, reserved: ReadonlySet<string> = new Set()) {
    this.name = name
    this.#client = client
    this.#revisions = revisions
    this.#reserved = reserved
  }

  /** Makes it where it is missing, and opens it to our user alone. */
  async create(): Promise<void> {
    const { status } = await this.#client.request({ method: 'GET', path: [this.name], accept: [404] })
    if (status === 404) await this.#client.request({ method: 'PUT', path: [this.name], accept: [412] })
    if (this.#client.username === undefined) return
    const ours = `{"names":[${writeString(this.#client.username)}],"roles":[]}`
    await this.#client.request({ method: 'PUT', path: [this.name, '_security'], body: `{"admins":${ours},"members":${ours}}` })
  }

  /** Removes it, if it is there. */
  async drop(): Promise<void> {
    await this.#client.request({ method: 'DELETE', path: [this.name], accept: [404] })
  }

  /** A document that holds no key. */
  async read(id: string): Promise<JsonObject | undefined> {
    const { status, body } = await this.#client.request({ method: 'GET', path: [this.name, id], accept: [404] })
    if (status !== 404 && body.kind !== 'object') throw this.#badAnswer('a document')
    return status === 404 || body.kind !== 'object' ? undefined : body
  }

  /** What keys hold, of those that are there. @param keys - Few enough for a request. */
  async entries(keys: readonly string[]): Promise<ReadonlyMap<string, StateEntry>> {
    const rows = await halving(keys, async (some) => await this.#rows({ keys: some, include_docs: true, attachments: true }))
    const entries = new Map((await this.#entriesOf(rows.map((row) => memberOf(row, 'doc')))).map((entry) => [entry.key, entry]))
    for (const key of keys) this.#revisions.set(this.name, key, entries.get(key)?.revision ?? '')
    return entries
  }

  /**
   * What keys hold from one on, in the order of their UTF-8.
   * @param end - Excluded; `''` for no end.
   * @throws KumikoError `fabric-couchdb/bad-order` where the database orders them otherwise.
   */
  async page(from: string, end: string, limit: number): Promise<Page> {
    const range = { ...(from !== '' && { startkey: from }), ...(end !== '' && { endkey: end, inclusive_end: false }) }
    try {
      const rows = await this.#rows({ ...range, limit, include_docs: true, attachments: true })
      checkOrder(rows.map(idOf), from)
      const last = rows.at(-1)
      const next = rows.length < limit || last === undefined ? undefined : `${idOf(last)}\u0000`
      return { entries: await this.#entriesOf(rows.map((row) => memberOf(row, 'doc'))), next }
    } catch (error) {
      if (!hasCode(error, 'fabric-couchdb/answer-too-large') || limit === 1) throw error
      return await this.page(from, end, Math.ceil(limit / 2))
    }
  }

  /** Writes documents over what is there, whatever its revision; tries again those that meanwhile changed. @param writes - Each id once. */
  async write(writes: readonly Write[]): Promise<void> {
    let left = writes
    for (let attempt = 0; left.length > 0; attempt++) {
      if (attempt > 0) await sleep(this.#client.clock, RETRY_FIRST_MS * 2 ** (attempt - 1))
      const conflicts = await this.#tryWrite(left)
      if (conflicts.length > 0 && attempt >= this.#client.maxRetries) {
        throw new KumikoError('fabric-couchdb/conflict', 'another process writes to the database', { context: { database: this.name } })
      }
      left = conflicts
    }
  }

  /**
   * Runs a query of Mango.
   * @param query - JSON.
   * @throws KumikoError `fabric-couchdb/refused`, as for a sort without an index.
   */
  async find(query: string): Promise<Found> {
    const { body } = await this.#post('_find', query)
    const documents = memberOf(body, 'docs')
    if (documents?.kind !== 'array') throw this.#badAnswer('_find')
    const entries = await this.#entriesOf(documents.items)
    return { entries, bookmark: stringOf(body, 'bookmark') ?? '', warning: stringOf(body, 'warning') }
  }

  /** Makes an index, or one that has the name anew. @param definition - JSON. */
  async index(definition: string): Promise<void> {
    await this.#post('_index', definition)
  }

  /** @returns What was in conflict; its revisions are forgotten. */
  async #tryWrite(writes: readonly Write[]): Promise<readonly Write[]> {
    const revisions = await this.#revisionsOf(writes.map(({ id }) => id))
    // Nothing to delete where nothing is.
    const needed = writes.filter(({ id, members }) => revisions.get(id) !== '' || !members.has('_deleted'))
    if (needed.length === 0) return []
    const documents = needed.map(({ id, members }) => documentText(id, revisions.get(id) ?? '', members))
    const { body } = await this.#post('_bulk_docs', `{"docs":[${documents.join(',')}]}`)
    if (body.kind !== 'array' || body.items.length !== needed.length) throw this.#badAnswer('_bulk_docs')
    return needed.filter((write, index) => !this.#isWritten(write, body.items[index]))
  }

  /** @returns False for a conflict. */
  #isWritten({ id, members }: Write, result: Json | undefined): boolean {
    const revision = stringOf(result, 'rev')
    const error = stringOf(result, 'error')
    if (error === undefined && revision !== undefined) {
      this.#revisions.set(this.name, id, members.has('_deleted') ? '' : revision)
      return true
    }
    this.#revisions.delete(this.name, id)
    if (error === 'conflict') return false
    const context = { database: this.name, error, reason: stringOf(result, 'reason') }
    throw new KumikoError('fabric-couchdb/refused', 'CouchDB refused a document', { context })
  }

  /** By id; `''` of what is absent. */
  async #revisionsOf(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const revisions = new Map(ids.map((id) => [id, this.#revisions.get(this.name, id)]))
    const keys = ids.filter((id) => revisions.get(id) === undefined)
    if (keys.length > 0) for (const row of await this.#rows({ keys })) revisions.set(idOf(row), revisionOf(row))
    return new Map([...revisions].map(([id, revision]) => [id, revision ?? '']))
  }

  /** Rows of `_all_docs`, whose keys CouchDB orders by their bytes, unlike a view's. */
  async #rows(options: object): Promise<readonly Json[]> {
    const { body } = await this.#post('_all_docs', JSON.stringify(options))
    const rows = memberOf(body, 'rows')
    if (rows?.kind !== 'array') throw this.#badAnswer('_all_docs')
    return rows.items
  }

  /** Of documents, leaving out what holds no key: CouchDB's own, as indexes, and ours. */
  async #entriesOf(documents: readonly (Json | undefined)[]): Promise<StoredEntry[]> {
    const held = documents.filter((document) => document?.kind === 'object').filter((document) => this.#isHeld(idOf(document)))
    return await Promise.all(held.map(async (document) => entryOf(document) ?? (await this.#entryWithAttachment(document))))
  }

  #isHeld(id: string): boolean {
    return !id.startsWith('_') && !this.#reserved.has(id)
  }

  /** Some answers leave attachments out. */
  async #entryWithAttachment(document: JsonObject): Promise<StoredEntry> {
    const query = `?attachments=true&rev=${encodeURIComponent(stringOf(document, '_rev') ?? '')}`
    const { body } = await this.#client.request({ method: 'GET', path: [this.name, idOf(document)], query })
    const entry = body.kind === 'object' ? entryOf(body) : undefined
    if (entry === undefined) throw this.#badAnswer('a document')
    return entry
  }

  #post(what: string, body: string): Promise<CouchAnswer> {
    return this.#client.request({ method: 'POST', path: [this.name, what], body })
  }

  #badAnswer(what: string): KumikoError {
    return new KumikoError('fabric-couchdb/bad-answer', 'CouchDB answered otherwise than it should', {
      context: { database: this.name, what },
    })
  }
}

/** Runs for all, and where the answer is too large for half of them at a time. */
async function halving<T>(all: readonly string[], run: (some: readonly string[]) => Promise<readonly T[]>): Promise<readonly T[]> {
  try {
    return await run(all)
  } catch (error) {
    if (!hasCode(error, 'fabric-couchdb/answer-too-large') || all.length === 1) throw error
    const middle = Math.ceil(all.length / 2)
    return [...(await halving(all.slice(0, middle), run)), ...(await halving(all.slice(middle), run))]
  }
}

function documentText(id: string, revision: string, members: Members): string {
  const own: [string, string][] = [['_id', writeString(id)]]
  if (revision !== '') own.push(['_rev', writeString(revision)])
  return writeObject([...members, ...own])
}

/** Of a row or a document. A row of a key that is absent has no id. */
function idOf(json: Json): string {
  return stringOf(json, '_id') ?? stringOf(json, 'id') ?? stringOf(json, 'key') ?? ''
}

/** Of a row; `''` where it is absent or deleted. */
function revisionOf(row: Json): string {
  const value = memberOf(row, 'value')
  return memberOf(value, 'deleted')?.text === 'true' ? '' : (stringOf(value, 'rev') ?? '')
}

function checkOrder(ids: readonly string[], from: string): void {
  const isOrdered = ids.every((id, index) => (index === 0 ? compareUtf8(id, from) >= 0 : compareUtf8(id, ids[index - 1] ?? '') > 0))
  if (!isOrdered) throw new KumikoError('fabric-couchdb/bad-order', 'the database does not order keys by their UTF-8, as CouchDB does')
}
