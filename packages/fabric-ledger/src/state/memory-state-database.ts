import { compareUtf8 } from '@kumiko/fabric-protocol'
import type { VersionedValue } from '../validation/committed-state.ts'
import { type Change, SortedEntries } from './sorted-entries.ts'
import type { OpenStateDatabase, StateChange, StateDatabase, StateEntry, StateKey } from './state-database.ts'

/** A state database in memory, for tests and short lives: each is empty when it is opened, and the ledger fills it from the blocks. */
export function memoryStateDatabase(): OpenStateDatabase {
  return async () => new MemoryStateDatabase()
}

class MemoryStateDatabase implements StateDatabase {
  readonly #namespaces = new Map<string, SortedEntries<StateEntry>>()
  #height = 0n

  get height(): bigint {
    return this.#height
  }

  async getMany(keys: readonly StateKey[]): Promise<readonly (VersionedValue | undefined)[]> {
    return keys.map(({ namespace, key }) => this.#namespaces.get(namespace)?.get(key))
  }

  async *range(namespace: string, startKey: string, endKey: string, limit = Number.POSITIVE_INFINITY): AsyncGenerator<StateEntry> {
    let count = 0
    for (const entry of this.#namespaces.get(namespace)?.from(startKey) ?? []) {
      if (count++ >= limit || (endKey !== '' && compareUtf8(entry.key, endKey) >= 0)) return
      yield entry
    }
  }

  async *entries(): AsyncGenerator<StateKey & VersionedValue> {
    const namespaces = [...this.#namespaces].sort(([a], [b]) => compareUtf8(a, b))
    for (const [namespace, entries] of namespaces) for (const entry of entries.from('')) yield { namespace, ...entry }
  }

  async apply(changes: readonly StateChange[], height: bigint): Promise<void> {
    for (const [namespace, ofNamespace] of Map.groupBy(changes, (change) => change.namespace)) {
      const before = this.#namespaces.get(namespace) ?? new SortedEntries()
      this.#namespaces.set(namespace, before.with(ofNamespace.map(entryOf)))
    }
    this.#height = height
  }

  async drop(): Promise<void> {
    this.#namespaces.clear()
    this.#height = 0n
  }

  async close(): Promise<void> {
    this.#namespaces.clear()
  }
}

/** With bytes of its own: those of a change are views of a block, and would keep all of it. */
function entryOf({ key, value, metadata, version }: StateChange): Change<StateEntry> {
  if (value === undefined) return { key, entry: undefined }
  return { key, entry: { key, value: new Uint8Array(value), metadata: new Uint8Array(metadata), version } }
}
