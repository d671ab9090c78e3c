import {
  buildReadWriteSets,
  type RangeQueryInfo,
  RangeQueryResults,
  type ReadWriteSets,
  rangeQueryInfo,
  type SimulatedCollection,
  type SimulatedMetadataWrite,
  type SimulatedNamespace,
  type SimulatedPrivateWrite,
  type SimulatedWrite,
  type Version,
} from '@kumiko/fabric-protocol'
import type { VersionedKey } from '../validation/committed-state.ts'

/** What a simulation read and wrote. */
export interface RecordedSimulation extends ReadWriteSets {
  /** The collections of which it got private values by their keys, by namespace: the endorsers must have them. */
  readonly privateReads: ReadonlyMap<string, ReadonlySet<string>>
}

type Read = { readonly key: string; readonly version: Version | undefined }

interface Collection {
  readonly reads: Map<string, Read>
  readonly writes: Map<string, SimulatedPrivateWrite>
  readonly metadataWrites: Map<string, SimulatedMetadataWrite>
}

interface Namespace {
  readonly reads: Map<string, Read>
  readonly ranges: RangeRecord[]
  readonly writes: Map<string, SimulatedWrite>
  readonly metadataWrites: Map<string, SimulatedMetadataWrite>
  readonly collections: Map<string, Collection>
}

/**
 * What a range query has read so far. Once there are more than 50 keys it holds hashes.
 * @see Fabric `core/ledger/kvledger/txmgmt/txmgr/query_executor.go` resultsItr
 */
export class RangeRecord {
  readonly #startKey: string
  readonly #endKey: string
  readonly #results = new RangeQueryResults()
  /** Undefined before anything was read. */
  #last: string | undefined
  #isExhausted = false

  constructor(startKey: string, endKey: string) {
    this.#startKey = startKey
    this.#endKey = endKey
  }

  /** The next key that the caller got. */
  add({ key, version }: VersionedKey): void {
    this.#results.add({ key, version })
    this.#last = key
  }

  /** The caller asked for one more, and there was none. */
  exhaust(): void {
    this.#isExhausted = true
  }

  /** Call it once. */
  finish(): RangeQueryInfo {
    const endKey = this.#isExhausted ? this.#endKey : (this.#last ?? '')
    return rangeQueryInfo({ startKey: this.#startKey, endKey, itrExhausted: this.#isExhausted }, this.#results.finish())
  }
}

/**
 * What a simulation read and wrote. Of a key the last of each counts. Holds each key once, with the values that were written.
 * @see Fabric `core/ledger/kvledger/txmgmt/rwsetutil/rwset_builder.go`
 */
export class SimulationRecord {
  readonly #namespaces = new Map<string, Namespace>()
  readonly #privateReads = new Map<string, Set<string>>()

  /** @param version - Undefined where the key is absent. */
  read(namespace: string, key: string, version: Version | undefined): void {
    this.#namespace(namespace).reads.set(key, { key, version })
  }

  /** Begins a range query, which is told of what it reads. */
  range(namespace: string, startKey: string, endKey: string): RangeRecord {
    const range = new RangeRecord(startKey, endKey)
    this.#namespace(namespace).ranges.push(range)
    return range
  }

  /** @param value - Undefined deletes. */
  write(namespace: string, key: string, value: Uint8Array | undefined): void {
    this.#namespace(namespace).writes.set(key, { key, value })
  }

  /** @param metadata - All of it, by name; none removes it. */
  writeMetadata(namespace: string, key: string, metadata: ReadonlyMap<string, Uint8Array>): void {
    this.#namespace(namespace).metadataWrites.set(key, { key, metadata: new Map(metadata) })
  }

  /** A read of a private value, or of its hash. */
  readHash(namespace: string, collection: string, key: string, version: Version | undefined): void {
    this.#collection(namespace, collection).reads.set(key, { key, version })
  }

  /** A read of a private value by its key: ranges and rich queries do not count, in Fabric neither. */
  readPrivate(namespace: string, collection: string): void {
    const collections = this.#privateReads.get(namespace) ?? new Set()
    this.#privateReads.set(namespace, collections.add(collection))
  }

  writePrivate(namespace: string, collection: string, write: SimulatedPrivateWrite): void {
    this.#collection(namespace, collection).writes.set(write.key, write)
  }

  writePrivateMetadata(namespace: string, collection: string, key: string, metadata: ReadonlyMap<string, Uint8Array>): void {
    this.#collection(namespace, collection).metadataWrites.set(key, { key, metadata: new Map(metadata) })
  }

  /** In Fabric's order. Call it once. */
  finish(): RecordedSimulation {
    const namespaces = [...this.#namespaces].map(([namespace, each]) => namespaceOf(namespace, each))
    return { ...buildReadWriteSets(namespaces), privateReads: this.#privateReads }
  }

  #namespace(name: string): Namespace {
    const none = { reads: new Map(), ranges: [], writes: new Map(), metadataWrites: new Map(), collections: new Map() }
    const namespace = this.#namespaces.get(name) ?? none
    this.#namespaces.set(name, namespace)
    return namespace
  }

  #collection(namespace: string, name: string): Collection {
    const { collections } = this.#namespace(namespace)
    const collection = collections.get(name) ?? { reads: new Map(), writes: new Map(), metadataWrites: new Map() }
    collections.set(name, collection)
    return collection
  }
}

function namespaceOf(namespace: string, { reads, ranges, writes, metadataWrites, collections }: Namespace): SimulatedNamespace {
  return {
    namespace,
    reads: [...reads.values()],
    rangeQueries: ranges.map((range) => range.finish()),
    writes: [...writes.values()],
    metadataWrites: [...metadataWrites.values()],
    collections: [...collections].map(([collection, each]) => collectionOf(collection, each)),
  }
}

function collectionOf(collection: string, { reads, writes, metadataWrites }: Collection): SimulatedCollection {
  return { collection, reads: [...reads.values()], writes: [...writes.values()], metadataWrites: [...metadataWrites.values()] }
}
