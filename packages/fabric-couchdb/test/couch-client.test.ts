import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { type Clock, systemClock } from '@kumiko/interface'
import { afterEach, describe, expect, it } from 'vitest'
import { CouchClient, type CouchClientOptions } from '../src/couch-client.ts'
import { type ScriptedServer, say, scriptedServer, welcome } from './scripted-server.ts'

const PASSWORD = 'correct horse battery staple'
const REQUEST = { method: 'POST', path: ['db', '_find'], body: '{"selector":{"secret":"of a private collection"}}' } as const

let server: ScriptedServer | undefined
afterEach(async () => await server?.close())

/** Waits never, and tells for how long it should have. */
function impatient(waits: number[]): Clock {
  return {
    now: systemClock.now,
    at(time, callback) {
      const waitMs = Math.round(time - systemClock.now())
      // The deadline of a request is far.
      if (waitMs > 30_000) return systemClock.at(time, callback)
      waits.push(waitMs)
      return systemClock.at(0, callback)
    },
  }
}

async function client(
  script: readonly ((response: ServerResponse) => void)[],
  options: Partial<CouchClientOptions> = {},
): Promise<CouchClient> {
  server = await scriptedServer(welcome, ...script)
  return await CouchClient.open({ url: server.url, username: 'admin', password: PASSWORD, clock: impatient([]), ...options })
}

/** What it fails with; it must tell no secret. */
async function failure(work: Promise<unknown>): Promise<{ readonly code: string; readonly context: Record<string, unknown> }> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  const told = [JSON.stringify(error), String(error), String((error as Error).cause), (error as Error).stack].join()
  for (const secret of [PASSWORD, Buffer.from(`admin:${PASSWORD}`).toString('base64'), 'private collection'])
    expect(told).not.toContain(secret)
  return error as { readonly code: string; readonly context: Record<string, unknown> }
}

const garble = (response: ServerResponse): void => void response.writeHead(200).end('<html>')
const cut = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-length': '100' })
  response.write('{"docs":', () => response.destroy())
}
const hangUp = (response: ServerResponse): void => void response.destroy()
const neverAnswer = (): void => {}
const trickle = (response: ServerResponse): void => void response.writeHead(200).write('{')
const found = say(200, { docs: [] })

describe('a request to CouchDB', () => {
  it('is sent with user and password, which stay out of all else', async () => {
    const { body } = await (await client([found])).request(REQUEST)
    expect(body.text).toBe('{"docs":[]}')
    const authorization = `Basic ${Buffer.from(`admin:${PASSWORD}`).toString('base64')}`
    expect(server?.asked.map(({ method, path, headers }) => [method, path, headers.authorization])).toEqual([
      ['GET', '/', authorization],
      ['POST', '/db/_find', authorization],
    ])
    expect(server?.asked[1]?.body).toBe(REQUEST.body)
  })

  it.each([
    ['an error of its own', say(500, { error: 'internal_server_error', reason: 'eacces' })],
    ['a proxy without a CouchDB', (response: ServerResponse) => void response.writeHead(502).end('Bad Gateway')],
    ['a connection that is cut', cut],
    ['a connection that is hung up', hangUp],
  ])('is sent again after %s', async (_, fault) => {
    const waits: number[] = []
    const couch = await client([fault, fault, fault, found], { clock: impatient(waits) })
    expect((await couch.request(REQUEST)).status).toBe(200)
    expect(server?.asked.length).toBe(5)
    expect(waits).toEqual([125, 250, 500])
  })

  it.each([
    ['is never answered', neverAnswer],
    ['is answered by and by', trickle],
  ])('is sent again when it %s in time', async (_, fault) => {
    const couch = await client([fault, found], { requestTimeoutMs: 150, clock: systemClock })
    expect((await couch.request(REQUEST)).status).toBe(200)
    expect(server?.asked.length).toBe(3)
  })

  it('fails after the last try', async () => {
    const couch = await client([say(503, { error: 'busy', reason: 'compacting' })], { maxRetries: 1 })
    const { code, context } = await failure(couch.request(REQUEST))
    expect(code).toBe('fabric-couchdb/unavailable')
    expect(context).toEqual({ method: 'POST', database: 'db', what: '_find', status: 503, error: 'busy', reason: 'compacting' })
    expect(server?.asked.length).toBe(3)
  })

  it.each([400, 401, 403, 404, 409, 412, 413, 429])('is not sent again where CouchDB refuses it with %i', async (status) => {
    const couch = await client([say(status, { error: 'e', reason: 'r'.repeat(1000) })])
    const { code, context } = await failure(couch.request({ ...REQUEST, path: ['db', 'key of a private collection'] }))
    expect(code).toBe('fabric-couchdb/refused')
    expect(context).toEqual({ method: 'POST', database: 'db', what: 'a document', status, error: 'e', reason: 'r'.repeat(200) })
    expect(server?.asked.length).toBe(2)
    expect((await couch.request({ ...REQUEST, accept: [status] })).status).toBe(status)
  })

  it('fails where the answer is no JSON', async () => {
    expect(await failure((await client([garble])).request(REQUEST))).toMatchObject({ code: 'fabric-couchdb/bad-answer' })
  })

  it.each([
    ['as it is', false],
    ['when decompressed', true],
  ])('reads no answer that is too large %s', async (_, isCompressed) => {
    const text = JSON.stringify({ docs: 'x'.repeat(1_000_000) })
    const answer = (response: ServerResponse): void => {
      response.writeHead(200, isCompressed ? { 'content-encoding': 'gzip' } : {})
      response.end(isCompressed ? gzipSync(text) : text)
    }
    const couch = await client([answer, found], { answerSizeMaxBytes: 100_000 })
    expect(await failure(couch.request(REQUEST))).toMatchObject({ code: 'fabric-couchdb/answer-too-large' })
    expect((await couch.request(REQUEST)).status).toBe(200)
  })

  it('follows no redirection', async () => {
    const other = await scriptedServer(found)
    const away = (response: ServerResponse): void => void response.writeHead(307, { location: other.url }).end()
    const couch = await client([away], { maxRetries: 0 })
    expect(await failure(couch.request(REQUEST))).toMatchObject({ code: 'fabric-couchdb/unavailable' })
    expect(other.asked).toEqual([])
    await other.close()
  })

  it('escapes what it names', async () => {
    await (await client([found])).request({ method: 'GET', path: ['ch_$a+(b)', 'a/b?c#d%\u0000é'] })
    expect(server?.asked[1]?.path).toBe('/ch_%24a%2B(b)/a%2Fb%3Fc%23d%25%00%C3%A9')
  })
})

describe('a CouchDB', () => {
  it('is waited for at the start', async () => {
    const waits: number[] = []
    server = await scriptedServer(hangUp, say(500, {}), hangUp, hangUp, welcome)
    await CouchClient.open({ url: `${server.url}/`, maxRetries: 0, clock: impatient(waits) })
    expect(waits).toEqual([125, 250, 500, 1000])
  })

  it('must be 2.0 or later', async () => {
    server = await scriptedServer(say(200, { couchdb: 'Welcome', version: '1.7.2' }), say(200, {}))
    const open = (): Promise<unknown> => CouchClient.open({ url: server?.url ?? '' })
    expect(await failure(open())).toMatchObject({ code: 'fabric-couchdb/old-couchdb', context: { version: '1.7.2' } })
    expect(await failure(open())).toMatchObject({ code: 'fabric-couchdb/old-couchdb' })
  })

  it.each([
    '',
    '127.0.0.1:5984',
    'ftp://127.0.0.1',
    `http://admin:${encodeURIComponent(PASSWORD)}@127.0.0.1:5984`,
    'http://a?b',
    'http://a#b',
  ])('is not at %j', async (url) => expect(await failure(CouchClient.open({ url }))).toMatchObject({ code: 'fabric-couchdb/bad-url' }))
})
