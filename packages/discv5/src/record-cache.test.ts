import { enrOf } from '@kumiko/identity'
import { expect, it } from 'vitest'
import { recordAt } from '../test/party.ts'
import { RecordCache } from './record-cache.ts'

const secretKey = new Uint8Array(32).fill(5)
const endpoint = { ip: '127.0.0.1', port: 30303 }
const node = recordAt(secretKey, endpoint)
const record = enrOf(node)?.bytes ?? new Uint8Array(0)

it('reads a record, and the second time gives the same node', () => {
  const cache = new RecordCache()
  const read = cache.read(record)
  expect(read).toEqual(node)
  expect(cache.read(record.slice())).toBe(read)
})

it('does not take the signature for the record', () => {
  const cache = new RecordCache()
  cache.read(record)
  const changed = record.slice()
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
  expect(cache.read(changed)).toBeUndefined()
  expect(cache.read(record)).toBeDefined()
})

it('takes nothing from what is no record', () => {
  const cache = new RecordCache()
  for (const bytes of [new Uint8Array(0), new Uint8Array(3), record.subarray(0, 60)]) expect(cache.read(bytes)).toBeUndefined()
})
