import type { CommittedState, NamespaceStateUpdates, VersionedKey, VersionedValue } from '@kumiko/fabric-ledger'
import { compareUtf8, toHex } from '@kumiko/fabric-protocol'

/** A state in memory. */
export class MemoryState implements CommittedState {
  /** By namespace (`ns`, or `ns$$hcollection`), then by key (or its hash in hex). */
  readonly namespaces: Map<string, Map<string, VersionedValue>> = new Map()

  get(namespace: string, key: string): VersionedValue | undefined {
    return this.namespaces.get(namespace)?.get(key)
  }

  getHashed(namespace: string, collection: string, keyHash: Uint8Array): VersionedValue | undefined {
    return this.get(`${namespace}$$h${collection}`, toHex(keyHash))
  }

  async *range(namespace: string, startKey: string, endKey: string): AsyncGenerator<VersionedKey> {
    yield* [...(this.namespaces.get(namespace) ?? [])]
      .filter(([key]) => compareUtf8(key, startKey) >= 0 && (endKey === '' || compareUtf8(key, endKey) < 0))
      .map(([key, { version }]) => ({ key, version }))
      .sort((a, b) => compareUtf8(a.key, b.key))
  }

  apply(updates: readonly NamespaceStateUpdates[]): void {
    for (const { namespace, updates: open, collections } of updates) {
      for (const { key, ...update } of open) this.#set(namespace, key, update)
      for (const { collection, updates: hidden } of collections) {
        for (const { key, ...update } of hidden) this.#set(`${namespace}$$h${collection}`, toHex(key), update)
      }
    }
  }

  #set(namespace: string, key: string, { value, ...rest }: Omit<VersionedValue, 'value'> & { value: Uint8Array | undefined }): void {
    const keys = this.namespaces.get(namespace) ?? new Map<string, VersionedValue>()
    this.namespaces.set(namespace, keys)
    if (value === undefined) keys.delete(key)
    else keys.set(key, { value, ...rest })
  }
}
