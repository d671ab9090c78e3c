import type { KeyValue, PageOfEntries } from '@kumiko/fabric-ledger'
import {
  GetHistoryForKey,
  GetQueryResult,
  GetStateByRange,
  QueryMetadata,
  QueryResponse,
  QueryResponseMetadata,
  QueryResultKeyModification,
  QueryResultKv,
  QueryStateId,
} from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import type { Execution } from './execution.ts'
import { readRequest } from './read-request.ts'
import { refusal } from './refusal.ts'

/** Reads a range of keys, or a page of it. */
export async function getStateByRange(execution: Execution, payload: Uint8Array): Promise<Uint8Array> {
  const { startKey, endKey, collection, metadata } = readRequest(GetStateByRange, payload)
  const page = pageOf(metadata)
  const { simulator, namespace } = execution
  if (collection !== '') {
    await execution.assertRead(collection)
    const entries = simulator.privateRange(namespace, collection, startKey, endKey)
    return await execution.queries.begin(results(namespace, entries), limitOf(execution, page))
  }
  if (page === undefined) {
    return await execution.queries.begin(results(namespace, simulator.range(namespace, startKey, endKey)), limitOf(execution, page))
  }
  const size = limitOf(execution, page)
  return pageResponse(execution, await simulator.rangePage(namespace, startKey, endKey, { size, bookmark: page.bookmark }))
}

/** Asks the state database in its own language. */
export async function getQueryResult(execution: Execution, payload: Uint8Array): Promise<Uint8Array> {
  const request = readRequest(GetQueryResult, payload)
  try {
    return await queryRichly(execution, request)
  } catch (error) {
    if (!(error instanceof KumikoError) || error.code !== 'fabric-ledger/no-rich-queries') throw error
    const isByPage = request.collection === '' && pageOf(request.metadata) !== undefined
    throw refusal(`${isByPage ? 'ExecuteQueryWithMetadata' : 'ExecuteQuery'} not supported for leveldb`)
  }
}

async function queryRichly(execution: Execution, { query, collection, metadata }: GetQueryResult): Promise<Uint8Array> {
  const page = pageOf(metadata)
  const { simulator, namespace } = execution
  const size = limitOf(execution, page)
  if (collection !== '') {
    await execution.assertRead(collection)
    return await execution.queries.begin(results(namespace, simulator.privateQuery(namespace, collection, query)), size)
  }
  if (page === undefined) return await execution.queries.begin(results(namespace, simulator.query(namespace, query)), size)
  return pageResponse(execution, await simulator.queryPage(namespace, query, { size, bookmark: page.bookmark }))
}

/** Asks what became of a key. */
export async function getHistoryForKey(execution: Execution, payload: Uint8Array): Promise<Uint8Array> {
  const { key } = readRequest(GetHistoryForKey, payload)
  const { simulator, namespace } = execution
  return await execution.queries.begin(modifications(simulator.history(namespace, key)), limitOf(execution, undefined))
}

/** Asks for more of a query. */
export async function nextOfQuery(execution: Execution, payload: Uint8Array): Promise<Uint8Array> {
  return await execution.queries.next(readRequest(QueryStateId, payload).id)
}

/** Ends a query; an unknown one is none. */
export async function closeQuery(execution: Execution, payload: Uint8Array): Promise<Uint8Array> {
  const { id } = readRequest(QueryStateId, payload)
  await execution.queries.close(id)
  return QueryResponse.encode({ id })
}

/** Which page is asked for; undefined for all. */
function pageOf(metadata: Uint8Array): QueryMetadata | undefined {
  const page = readRequest(QueryMetadata, metadata)
  return page.pageSize === 0 && page.bookmark === '' ? undefined : page
}

function limitOf({ peer }: Execution, page: QueryMetadata | undefined): number {
  const size = page?.pageSize ?? 0
  return size > 0 ? Math.min(size, peer.queryResultsMax) : peer.queryResultsMax
}

async function* results(namespace: string, entries: AsyncIterable<KeyValue>): AsyncGenerator<Uint8Array> {
  for await (const { key, value } of entries) yield QueryResultKv.encode({ namespace, key, value })
}

async function* modifications(entries: ReturnType<Execution['simulator']['history']>): AsyncGenerator<Uint8Array> {
  for await (const { txId, value, timestamp, isDelete } of entries) {
    yield QueryResultKeyModification.encode({ txId, value, timestamp, isDelete })
  }
}

function pageResponse(execution: Execution, { entries, bookmark }: PageOfEntries): Uint8Array {
  const { namespace } = execution
  return QueryResponse.encode({
    id: execution.queries.newId(),
    results: entries.map(({ key, value }) => ({ resultBytes: QueryResultKv.encode({ namespace, key, value }) })),
    metadata: QueryResponseMetadata.encode({ fetchedRecordsCount: entries.length, bookmark }),
  })
}
