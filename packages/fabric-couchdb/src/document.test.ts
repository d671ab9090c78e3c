import { encodeUtf8 } from '@kumiko/fabric-protocol'
import { describe, expect, it } from 'vitest'
import { entryOf, membersOf, refusalOf } from './document.ts'
import { type JsonObject, readJson } from './json.ts'

const NONE = new Uint8Array()
const version = { blockNumber: 2n, transactionNumber: 0n }

function change(value: string, metadata: Uint8Array = NONE): Parameters<typeof membersOf>[0] {
  return { namespace: 'cc', key: 'k', value: encodeUtf8(value), metadata, version }
}

function document(text: string): JsonObject {
  return readJson(text, 'as-written') as JsonObject
}

describe('documents', () => {
  it('hold the members of a JSON object, and the version as Fabric does', () => {
    expect(membersOf(change('{"b" : 1.0, "a": "x&y", "n": 9007199254740993}'))).toEqual(
      new Map([
        ['~version', '"CgMBAgA="'],
        ['b', '1'],
        ['a', '"x\\u0026y"'],
        ['n', '9007199254740992'],
      ]),
    )
  })

  it.each(['', 'text', '1', 'null', '[{"a":1}]', '{"a":1} x', '{"a":1e400}', '\ufeff{}', '{'])('hold %j as an attachment', (value) => {
    const members = membersOf(change(value, Uint8Array.of(1, 2)))
    const data = Buffer.from(value).toString('base64')
    const attachments = `{"valueBytes":{"content_type":"application/octet-stream","data":"${data}"}}`
    expect([...members]).toEqual([
      ['~version', '"CgMBAgASAgEC"'],
      ['_attachments', attachments],
    ])
    const entry = entryOf(document(`{"_id":"k","_rev":"1-x","~version":"CgMBAgASAgEC","_attachments":${attachments}}`))
    expect(entry).toEqual({ key: 'k', value: new Uint8Array(Buffer.from(value)), metadata: Uint8Array.of(1, 2), version, revision: '1-x' })
  })

  it('are deleted', () => {
    expect(membersOf({ ...change(''), value: undefined })).toEqual(new Map([['_deleted', 'true']]))
  })

  it('tell JSON with its members sorted, and numbers as CouchDB writes them', () => {
    const told = entryOf(document('{"_id":"k","_rev":"3-x","~version":"CgMBAgA=","z":1.0e21,"a":{"d":1.50,"c":"<\\u00e9"}}'))
    expect(told?.value).toEqual(encodeUtf8('{"a":{"c":"\\u003cé","d":1.50},"z":1.0e21}'))
    expect(told?.version).toEqual(version)
    expect(entryOf(document('{"_id":"k","~version":"CgMBAgA="}'))?.value).toEqual(encodeUtf8('{}'))
  })

  it('tell nothing where their attachment was left out', () => {
    expect(entryOf(document('{"_id":"k","~version":"CgMBAgA=","_attachments":{"valueBytes":{"stub":true}}}'))).toBeUndefined()
  })

  it.each([
    '{"_id":"k","_rev":"1-x","a":1}',
    '{"~version":"CgMBAgA="}',
    '{"_id":1,"~version":"CgMBAgA="}',
    '{"_id":"k","~version":7}',
    '{"_id":"k","~version":""}',
    '{"_id":"k","~version":"CgMBAg=="}',
    '{"_id":"k","~version":"/////w=="}',
    '{"_id":"k","~version":"CgMBAgA=","_attachments":{"other":{"data":""}}}',
  ])('refuse %s', (text) => {
    expect(() => entryOf(document(text))).toThrow(expect.objectContaining({ code: 'fabric-couchdb/bad-document' }))
  })
})

describe('writes', () => {
  it.each([
    ['', '1', 'invalid key. Empty string is not supported as a key by couchdb'],
    ['_a', '1', 'invalid key [_a], cannot begin with "_"'],
    ['_', '1', 'invalid key [_], cannot begin with "_"'],
    ['a\ud800', '1', 'invalid key [61efbfbd], must be a UTF-8 string'],
    ['a', '{"_id":1}', 'field [_id] is not valid for the CouchDB state database'],
    ['a', '{"a":1,"_x":1}', 'field [_x] is not valid for the CouchDB state database'],
    ['a', '{"~version":1}', 'field [~version] is not valid for the CouchDB state database'],
    ['a', '{"\\u005fa":1}', 'field [_a] is not valid for the CouchDB state database'],
    ['a', '{"\\u007eversion":"x"}', 'field [~version] is not valid for the CouchDB state database'],
  ])('are refused in Fabric’s words: %j = %s', (key, value, words) => {
    expect(refusalOf(key, encodeUtf8(value))).toBe(words)
    const write = { ...change(value), key }
    expect(() => membersOf(write)).toThrow(expect.objectContaining({ code: 'fabric-couchdb/bad-write' }))
  })

  it.each([
    ['a_', '{"a_":1}'],
    ['~', '{"~versio":1,"valueBytes":2}'],
    ['\u0000c\u0000', '{"a":{"_id":1,"~version":2}}'],
    ['\u{10ffff}', '[{"_id":1}]'],
    ['a', '{"_id":1e400}'],
    ['a', '{"_id":1'],
    ['a', ''],
    ['a', 'null'],
  ])('are held: %j = %s', (key, value) => {
    expect(refusalOf(key, encodeUtf8(value))).toBeUndefined()
  })
})
