import { compareUtf8 } from '@kumiko/fabric-protocol'
import type { VersionedValue } from '../validation/committed-state.ts'
import { type Change, SortedEntries } from './sorted-entries.ts'
import type { OpenStateDatabase, StateChange, StateDatabase, StateEntry, StateKey, StateSnapshot } from './state-database.ts'

/** A state database in memory, for tests and short lives: each is empty when it is opened, and the ledger fills it from the blocks. */
export function memoryStateDatabase(): OpenStateDatabase {
  return async () => new MemoryStateDatabase()
}

type Namespaces = ReadonlyMap<string, SortedEntries<StateEntry>>

/** A height's state, which never changes. */
class MemoryState implements StateSnapshot {
  readonly height: bigint
  readonly namespaces: Namespaces

  constructor(namespaces: Namespaces, height: bigint) {
    this.namespaces = namespaces
    this.height = height
  }

  async getMany(keys: readonly StateKey[]): Promise<readonly (VersionedValue | undefined)[]> {
    return keys.map(({ namespace, key }) => this.namespaces.get(namespace)?.get(key))
  }

  async *range(namespace: string, startKey: string, endKey: string, limit = Number.POSITIVE_INFINITY): AsyncGenerator<StateEntry> {
    let count = 0
    for (const entry of this.namespaces.get(namespace)?.from(startKey) ?? []) {
      if (count++ >= limit || (endKey !== '' && compareUtf8(entry.key, endKey) >= 0)) return
      yield entry
    }
  }

  async *entries(): AsyncGenerator<StateKey & VersionedValue> {
    const namespaces = [...this.namespaces].sort(([a], [b]) => compareUtf8(a, b))
    for (const [namespace, entries] of namespaces) for (const entry of entries.from('')) yield { namespace, ...entry }
  }

  with(changes: readonly StateChange[], height: bigint): MemoryState {
    const namespaces = new Map(this.namespaces)
    for (const [namespace, ofNamespace] of Map.groupBy(changes, (change) => change.namespace)) {
      const before = namespaces.get(namespace) ?? new SortedEntries()
      namespaces.set(namespace, before.with(ofNamespace.map(entryOf)))
    }
    return new MemoryState(namespaces, height)
  }

  async close(): Promise<void> {}
}

const EMPTY = new MemoryState(new Map(), 0n)

class MemoryStateDatabase implements StateDatabase {
  #state = EMPTY

  get height(): bigint {
    return this.#state.height
  }

  getMany(keys: readonly StateKey[]): Promise<readonly (VersionedValue | undefined)[]> {
    return this.#state.getMany(keys)
  }

  async *range(namespace: string, startKey: string, endKey: string, limit?: number): AsyncGenerator<StateEntry> {
    yield* this.#state.range(namespace, startKey, endKey, limit)
  }

  async *entries(): AsyncGenerator<StateKey & VersionedValue> {
    yield* this.#state.entries()
  }

  async snapshot(): Promise<StateSnapshot> {
    return this.#state
  }

  async apply(changes: readonly StateChange[], height: bigint): Promise<void> {
    this.#state = this.#state.with(changes, height)
  }

  async drop(): Promise<void> {
    this.#state = EMPTY
  }

  async close(): Promise<void> {
    this.#state = EMPTY
  }
}

/** With bytes of its own: those of a change are views of a block, and would keep all of it. */
function entryOf({ key, value, metadata, version }: StateChange): Change<StateEntry> {
  if (value === undefined) return { key, entry: undefined }
  return { key, entry: { key, value: new Uint8Array(value), metadata: new Uint8Array(metadata), version } }
}
