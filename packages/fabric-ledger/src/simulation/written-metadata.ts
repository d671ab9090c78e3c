import { type ReadWriteSet, toHex } from '@kumiko/fabric-protocol'
import { hashedNamespace, type StateKey, type StateReader } from '../state/state-database.ts'
import { metadataOf } from './key-metadata.ts'

/** What metadata a key has in the state before it is written: it may name who must endorse the write. */
export interface WrittenMetadata {
  readonly namespace: string
  /** `''` for a public key. */
  readonly collection: string
  /** By name; empty where the key has none, or is absent. */
  readonly metadata: ReadonlyMap<string, Uint8Array>
}

interface WrittenKey {
  readonly namespace: string
  readonly collection: string
  readonly at: StateKey
}

/**
 * Reads the metadata of all keys that a set writes, in the set's order; a key whose value and metadata are written is there once.
 * @throws KumikoError `fabric-ledger/corrupt-state`; what the state throws.
 * @see Fabric `core/ledger/kvledger/txmgmt/txmgr/tx_simulator.go` checkStateMetadata
 */
export async function writtenMetadata(set: ReadWriteSet, state: Pick<StateReader, 'getMany'>): Promise<readonly WrittenMetadata[]> {
  const written = writtenKeys(set)
  if (written.length === 0) return []
  const found = await state.getMany(written.map(({ at }) => at))
  return written.map(({ namespace, collection }, index) => ({ namespace, collection, metadata: metadataOf(found[index]) }))
}

function writtenKeys({ namespaces }: ReadWriteSet): readonly WrittenKey[] {
  return namespaces.flatMap(({ namespace, keyValue, collections }) => [
    ...distinct([...keyValue.writes, ...keyValue.metadataWrites].map(({ key }) => key)).map((key) => ({
      namespace,
      collection: '',
      at: { namespace, key },
    })),
    ...collections.flatMap(({ collection, hashed }) =>
      distinct([...hashed.hashedWrites, ...hashed.metadataWrites].map(({ keyHash }) => toHex(keyHash))).map((key) => ({
        namespace,
        collection,
        at: { namespace: hashedNamespace(namespace, collection), key },
      })),
    ),
  ])
}

function distinct(keys: readonly string[]): readonly string[] {
  return [...new Set(keys)]
}
