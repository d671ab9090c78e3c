import { type NamespaceReadWriteSet, toHex, ValidationCode } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import type { CommittedState, VersionedKey, VersionedValue } from '../validation/committed-state.ts'
import type { TransactionToValidate } from '../validation/mvcc.ts'
import { hashedNamespace, type StateKey, type StateReader } from './state-database.ts'

/** What is read of a state. */
type ReadableState = Pick<StateReader, 'getMany' | 'range'>

/**
 * Reads all keys that validation of a block will ask for, at once: those that valid transactions read or write, hashed ones too, and the ends
 * of ranges. Ranges themselves are read as validation goes. Holds each key once.
 * @returns Throws a KumikoError `fabric-ledger/not-prefetched` where it is asked for a key that no transaction names.
 * @see Fabric `core/ledger/kvledger/txmgmt/validation/validator.go` preLoadCommittedVersionOfRSet
 */
export async function prefetch(transactions: readonly TransactionToValidate[], state: ReadableState): Promise<CommittedState> {
  const keys = new Keys()
  for (const { code, set } of transactions) {
    if (code === ValidationCode.valid) for (const each of set?.namespaces ?? []) addKeys(each, keys)
  }
  return new Prefetched(keys, await state.getMany(keys.all), state)
}

function addKeys({ namespace, keyValue, collections }: NamespaceReadWriteSet, keys: Keys): void {
  for (const { key } of keyValue.reads) keys.add(namespace, key)
  for (const { key } of keyValue.writes) keys.add(namespace, key)
  for (const { key } of keyValue.metadataWrites) keys.add(namespace, key)
  for (const { endKey, itrExhausted } of keyValue.rangeQueriesInfo) if (!itrExhausted) keys.add(namespace, endKey)
  for (const { collection, hashed } of collections) {
    const hidden = hashedNamespace(namespace, collection)
    for (const { keyHash } of hashed.hashedReads) keys.add(hidden, toHex(keyHash))
    for (const { keyHash } of hashed.hashedWrites) keys.add(hidden, toHex(keyHash))
    for (const { keyHash } of hashed.metadataWrites) keys.add(hidden, toHex(keyHash))
  }
}

/** Keys, each once, with their places. */
class Keys {
  readonly all: StateKey[] = []
  readonly #places = new Map<string, Map<string, number>>()

  add(namespace: string, key: string): void {
    const places = this.#places.get(namespace) ?? new Map<string, number>()
    this.#places.set(namespace, places)
    if (!places.has(key)) places.set(key, this.all.push({ namespace, key }) - 1)
  }

  placeOf(namespace: string, key: string): number | undefined {
    return this.#places.get(namespace)?.get(key)
  }
}

class Prefetched implements CommittedState {
  readonly #keys: Keys
  readonly #values: readonly (VersionedValue | undefined)[]
  readonly #state: ReadableState

  constructor(keys: Keys, values: readonly (VersionedValue | undefined)[], state: ReadableState) {
    this.#keys = keys
    this.#values = values
    this.#state = state
  }

  get(namespace: string, key: string): VersionedValue | undefined {
    const place = this.#keys.placeOf(namespace, key)
    if (place === undefined) throw notPrefetched(namespace, key)
    return this.#values[place]
  }

  getHashed(namespace: string, collection: string, keyHash: Uint8Array): VersionedValue | undefined {
    return this.get(hashedNamespace(namespace, collection), toHex(keyHash))
  }

  range(namespace: string, startKey: string, endKey: string): AsyncIterable<VersionedKey> {
    return this.#state.range(namespace, startKey, endKey)
  }
}

function notPrefetched(namespace: string, key: string): KumikoError {
  const message = `validation asks for key "${key}" of "${namespace}", which no transaction of the block names: prefetch the block's own transactions`
  return new KumikoError('fabric-ledger/not-prefetched', message, { context: { namespace, key } })
}
