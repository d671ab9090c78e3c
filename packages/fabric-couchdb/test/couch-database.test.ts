import type { ServerResponse } from 'node:http'
import { systemClock } from '@kumiko/interface'
import { afterEach, describe, expect, it } from 'vitest'
import { CouchClient } from '../src/couch-client.ts'
import { CouchDatabase } from '../src/couch-database.ts'
import { RevisionCache } from '../src/revision-cache.ts'
import { type ScriptedServer, say, scriptedServer, welcome } from './scripted-server.ts'

let server: ScriptedServer | undefined
afterEach(async () => await server?.close())

/** Its CouchDB answers what PouchDB never would. */
async function database(...script: readonly ((response: ServerResponse) => void)[]): Promise<CouchDatabase> {
  server = await scriptedServer(welcome, ...script)
  const clock = {
    now: systemClock.now,
    at: (time: number, then: () => void) => systemClock.at(time - systemClock.now() > 30_000 ? time : 0, then),
  }
  return new CouchDatabase(
    'db',
    await CouchClient.open({ url: server.url, username: 'peer', password: 'secret', clock }),
    new RevisionCache(10),
  )
}

function asked(): string[] {
  return server?.asked.slice(1).map(({ method, path, body }) => `${method} ${path} ${body}`) ?? []
}

const row = (id: string): object => ({ id, key: id, value: { rev: '1-x' }, doc: { _id: id, _rev: '1-x', '~version': 'CgMBAgA=' } })
const missing = say(404, { error: 'not_found', reason: 'no_db_file' })
const OURS = '{"names":["peer"],"roles":[]}'
const write = { id: 'a', members: new Map([['n', '1']]) }

describe('a database', () => {
  it('is made, for our user alone', async () => {
    await (await database(missing, say(201, { ok: true }), say(200, { ok: true }))).create()
    expect(asked()).toEqual(['GET /db ', 'PUT /db ', `PUT /db/_security {"admins":${OURS},"members":${OURS}}`])
  })

  it('that is there is not made, but closed to others: a crash may have come between', async () => {
    await (await database(say(200, { db_name: 'db' }), say(200, { ok: true }))).create()
    expect(asked()).toEqual(['GET /db ', `PUT /db/_security {"admins":${OURS},"members":${OURS}}`])
  })

  it('that another made meanwhile is no fault', async () => {
    await (await database(missing, say(412, { error: 'file_exists' }), say(200, { ok: true }))).create()
  })

  it('that may not be made is one', async () => {
    const forbidden = say(401, { error: 'unauthorized', reason: 'You are not a server admin.' })
    await expect((await database(missing, forbidden)).create()).rejects.toMatchObject({ code: 'fabric-couchdb/refused' })
  })

  it('that is not there is as good as removed', async () => {
    await (await database(missing)).drop()
  })
})

describe('reading', () => {
  it.each([
    ['by UTF-16', ['\u{1f600}', '\uff5e']],
    ['without regard to case', ['a', 'B']],
    ['twice', ['a', 'a']],
    ['before the start', ['A']],
  ])('refuses keys %s', async (_, ids) => {
    const couch = await database(say(200, { rows: ids.map(row) }))
    await expect(couch.page('B', '', 10)).rejects.toMatchObject({ code: 'fabric-couchdb/bad-order' })
  })

  it.each([[[]], [{ rows: {} }], [{ rows: 1 }], [null]])('refuses %j for rows', async (answer) => {
    const couch = await database(say(200, answer))
    await expect(couch.page('', '', 10)).rejects.toMatchObject({ code: 'fabric-couchdb/bad-answer' })
    await expect(couch.entries(['a'])).rejects.toMatchObject({ code: 'fabric-couchdb/bad-answer' })
    await expect(couch.find('{}')).rejects.toMatchObject({ code: 'fabric-couchdb/bad-answer' })
  })

  it('refuses documents that others wrote', async () => {
    const couch = await database(say(200, { rows: [{ ...row('a'), doc: { _id: 'a', _rev: '1-x', n: 1 } }] }))
    await expect(couch.page('', '', 10)).rejects.toMatchObject({ code: 'fabric-couchdb/bad-document' })
  })

  it('fetches an attachment that was left out, of the same revision', async () => {
    const doc = { _id: 'a/b', _rev: '2-y', '~version': 'CgMBAgA=' }
    const stub = { ...doc, _attachments: { valueBytes: { stub: true, length: 1 } } }
    const whole = { ...doc, _attachments: { valueBytes: { data: 'AQ==' } } }
    const couch = await database(say(200, { docs: [stub], bookmark: 'g' }), say(200, whole), say(200, { docs: [stub] }), say(200, stub))
    expect(await couch.find('{}')).toMatchObject({ entries: [{ key: 'a/b', value: Uint8Array.of(1) }], bookmark: 'g' })
    expect(asked()[1]).toBe('GET /db/a%2Fb?attachments=true&rev=2-y ')
    await expect(couch.find('{}')).rejects.toMatchObject({ code: 'fabric-couchdb/bad-answer' })
  })

  it('takes no revision of what is deleted', async () => {
    const deleted = { id: 'a', key: 'a', value: { rev: '2-y', deleted: true }, doc: null }
    const couch = await database(say(200, { rows: [deleted] }), say(201, [{ ok: true, id: 'a', rev: '3-z' }]))
    await couch.write([write])
    expect(asked()[1]).toBe('POST /db/_bulk_docs {"docs":[{"_id":"a","n":1}]}')
  })
})

describe('writing', () => {
  const conflict = say(201, [{ id: 'a', error: 'conflict', reason: 'Document update conflict.' }])
  const revision = (rev: string): ReturnType<typeof say> => say(200, { rows: [{ id: 'a', key: 'a', value: { rev } }] })

  it('tries a conflict again, with the revision as it is then', async () => {
    const couch = await database(revision('1-x'), conflict, revision('2-y'), say(201, [{ ok: true, id: 'a', rev: '3-z' }]), conflict)
    await couch.write([write])
    expect(asked().filter((each) => each.includes('_bulk_docs'))).toEqual([
      'POST /db/_bulk_docs {"docs":[{"_id":"a","_rev":"1-x","n":1}]}',
      'POST /db/_bulk_docs {"docs":[{"_id":"a","_rev":"2-y","n":1}]}',
    ])
  })

  it('gives up on a conflict after the last try', async () => {
    const step = (at: number) => (at % 2 === 0 ? revision(`${at}-x`) : conflict)
    const couch = await database(...Array.from({ length: 20 }, (_, at) => step(at)))
    await expect(couch.write([write])).rejects.toMatchObject({ code: 'fabric-couchdb/conflict', context: { database: 'db' } })
    expect(asked().length).toBe(8)
  })

  it.each([
    ['forbidden', [{ id: 'a', error: 'forbidden', reason: 'no' }], 'fabric-couchdb/refused'],
    ['nothing', [{}], 'fabric-couchdb/refused'],
    ['too few', [], 'fabric-couchdb/bad-answer'],
    ['no list', { ok: true }, 'fabric-couchdb/bad-answer'],
  ])('fails where CouchDB says %s of a document', async (_, answer, code) => {
    await expect((await database(revision('1-x'), say(201, answer))).write([write])).rejects.toMatchObject({ code })
  })
})
