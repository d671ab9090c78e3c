import { bytes, type Message, message, repeatedBytes } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import type { StateReader } from '../state/state-database.ts'
import type { NamespaceStateUpdates } from '../validation/update-batch.ts'
import type { CollectionConfigChange } from './config-history.ts'

/** Fabric's `lifecycle.StateData`, as far as it holds bytes. */
interface StateData {
  readonly bytes: Uint8Array
}
const StateData: Message<StateData> = message<StateData>('StateData', { bytes: bytes(2) })

interface CollectionConfigPackage {
  readonly config: readonly Uint8Array[]
}
const CollectionConfigPackage: Message<CollectionConfigPackage> = message<CollectionConfigPackage>('CollectionConfigPackage', {
  config: repeatedBytes(1),
})

/**
 * What a block changes of chaincodes' collections, for `ConfigHistory`: all of a definition's, whenever a definition is committed. A
 * definition writes only the fields that differ from the one before; so collections may have to be read of the state.
 * @param state - As blocks before this one left it, or as this one did.
 * @see Fabric `core/chaincode/lifecycle/deployedcc_infoprovider.go` UpdatedChaincodes; `core/ledger/confighistory/mgr.go` HandleStateUpdates
 */
export async function collectionConfigChanges(
  updates: readonly NamespaceStateUpdates[],
  state: Pick<StateReader, 'getMany'>,
): Promise<readonly CollectionConfigChange[]> {
  const open = updates.filter(({ namespace }) => namespace === '_lifecycle').flatMap((each) => each.updates)
  const chaincodes = open.flatMap(({ key }) => /^namespaces\/fields\/([^/]+)\/Sequence$/u.exec(key)?.[1] ?? [])
  if (chaincodes.length === 0) return []
  const keys = chaincodes.map((chaincode) => ({ namespace: '_lifecycle', key: `namespaces/fields/${chaincode}/Collections` }))
  const before = await state.getMany(keys)
  return chaincodes.flatMap((chaincode, at) => {
    const change = open.find(({ key }) => key === keys[at]?.key)
    const config = configIn((change ?? before[at])?.value)
    return config === undefined ? [] : [{ chaincode, config }]
  })
}

/** @returns Undefined where there are no collections. What cannot be read has none: the lifecycle writes no such thing. */
function configIn(value: Uint8Array | undefined): Uint8Array | undefined {
  const data = value === undefined ? undefined : StateData.decode(value)
  if (data === undefined || isFault(data)) return
  const read = CollectionConfigPackage.decode(data.bytes)
  return isFault(read) || read.config.length === 0 ? undefined : data.bytes
}
