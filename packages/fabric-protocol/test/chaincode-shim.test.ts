import protos from '@hyperledger/fabric-protos'
import {
  ChaincodeAdditionalParams,
  ChaincodeMessage,
  ChaincodeMessageType,
  DelState,
  GetHistoryForKey,
  GetQueryResult,
  GetState,
  GetStateByRange,
  GetStateMetadata,
  GetStateMultiple,
  GetStateMultipleResult,
  type Message,
  PutState,
  PutStateMetadata,
  QueryMetadata,
  QueryResponse,
  QueryResponseMetadata,
  QueryResultKeyModification,
  QueryResultKv,
  QueryStateId,
  StateMetadataResult,
  WriteBatchState,
} from '@kumiko/fabric-protocol'
import { expect, it } from 'vitest'

interface Oracle {
  readonly deserializeBinary: (bytes: Uint8Array) => { serializeBinary(): Uint8Array }
}

const { peer, ledger } = protos
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const timestamp = { seconds: 1_780_000_000n, nanos: 5 }
const place = { key: 'ключ', collection: 'c' }
const metadata = { metakey: 'm', value: bytes('v') }

/** With every field set, so that a wrong number or type of a field shows. */
const cases: readonly (readonly [string, Uint8Array, Oracle])[] = [
  written(ChaincodeMessage, peer.ChaincodeMessage, {
    type: ChaincodeMessageType.completed,
    timestamp,
    payload: bytes('p'),
    txid: 't',
    proposal: { proposalBytes: bytes('p'), signature: bytes('s') },
    chaincodeEvent: { chaincodeId: 'c', txId: 't', eventName: 'e', payload: bytes('p') },
    channelId: 'ch',
  }),
  written(GetState, peer.GetState, place),
  written(GetStateMetadata, peer.GetStateMetadata, place),
  written(DelState, peer.DelState, place),
  written(DelState, peer.PurgePrivateState, place),
  written(GetStateMultiple, peer.GetStateMultiple, { keys: ['a', 'b'], collection: 'c' }),
  written(GetStateMultipleResult, peer.GetStateMultipleResult, { values: [bytes('a'), bytes('')] }),
  written(PutState, peer.PutState, { ...place, value: bytes('v') }),
  written(PutStateMetadata, peer.PutStateMetadata, { ...place, metadata }),
  written(WriteBatchState, peer.WriteBatchState, {
    rec: [{ ...place, value: bytes('v'), metadata, type: ChaincodeMessageType.purgePrivateData }],
  }),
  written(StateMetadataResult, peer.StateMetadataResult, { entries: [metadata, metadata] }),
  written(GetStateByRange, peer.GetStateByRange, { startKey: 'a', endKey: 'b', collection: 'c', metadata: bytes('m') }),
  written(GetQueryResult, peer.GetQueryResult, { query: '{}', collection: 'c', metadata: bytes('m') }),
  written(QueryMetadata, peer.QueryMetadata, { pageSize: 7, bookmark: 'b' }),
  written(GetHistoryForKey, peer.GetHistoryForKey, { key: 'k' }),
  written(QueryStateId, peer.QueryStateNext, { id: 'i' }),
  written(QueryStateId, peer.QueryStateClose, { id: 'i' }),
  written(QueryResponse, peer.QueryResponse, { results: [{ resultBytes: bytes('r') }], hasMore: true, id: 'i', metadata: bytes('m') }),
  written(QueryResponseMetadata, peer.QueryResponseMetadata, { fetchedRecordsCount: 9, bookmark: 'b' }),
  written(QueryResultKv, ledger.queryresult.KV, { namespace: 'n', key: 'k', value: bytes('v') }),
  written(QueryResultKeyModification, ledger.queryresult.KeyModification, { txId: 't', value: bytes('v'), timestamp, isDelete: true }),
]

it.each(cases)('%s is read and written alike by @hyperledger/fabric-protos', (_, mine, oracle) => {
  expect(Buffer.from(oracle.deserializeBinary(mine).serializeBinary()).toString('hex')).toBe(Buffer.from(mine).toString('hex'))
})

it('names the types of messages as @hyperledger/fabric-protos does', () => {
  const named = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
  const types = new Map<string, unknown>(Object.entries(peer.ChaincodeMessage.Type))
  for (const [name, type] of Object.entries(ChaincodeMessageType)) expect([name, types.get(named(name))]).toEqual([name, type])
  expect(types.size).toBe(Object.keys(ChaincodeMessageType).length)
})

it('tells what a peer can do, which @hyperledger/fabric-protos does not know', () => {
  const params = { useWriteBatch: true, maxSizeWriteBatch: 1000, useGetMultipleKeys: true, maxSizeGetMultipleKeys: 2 }
  expect(Buffer.from(ChaincodeAdditionalParams.encode(params)).toString('hex')).toBe('080110e80718012002')
})

function written<T extends object>(type: Message<T>, oracle: Oracle, value: T): readonly [string, Uint8Array, Oracle] {
  const mine = type.encode(value)
  expect(type.decode(mine)).toEqual(value)
  return [type.name, mine, oracle]
}
