import { KVMetadataWrite } from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'
import type { VersionedValue } from '../validation/committed-state.ts'

/**
 * A key's metadata by name; empty where it has none, or is absent.
 * @throws KumikoError `fabric-ledger/corrupt-state`.
 */
export function metadataOf(found: VersionedValue | undefined): ReadonlyMap<string, Uint8Array> {
  const write = KVMetadataWrite.decode(found?.metadata ?? new Uint8Array())
  if (isFault(write)) throw new KumikoError('fabric-ledger/corrupt-state', `a key's metadata cannot be read (${write.detail})`)
  return new Map(write.entries.map(({ name, value }) => [name, value]))
}
