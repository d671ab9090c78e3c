import { QueryResponse } from '@kumiko/fabric-protocol'
import { refusal } from './refusal.ts'

/** Results that are sent at once. @see Fabric `core/chaincode/chaincode_support.go` */
const BATCH = 100

/** Queries that a transaction may have open at once; Fabric has no bound. */
const QUERIES_MAX = 10_000

/** What a query finds, each as its bytes. */
export type Results = AsyncIterator<Uint8Array>

interface OpenQuery {
  readonly results: Results
  /** How many results it gives at most. */
  readonly limit: number
  /** Read, but not sent: at most a batch. */
  pending: Uint8Array[]
  count: number
}

/**
 * A transaction's queries that were not read to their end. A batch is sent once the result after it is there: that one is kept, and a range
 * is recorded up to it.
 * @see Fabric `core/chaincode/query_response_generator.go`, `transaction_context.go`
 */
export class OpenQueries {
  readonly #open = new Map<string, OpenQuery>()
  #count = 0

  /** An id of its own for a query. */
  newId(): string {
    return String(++this.#count)
  }

  /** Begins a query, and gives its first batch. @throws KumikoError `fabric-chaincode/refused`; and what reading throws: it is closed then. */
  async begin(results: Results, limit: number): Promise<Uint8Array> {
    if (this.#open.size >= QUERIES_MAX) throw refusal(`the transaction has ${QUERIES_MAX} queries open: close some`)
    const id = this.newId()
    this.#open.set(id, { results, limit, pending: [], count: 0 })
    return await this.next(id)
  }

  /** The next batch. @throws As {@link begin}. */
  async next(id: string): Promise<Uint8Array> {
    const query = this.#open.get(id)
    if (query === undefined) throw refusal('query iterator not found')
    try {
      return await this.#batch(id, query)
    } catch (error) {
      await this.close(id)
      throw error
    }
  }

  /** Ends a query; an unknown one is none. */
  async close(id: string): Promise<void> {
    const query = this.#open.get(id)
    this.#open.delete(id)
    await query?.results.return?.()
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((id) => this.close(id)))
  }

  async #batch(id: string, query: OpenQuery): Promise<Uint8Array> {
    while (query.count < query.limit) {
      const { done, value } = await query.results.next()
      if (done === true) break
      query.count++
      if (query.pending.push(value) <= BATCH) continue
      const batch = query.pending
      query.pending = batch.splice(BATCH)
      return response(id, batch, true)
    }
    await this.close(id)
    return response(id, query.pending, false)
  }
}

function response(id: string, batch: readonly Uint8Array[], hasMore: boolean): Uint8Array {
  return QueryResponse.encode({ id, hasMore, results: batch.map((resultBytes) => ({ resultBytes })) })
}
