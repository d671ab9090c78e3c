import { readPrivateReadWriteSet } from '@kumiko/fabric-protocol'
import { goldenJson } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import {
  approvalRecord,
  type ChaincodeDefinition,
  chaincodeDefinition,
  definitionRecord,
  packageRecord,
  readChaincodeDefinition,
} from '../src/chaincode-definition.ts'
import { definedCollection } from '../src/collection.ts'
import { type RecordWrite, recordWrites, type StateRecord } from '../src/state-record.ts'

/** What the real peer has in `_lifecycle` at the end. */
function goldenState(): ReadonlyMap<string, Uint8Array> {
  const { state } = goldenJson('expected.json') as {
    readonly state: Readonly<Record<string, readonly { readonly key: string; readonly value: string }[]>>
  }
  return new Map((state._lifecycle ?? []).map(({ key, value }) => [key, fromBase64(value)]))
}

async function goldenDefinition(): Promise<ChaincodeDefinition> {
  const state = goldenState()
  const definition = await chaincodeDefinition(async (keys) => keys.map((key) => state.get(key)), 'golden')
  if (definition === undefined || isFault(definition)) throw new Error('no definition')
  return definition
}

function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'))
}

function written(record: StateRecord, existing: ReadonlyMap<string, Uint8Array>): readonly RecordWrite[] {
  const writes = recordWrites(record, (key) => existing.get(key))
  if (isFault(writes)) throw new Error(writes.detail)
  return writes
}

describe('the recorded definition', () => {
  it('is read as it was committed', async () => {
    const definition = await goldenDefinition()
    expect(definition).toMatchObject({
      sequence: 1n,
      endorsementInfo: { version: '1.0', initRequired: false, endorsementPlugin: 'escc' },
      validationInfo: { validationPlugin: 'vscc' },
    })
    expect(definedCollection(definition.collections, 'short')).toMatchObject({
      blockToLive: 3n,
      memberOnlyRead: true,
      memberOnlyWrite: false,
      maximumPeerCount: 1,
      endorsementPolicy: undefined,
    })
    expect(definedCollection(definition.collections, 'none')).toBeUndefined()
  })

  it('is written as the real peer wrote it', async () => {
    const writes = written(definitionRecord('golden', await goldenDefinition()), new Map())
    expect(new Map(writes.map(({ key, value }) => [key, value]))).toEqual(goldenState())
  })

  it('is not written where it is there already, and but for its changes where it is not', async () => {
    const definition = await goldenDefinition()
    expect(written(definitionRecord('golden', definition), goldenState())).toEqual([])
    expect(written(definitionRecord('golden', { ...definition, sequence: 2n }), goldenState()).map(({ key }) => key)).toEqual([
      'namespaces/fields/golden/Sequence',
    ])
  })

  it('was approved by the same bytes', async () => {
    const { blocks } = goldenJson('private-data.json') as { readonly blocks: Readonly<Record<string, Readonly<Record<string, string>>>> }
    const set = readPrivateReadWriteSet(fromBase64(blocks['1']?.['0'] ?? ''))
    if (isFault(set)) throw new Error(set.detail)
    const real = set.namespaces[0]?.collections[0]?.keyValue.writes.map(({ key, value }) => [key, value])
    const definition = await goldenDefinition()
    const packageId = 'golden_1.0:6b7193aaec23e3c9893a0bb59ab18dafb24dfcbe2729473458edcf02bdbc9874'
    const ours = [
      ...written(approvalRecord('golden', 1n, definition), new Map()),
      ...written(packageRecord('golden', 1n, packageId), new Map()),
    ]
    expect(new Map(ours.map(({ key, value }) => [key, value]))).toEqual(new Map(real as [string, Uint8Array][]))
  })
})

describe('readChaincodeDefinition', () => {
  it('finds none where nothing says what it is', () => {
    expect(readChaincodeDefinition([undefined, Uint8Array.of(1), undefined, undefined, undefined])).toBeUndefined()
  })

  it('reads absent fields as empty ones, as Go does', () => {
    const [metadata] = [...goldenState()].filter(([key]) => key === 'namespaces/metadata/golden').map(([, value]) => value)
    expect(readChaincodeDefinition([metadata, undefined, undefined, undefined, undefined])).toMatchObject({
      sequence: 0n,
      validationInfo: { validationPlugin: '' },
      collections: { config: [] },
    })
  })
})
