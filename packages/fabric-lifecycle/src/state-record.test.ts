import { describe, expect, it } from 'vitest'
import { EndorsementInfo } from './chaincode-definition.ts'
import { readMessageField, readNumberField, recordKeys, recordWrites, StateData, StateMetadata, type StateRecord } from './state-record.ts'

const record: StateRecord = { table: 'namespaces', name: 'cc', datatype: 'T', fields: new Map([['A', { string: 'a' }]]) }

describe('recordWrites', () => {
  it('deletes fields that are no more, and says what the record is anew', () => {
    const [what = '', a = '', b = ''] = recordKeys({ table: 'namespaces', name: 'cc', fields: ['A', 'B'] })
    const existing = new Map([
      [what, StateMetadata.encode({ datatype: 'T', fields: ['A', 'B'] })],
      [a, StateData.encode({ string: 'a' })],
      [b, StateData.encode({ string: 'b' })],
    ])
    expect(recordWrites(record, (key) => existing.get(key))).toEqual([
      { key: what, value: StateMetadata.encode({ datatype: 'T', fields: ['A'] }) },
      { key: b, value: undefined },
    ])
  })

  it('is at fault where what is there does not read', () => {
    expect(recordWrites(record, () => Uint8Array.of(0xff))).toMatchObject({ fault: 'fabric-lifecycle/bad-record' })
  })
})

describe('fields', () => {
  it('of another type are at fault', () => {
    const text = StateData.encode({ string: 'a' })
    expect(readNumberField(text)).toMatchObject({ fault: 'fabric-lifecycle/bad-record' })
    expect(readMessageField(EndorsementInfo, text)).toMatchObject({ fault: 'fabric-lifecycle/bad-record' })
    expect(readMessageField(EndorsementInfo, StateData.encode({ bytes: Uint8Array.of(0xff) }))).toMatchObject({
      fault: 'fabric-lifecycle/bad-record',
    })
  })
})
