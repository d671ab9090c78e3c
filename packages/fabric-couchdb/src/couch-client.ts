import { type Clock, deadline, KumikoError, sleep, systemClock } from '@kumiko/interface'
import { stringOf } from './document.ts'
import { type Json, readJson } from './json.ts'

/** How to reach a CouchDB. Names and defaults are those of `ledger.state.couchDBConfig` in `core.yaml`. */
export interface CouchClientOptions {
  /** `http://127.0.0.1:5984`, or `https:`; without user and password, which would be told in errors. A path is kept. */
  readonly url: string
  /** Who may create databases. Undefined where CouchDB asks nobody. */
  readonly username?: string | undefined
  /** Never told in errors. */
  readonly password?: string | undefined
  /** Tries after the first, of a request that is not answered or with an error of CouchDB's own, and of documents in conflict. Default 3. */
  readonly maxRetries?: number
  /** The same for the first request of all. Default 10: about 2 minutes. */
  readonly maxRetriesOnStartup?: number
  /** For a request with its answer. Default 35,000. */
  readonly requestTimeoutMs?: number
  /** An answer's bytes at most, decompressed. Default 256 MiB. A page of documents that is larger is asked for in halves. */
  readonly answerSizeMaxBytes?: number
  readonly clock?: Clock
}

/** A request. */
export interface CouchRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** Not yet escaped. */
  readonly path: readonly string[]
  /** Escaped already. */
  readonly query?: string
  /** JSON. */
  readonly body?: string
  /** Statuses from 400 on that are no error to the caller. */
  readonly accept?: readonly number[]
}

/** What CouchDB answered. */
export interface CouchAnswer {
  readonly status: number
  readonly body: Json
}

/** A wait doubles with each try: 125 ms, 250 ms, 500 ms. As Fabric's. */
const RETRY_FIRST_MS = 125
const ANSWER_SIZE_MAX_BYTES = 256 * 1024 * 1024
const REASON_LENGTH_MAX = 200

/**
 * Talks to a CouchDB by `fetch`: with a time limit, a size limit and more tries, as each request may be sent again. Follows no redirection,
 * which would take the password elsewhere.
 * @see Fabric `core/ledger/kvledger/txmgmt/statedb/statecouchdb/couchdb.go` handleRequest
 */
export class CouchClient {
  readonly maxRetries: number
  readonly clock: Clock
  readonly username: string | undefined
  readonly #base: string
  readonly #headers: Record<string, string>
  readonly #timeoutMs: number
  readonly #sizeMaxBytes: number

  private constructor(options: CouchClientOptions) {
    this.#base = baseOf(options.url)
    this.username = options.username
    this.#headers = headersOf(options)
    this.clock = options.clock ?? systemClock
    this.maxRetries = options.maxRetries ?? 3
    this.#timeoutMs = options.requestTimeoutMs ?? 35_000
    this.#sizeMaxBytes = options.answerSizeMaxBytes ?? ANSWER_SIZE_MAX_BYTES
  }

  /**
   * Finds out whether CouchDB is there, with the patience of a start.
   * @throws KumikoError `fabric-couchdb/bad-url`; `fabric-couchdb/old-couchdb` before 2.0; and as {@link request}.
   */
  static async open(options: CouchClientOptions): Promise<CouchClient> {
    const client = new CouchClient(options)
    const { body } = await client.request({ method: 'GET', path: [''] }, options.maxRetriesOnStartup ?? 10)
    const version = stringOf(body, 'version') ?? ''
    if (Number.parseInt(version, 10) >= 2) return client
    throw new KumikoError('fabric-couchdb/old-couchdb', 'CouchDB must be 2.0 or later, and better 3', { context: { version } })
  }

  /**
   * @throws KumikoError `fabric-couchdb/unavailable` after the last try; `fabric-couchdb/refused` for a status from 400 on; `fabric-couchdb/bad-answer`;
   * `fabric-couchdb/answer-too-large`
   */
  async request(request: CouchRequest, maxRetries: number = this.maxRetries): Promise<CouchAnswer> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#try(request)
      } catch (error) {
        if (!hasCode(error, 'fabric-couchdb/unavailable') || attempt >= maxRetries) throw error
        await sleep(this.clock, RETRY_FIRST_MS * 2 ** attempt)
      }
    }
  }

  async #try(request: CouchRequest): Promise<CouchAnswer> {
    const { status, text } = await this.#send(request)
    const body = readJson(text, 'as-written')
    const context = {
      ...told(request),
      status,
      error: stringOf(body, 'error'),
      reason: stringOf(body, 'reason')?.slice(0, REASON_LENGTH_MAX),
    }
    if (status >= 500) throw new KumikoError('fabric-couchdb/unavailable', 'CouchDB failed', { context })
    if (status >= 400 && request.accept?.includes(status) !== true) {
      throw new KumikoError('fabric-couchdb/refused', `CouchDB answered ${status}: ${context.reason ?? 'it says no more'}`, { context })
    }
    if (body === undefined) throw new KumikoError('fabric-couchdb/bad-answer', 'the answer is no JSON: is it a CouchDB?', { context })
    return { status, body }
  }

  async #send(request: CouchRequest): Promise<{ readonly status: number; readonly text: string }> {
    const signal = deadline(this.clock, this.#timeoutMs)
    const path = request.path.map(encodeURIComponent).join('/')
    try {
      const response = await fetch(`${this.#base}/${path}${request.query ?? ''}`, {
        method: request.method,
        headers: this.#headers,
        body: request.body ?? null,
        redirect: 'error',
        signal,
      })
      return { status: response.status, text: await textOf(response, this.#sizeMaxBytes) }
    } catch (cause) {
      if (cause instanceof KumikoError) throw cause
      throw new KumikoError('fabric-couchdb/unavailable', 'CouchDB does not answer', { cause, context: told(request) })
    } finally {
      signal.clear()
    }
  }
}

/** Is it this error of ours? */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof KumikoError && error.code === code
}

/** Only the database, and what is asked of it: keys may be private. */
function told({ method, path }: CouchRequest): Record<string, unknown> {
  const [database, what = ''] = path
  return { method, database, what: what.startsWith('_') || what === '' ? what : 'a document' }
}

async function textOf(response: Response, sizeMaxBytes: number): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > sizeMaxBytes) {
      throw new KumikoError('fabric-couchdb/answer-too-large', `an answer exceeds ${sizeMaxBytes} bytes`, { context: { sizeMaxBytes } })
    }
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

function baseOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isPlain = url !== undefined && /^https?:$/.test(url.protocol) && url.username + url.password + url.search + url.hash === ''
  if (isPlain) return url.href.replace(/\/+$/, '')
  throw new KumikoError('fabric-couchdb/bad-url', 'the url of a CouchDB is http(s)://host:port; give user name and password as options')
}

function headersOf({ username, password }: CouchClientOptions): Record<string, string> {
  const headers = { accept: 'application/json', 'content-type': 'application/json' }
  if (username === undefined || password === undefined) return headers
  return { ...headers, authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }
}
