import { createServer, type IncomingMessage } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { compareUtf8 } from '@kumiko/fabric-protocol'

/** A CouchDB to test with. */
export interface CouchServer {
  readonly url: string
  /** What was asked so far: `POST /mychannel_cc/_bulk_docs`. */
  readonly requests: string[]
  close(): Promise<void>
}

interface Answer {
  readonly status: number
  readonly body: unknown
}

type Ask = (method: string, path: string, body?: unknown) => Promise<Answer>

interface PouchDB {
  plugin(plugin: unknown): void
  defaults(options: object): unknown
}

const require = createRequire(import.meta.url)
let count = 0

/**
 * `express-pouchdb` on PouchDB in memory, at a port of the loopback, with another server before it that mends where it is not as CouchDB:
 * PouchDB orders ids by UTF-16 and hides some from ranges, knows no bookmarks and no `_security`, and removes databases that are not there,
 * and takes ranges that end before they start.
 * It answers what CouchDB does not: numbers it writes as JavaScript does, and a query without an index for a sort it refuses in other words.
 */
export async function couchServer(): Promise<CouchServer> {
  const Pouch = require('pouchdb-core') as PouchDB
  Pouch.plugin(require('pouchdb-adapter-memory'))
  const app = require('express-pouchdb')(Pouch.defaults({ adapter: 'memory', prefix: `couch${count++}-` }), {
    mode: 'minimumForPouchDB',
    overrideMode: { include: ['routes/find'] },
  })
  const inner = await listen(createServer(app))
  const requests: string[] = []
  const outer = await listen(
    createServer((request, response) => {
      requests.push(`${request.method} ${decodeURIComponent(request.url ?? '')}`)
      const answer = textOf(request).then((text) => mended(asker(inner.url), request, text))
      answer.then(
        ({ status, body }) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
        () => response.destroy(),
      )
    }),
  )
  return {
    url: outer.url,
    requests,
    async close() {
      await outer.close()
      await inner.close()
    },
  }
}

/** A server at a port of the loopback. */
export async function listen(server: ReturnType<typeof createServer>): Promise<{ readonly url: string; close(): Promise<void> }> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** A request's body. */
export async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  return text
}

async function mended(ask: Ask, request: IncomingMessage, text: string): Promise<Answer> {
  const { method = '', url = '' } = request
  const body = text === '' ? undefined : JSON.parse(text)
  if (url.endsWith('/_security')) return { status: 200, body: { ok: true } }
  if (url.endsWith('/_all_docs') && body.keys === undefined) return await range(ask, url, body)
  if (url.endsWith('/_find')) return await find(ask, url, body)
  if (method === 'DELETE' && (await ask('GET', url)).status === 404) return { status: 404, body: { error: 'not_found', reason: 'missing' } }
  return await ask(method, url, body)
}

interface Range {
  readonly startkey?: string
  readonly endkey?: string
  readonly inclusive_end?: boolean
  readonly limit: number
}

async function range(ask: Ask, url: string, { startkey = '', endkey, inclusive_end = true, limit, ...rest }: Range): Promise<Answer> {
  if (endkey !== undefined && compareUtf8(startkey, endkey) > 0) return { status: 400, body: { error: 'query_parse_error' } }
  const { status, body } = await ask('POST', url, { ...rest, inclusive_end: true, startkey: '', endkey: '\uffff\uffff' })
  const { rows } = body as { readonly rows: readonly { readonly id: string }[] }
  const isBeforeEnd = (id: string): boolean => endkey === undefined || compareUtf8(id, endkey) < (inclusive_end ? 1 : 0)
  const within = rows.filter(({ id }) => compareUtf8(id, startkey) >= 0 && isBeforeEnd(id))
  return { status, body: { rows: within.sort((a, b) => compareUtf8(a.id, b.id)).slice(0, limit) } }
}

interface Query {
  readonly bookmark?: string
  readonly limit?: number
}

async function find(ask: Ask, url: string, { bookmark = '0', ...query }: Query): Promise<Answer> {
  const { status, body } = await ask('POST', url, { ...query, skip: Number(bookmark) })
  const found = body as { readonly docs?: readonly unknown[] }
  if (found.docs === undefined) return { status, body }
  return { status, body: { ...found, bookmark: found.docs.length === 0 ? 'nil' : String(Number(bookmark) + found.docs.length) } }
}

function asker(base: string): Ask {
  return async (method, path, body) => {
    const headers = { accept: 'application/json', 'content-type': 'application/json' }
    const response = await fetch(base + path, { method, headers, body: body === undefined ? null : JSON.stringify(body) })
    return { status: response.status, body: await response.json() }
  }
}
