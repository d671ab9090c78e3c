import { toHex } from '@kumiko/fabric-protocol'
import type { NamespaceStateUpdates } from '../validation/update-batch.ts'
import { hashedNamespace, type StateChange } from './state-database.ts'

/** What a block's updates change in a {@link StateDatabase}: public keys, and hashes of private ones. */
export function stateChanges(updates: readonly NamespaceStateUpdates[]): StateChange[] {
  return updates.flatMap(({ namespace, updates: open, collections }) => [
    ...open.map((update) => ({ namespace, ...update })),
    ...collections.flatMap(({ collection, updates: hidden }) =>
      hidden.map((update) => ({ ...update, namespace: hashedNamespace(namespace, collection), key: toHex(update.key) })),
    ),
  ])
}
