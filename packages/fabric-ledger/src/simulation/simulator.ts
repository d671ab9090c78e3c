import type { SimulatedPrivateWrite } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import type { StateSnapshot } from '../state/state-database.ts'
import { type KeyValue, type Page, type PageOfEntries, QueryExecutor, type QuerySources } from './query-executor.ts'
import { type RecordedSimulation, SimulationRecord } from './simulation-record.ts'
import { type WrittenMetadata, writtenMetadata } from './written-metadata.ts'

/** What a simulation comes down to. */
export interface SimulationResults extends RecordedSimulation {
  /** Of each key that it writes, as the state had it. */
  readonly writtenMetadata: readonly WrittenMetadata[]
}

/** What a simulation did that does not go together with writes. */
type UnrecordedQuery = 'a query of private data' | 'a query by pages'

const NONE: ReadonlyMap<string, Uint8Array> = new Map()

/**
 * Runs a transaction without any effect, and records what it reads and writes: its {@link results} are what endorsers sign. It reads one
 * height, as Fabric's does under its lock, but no block waits for it: the database shows it a snapshot ({@link withSnapshots}).
 *
 * A simulation that queries private data, or by pages, must not write, neither before nor after: what such a query would find when the
 * transaction is committed is not checked then. It throws a KumikoError `fabric-ledger/read-only`.
 * @see Fabric `core/ledger/kvledger/txmgmt/txmgr/tx_simulator.go`; research § 3.5.6, 3.6
 */
export class Simulator extends QueryExecutor {
  readonly #state: QuerySources['state']
  readonly #snapshot: StateSnapshot
  readonly #record: SimulationRecord
  #hasWritten = false
  #unrecorded: UnrecordedQuery | undefined

  private constructor(sources: QuerySources, snapshot: StateSnapshot, record: SimulationRecord) {
    super(sources, snapshot, record)
    this.#state = sources.state
    this.#snapshot = snapshot
    this.#record = record
  }

  /** Begins at the height that the ledger has. Close it, whatever came of it: for some databases blocks wait until then. */
  static override async begin(sources: QuerySources): Promise<Simulator> {
    return new Simulator(sources, await sources.state.snapshot(), new SimulationRecord())
  }

  /** @param value - Empty deletes. The caller's to change no more. @throws KumikoError `fabric-ledger/bad-write` where the database refuses it. */
  setState(namespace: string, key: string, value: Uint8Array): void {
    this.#assertWrite(key, value)
    this.#record.write(namespace, key, value)
  }

  deleteState(namespace: string, key: string): void {
    this.#assertWrite(key)
    this.#record.write(namespace, key, undefined)
  }

  /** Replaces all metadata of a key. @param metadata - By name; none removes it. */
  setStateMetadata(namespace: string, key: string, metadata: ReadonlyMap<string, Uint8Array>): void {
    this.#assertWrite(key)
    this.#record.writeMetadata(namespace, key, metadata)
  }

  deleteStateMetadata(namespace: string, key: string): void {
    this.setStateMetadata(namespace, key, NONE)
  }

  /** @param value - Empty deletes. */
  async setPrivateData(namespace: string, collection: string, key: string, value: Uint8Array): Promise<void> {
    await this.#writePrivate(namespace, collection, { key, value })
  }

  async deletePrivateData(namespace: string, collection: string, key: string): Promise<void> {
    await this.#writePrivate(namespace, collection, { key, value: undefined })
  }

  /** Deletes a key with all that it held before. */
  async purgePrivateData(namespace: string, collection: string, key: string): Promise<void> {
    await this.#writePrivate(namespace, collection, { key, value: undefined, isPurge: true })
  }

  /** Replaces all metadata of a private key. @param metadata - By name; none removes it. */
  async setPrivateDataMetadata(
    namespace: string,
    collection: string,
    key: string,
    metadata: ReadonlyMap<string, Uint8Array>,
  ): Promise<void> {
    await this.assertCollection(namespace, collection)
    this.#assertWrite(key)
    this.#record.writePrivateMetadata(namespace, collection, key, metadata)
  }

  async deletePrivateDataMetadata(namespace: string, collection: string, key: string): Promise<void> {
    await this.setPrivateDataMetadata(namespace, collection, key, NONE)
  }

  override async rangePage(namespace: string, startKey: string, endKey: string, page: Page): Promise<PageOfEntries> {
    this.#assertReadOnly('a query by pages')
    return await super.rangePage(namespace, startKey, endKey, page)
  }

  override async queryPage(namespace: string, query: string, page: Page): Promise<PageOfEntries> {
    this.#assertReadOnly('a query by pages')
    return await super.queryPage(namespace, query, page)
  }

  override privateRange(namespace: string, collection: string, startKey: string, endKey: string): AsyncGenerator<KeyValue> {
    this.#assertReadOnly('a query of private data')
    return super.privateRange(namespace, collection, startKey, endKey)
  }

  override privateQuery(namespace: string, collection: string, query: string): AsyncGenerator<KeyValue> {
    this.#assertReadOnly('a query of private data')
    return super.privateQuery(namespace, collection, query)
  }

  /** What it read and wrote, in Fabric's order; it ends with it. @throws As {@link writtenMetadata}. */
  async results(): Promise<SimulationResults> {
    this.assertOpen()
    try {
      await this.end()
      const results = this.#record.finish()
      return { ...results, writtenMetadata: await writtenMetadata(results.public, this.#snapshot) }
    } finally {
      await this.#snapshot.close()
    }
  }

  async #writePrivate(namespace: string, collection: string, write: SimulatedPrivateWrite): Promise<void> {
    await this.assertCollection(namespace, collection)
    this.#assertWrite(write.key, write.value)
    this.#record.writePrivate(namespace, collection, write)
  }

  #assertWrite(key: string, value: Uint8Array = new Uint8Array()): void {
    this.assertOpen()
    if (this.#unrecorded !== undefined) throw readOnly(this.#unrecorded, 'a write')
    this.#hasWritten = true
    const refusal = this.#state.refusal?.(key, value)
    if (refusal !== undefined)
      throw new KumikoError('fabric-ledger/bad-write', `the state database refuses a write: ${refusal}`, { context: { key, refusal } })
  }

  #assertReadOnly(query: UnrecordedQuery): void {
    this.assertOpen()
    if (this.#hasWritten) throw readOnly('a write', query)
    this.#unrecorded = query
  }
}

function readOnly(did: UnrecordedQuery | 'a write', refused: UnrecordedQuery | 'a write'): KumikoError {
  const message = `the simulation can write, or make queries that are not recorded, but not both: it has made ${did}, and now is to make ${refused}`
  return new KumikoError('fabric-ledger/read-only', message, { context: { did, refused } })
}
