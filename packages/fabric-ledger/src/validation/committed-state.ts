import type { Version } from '@kumiko/fabric-protocol'

/** A key's value as blocks left it. */
export interface VersionedValue {
  /** Never empty: a write of nothing deletes. A hash in a collection. */
  readonly value: Uint8Array
  /** A `KVMetadataWrite`'s bytes without key; empty where the key has no metadata. */
  readonly metadata: Uint8Array
  readonly version: Version
}

/** A key that a range holds. */
export interface VersionedKey {
  readonly key: string
  readonly version: Version
}

/**
 * The state that all blocks before left. Validation asks it for the keys that transactions name, and waits for none: they are read beforehand.
 * Ranges, which may be long, it reads as it goes. What it throws, validation throws.
 */
export interface CommittedState {
  /** @returns Undefined where the key is absent. */
  get(namespace: string, key: string): VersionedValue | undefined
  /** @returns Undefined where no key has the hash. */
  getHashed(namespace: string, collection: string, keyHash: Uint8Array): VersionedValue | undefined
  /**
   * The keys of a range, by their UTF-8 bytes.
   * @param endKey - Excluded; `''` for no end.
   */
  range(namespace: string, startKey: string, endKey: string): AsyncIterable<VersionedKey>
}
