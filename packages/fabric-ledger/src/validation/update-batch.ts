import {
  compareUtf8,
  isDeletion,
  isHashedDeletion,
  type KVMetadataEntry,
  KVMetadataWrite,
  type NamespaceReadWriteSet,
  type NamespaceUpdates,
  type ReadWriteSet,
  toHex,
  type Update,
  type Version,
} from '@kumiko/fabric-protocol'
import type { CommittedState } from './committed-state.ts'

/** A key's new value and metadata. */
export interface StateUpdate<Key> extends Update<Key> {
  /** A `KVMetadataWrite`'s bytes without key; empty where the key has none, or is deleted. */
  readonly metadata: Uint8Array
}

/** What a block changes in a namespace: {@link NamespaceUpdates}, with metadata. */
export interface NamespaceStateUpdates extends NamespaceUpdates {
  readonly updates: readonly StateUpdate<string>[]
  readonly collections: readonly { readonly collection: string; readonly updates: readonly StateUpdate<Uint8Array>[] }[]
}

/** What a write set does to a key. */
interface Operation<Key> {
  readonly key: Key
  /** A sum of {@link UPSERT} and its like. */
  flags: number
  value: Uint8Array
  metadata: Uint8Array
}
type Operations<Key> = Map<string, Operation<Key>>
type Settled = Pick<StateUpdate<unknown>, 'value' | 'metadata'>

interface Changes {
  readonly open: Map<string, StateUpdate<string>>
  /** By collection, then by the key's hash in hex. */
  readonly hidden: Map<string, Map<string, StateUpdate<Uint8Array>>>
}

const NOTHING = new Uint8Array()

// Fabric adds these up and never checks: a set that writes a key twice, which no honest peer makes, comes out as it does there.
const UPSERT = 1
const METADATA_UPDATE = 2
const METADATA_DELETE = 4
const DELETE = 8

/**
 * What a block's valid transactions have changed so far. Holds a key once, so its size is bounded by the block's.
 * @see Fabric `core/ledger/kvledger/txmgmt/validation/tx_ops.go`, `types.go` applyWriteSet
 */
export class UpdateBatch {
  readonly #state: CommittedState
  readonly #namespaces = new Map<string, Changes>()

  /** @param state - What values and metadata are merged with, where the block has not changed them. */
  constructor(state: CommittedState) {
    this.#state = state
  }

  /** @returns The change, which may be a deletion; undefined where there is none. */
  get(namespace: string, key: string): StateUpdate<string> | undefined {
    return this.#namespaces.get(namespace)?.open.get(key)
  }

  /** @returns The change, which may be a deletion; undefined where there is none. */
  getHashed(namespace: string, collection: string, keyHash: Uint8Array): StateUpdate<Uint8Array> | undefined {
    return this.#namespaces.get(namespace)?.hidden.get(collection)?.get(toHex(keyHash))
  }

  /** The changes in a range, deletions too, by their keys' UTF-8. @param endKey - Excluded; `''` for no end. */
  range(namespace: string, startKey: string, endKey: string): readonly StateUpdate<string>[] {
    const all = [...(this.#namespaces.get(namespace)?.open.values() ?? [])]
    return all
      .filter(({ key }) => compareUtf8(key, startKey) >= 0 && (endKey === '' || compareUtf8(key, endKey) < 0))
      .toSorted((a, b) => compareUtf8(a.key, b.key))
  }

  /**
   * Adds what a valid transaction writes. A value alone keeps the key's metadata, metadata alone its value; metadata of an absent key is
   * dropped. (Of a key that the same block deleted too, where Fabric's peer stops.)
   */
  apply(set: ReadWriteSet, version: Version): void {
    for (const read of set.namespaces) {
      const changes = this.#changesOf(read.namespace)
      const settled = settle(openOperations(read), (key) => changes.open.get(key) ?? this.#state.get(read.namespace, key))
      for (const [id, update] of settled) changes.open.set(id, { ...update, version })
      if (read.collections.length > 0) this.#applyHashed(read, changes, version)
    }
  }

  /** All changes, of namespaces and collections that have any. */
  updates(): readonly NamespaceStateUpdates[] {
    const all = [...this.#namespaces].map(([namespace, { open, hidden }]) => ({
      namespace,
      updates: [...open.values()],
      collections: [...hidden]
        .map(([collection, updates]) => ({ collection, updates: [...updates.values()] }))
        .filter(({ updates }) => updates.length > 0),
    }))
    return all.filter(({ updates, collections }) => updates.length + collections.length > 0)
  }

  #applyHashed(read: NamespaceReadWriteSet, changes: Changes, version: Version): void {
    for (const [collection, operations] of hiddenOperations(read)) {
      const into = changes.hidden.get(collection) ?? new Map<string, StateUpdate<Uint8Array>>()
      changes.hidden.set(collection, into)
      const latest = (key: Uint8Array) => into.get(toHex(key)) ?? this.#state.getHashed(read.namespace, collection, key)
      for (const [id, update] of settle(operations, latest)) into.set(id, { ...update, version })
    }
  }

  #changesOf(namespace: string): Changes {
    const changes = this.#namespaces.get(namespace) ?? { open: new Map(), hidden: new Map() }
    this.#namespaces.set(namespace, changes)
    return changes
  }
}

function openOperations({ keyValue }: NamespaceReadWriteSet): Operations<string> {
  const operations: Operations<string> = new Map()
  for (const write of keyValue.writes) addWrite(operationOf(operations, write.key, write.key), isDeletion(write), write.value)
  for (const { key, entries } of keyValue.metadataWrites) addMetadata(operationOf(operations, key, key), entries)
  return operations
}

/** By collection: one may be there twice. */
function hiddenOperations({ collections }: NamespaceReadWriteSet): Map<string, Operations<Uint8Array>> {
  const all = new Map<string, Operations<Uint8Array>>()
  for (const { collection, hashed } of collections) {
    const operations: Operations<Uint8Array> = all.get(collection) ?? new Map()
    all.set(collection, operations)
    for (const write of hashed.hashedWrites) {
      addWrite(operationOf(operations, toHex(write.keyHash), write.keyHash), isHashedDeletion(write), write.valueHash)
    }
    for (const { keyHash, entries } of hashed.metadataWrites) addMetadata(operationOf(operations, toHex(keyHash), keyHash), entries)
  }
  return all
}

function operationOf<Key>(operations: Operations<Key>, id: string, key: Key): Operation<Key> {
  const operation = operations.get(id) ?? { key, flags: 0, value: NOTHING, metadata: NOTHING }
  operations.set(id, operation)
  return operation
}

function addWrite(operation: Operation<unknown>, isDelete: boolean, value: Uint8Array): void {
  operation.flags = (operation.flags + (isDelete ? DELETE : UPSERT)) & 0xff
  if (!isDelete) operation.value = value
}

function addMetadata(operation: Operation<unknown>, entries: readonly KVMetadataEntry[]): void {
  operation.flags = (operation.flags + (entries.length === 0 ? METADATA_DELETE : METADATA_UPDATE)) & 0xff
  if (entries.length > 0) operation.metadata = KVMetadataWrite.encode({ key: '', entries })
}

/** What the keys are to have, merged with what they have. */
function settle<Key>(operations: Operations<Key>, latest: (key: Key) => Settled | undefined): [string, Settled & { readonly key: Key }][] {
  return [...operations].flatMap(([id, operation]) => {
    const settled = settleOne(operation, () => latest(operation.key))
    return settled === undefined ? [] : [[id, { key: operation.key, ...settled }]]
  })
}

/** @returns Undefined where nothing is to be done. */
function settleOne({ flags, value, metadata }: Operation<unknown>, latest: () => Settled | undefined): Settled | undefined {
  if ((flags & DELETE) !== 0) return { value: undefined, metadata: NOTHING }
  if ((flags & UPSERT) !== 0 && (flags & (METADATA_UPDATE | METADATA_DELETE)) !== 0) return { value, metadata }
  const before = latest()
  if ((flags | UPSERT) === UPSERT) return { value, metadata: before?.metadata ?? NOTHING }
  return before?.value === undefined ? undefined : { value: before.value, metadata }
}
