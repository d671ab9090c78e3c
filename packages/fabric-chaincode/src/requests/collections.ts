import type { QueryExecutor } from '@kumiko/fabric-ledger'
import {
  chaincodeDefinition,
  definedCollection,
  implicitCollection,
  implicitCollectionOwner,
  type StaticCollection,
} from '@kumiko/fabric-lifecycle'
import { type ChannelBundle, evaluateSignedData, readSignaturePolicy } from '@kumiko/fabric-msp'
import type { SignedData } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import { refusal } from './refusal.ts'

/** Reads the state; in a simulation what is read is recorded. */
export type CollectionState = Pick<QueryExecutor, 'getStates'>

/** What a transaction's creator may do with a collection. */
export interface CollectionAccess {
  readonly read: boolean
  readonly write: boolean
}

const LIFECYCLE = '_lifecycle'

/**
 * A chaincode's collection, as its definition has it, or an organisation's own. All that tells it is read: the definition's metadata and fields.
 * @returns Undefined where the chaincode, or the collection, is not defined. An organisation's own is there for any name of one.
 * @throws KumikoError `fabric-chaincode/refused` where the definition cannot be read.
 * @see Fabric `core/chaincode/lifecycle/deployedcc_infoprovider.go` CollectionInfo
 */
export async function chaincodeCollection(
  state: CollectionState,
  chaincode: string,
  collection: string,
): Promise<StaticCollection | undefined> {
  const owner = implicitCollectionOwner(collection)
  if (chaincode === LIFECYCLE) return owner === undefined ? undefined : implicitCollection(owner)
  const definition = await chaincodeDefinition((keys) => state.getStates(LIFECYCLE, keys), chaincode)
  if (definition === undefined) return
  if (isFault(definition)) throw refusal(`could not get chaincode: ${definition.detail ?? definition.fault}`)
  return owner === undefined ? definedCollection(definition.collections, collection) : implicitCollection(owner)
}

/**
 * Whether a chaincode has a collection on a channel, for a simulation's `isCollection`: of organisations only those that the channel has.
 * @param bundle - Of the channel, as it is when it is asked.
 * @see Fabric `core/ledger/kvledger/txmgmt/txmgr/collection_val.go`
 */
export function isCollectionOf(
  bundle: () => ChannelBundle,
): (chaincode: string, collection: string, state: CollectionState) => Promise<boolean> {
  return async (chaincode, collection, state) => {
    const found = await chaincodeCollection(state, chaincode, collection)
    const owner = implicitCollectionOwner(collection)
    if (found === undefined || owner === undefined) return found !== undefined
    const organizations = bundle().application?.organizations ?? new Map()
    return [...organizations.values()].some(({ mspId }) => mspId === owner)
  }
}

/**
 * What a transaction's creator may do with a collection that only its members may read, or write.
 * @throws KumikoError `fabric-chaincode/refused` where there is no such collection, or its policy is none.
 * @see Fabric `core/common/privdata/store.go` RetrieveReadWritePermission
 */
export async function collectionAccess(
  state: CollectionState,
  bundle: ChannelBundle,
  { chaincode, collection, creator }: { readonly chaincode: string; readonly collection: string; readonly creator: SignedData },
): Promise<CollectionAccess> {
  const found = await chaincodeCollection(state, chaincode, collection)
  if (found === undefined) throw refusal(`collection ${bundle.channelId}/${chaincode}/${collection} could not be found`)
  const policy = readSignaturePolicy(found.memberOrgsPolicy?.signaturePolicy ?? new Uint8Array())
  if (isFault(policy)) throw refusal(`error setting up collection ${chaincode}/${collection}: ${policy.detail ?? policy.fault}`)
  const { memberOnlyRead, memberOnlyWrite } = found
  if (!memberOnlyRead && !memberOnlyWrite) return { read: true, write: true }
  const isMember = evaluateSignedData(policy, [creator], bundle.msps) === undefined
  return { read: isMember || !memberOnlyRead, write: isMember || !memberOnlyWrite }
}
