import type { QueryExecutor, Simulator } from '@kumiko/fabric-ledger'
import {
  implicitCollectionName,
  LIFECYCLE_NAMESPACE,
  type OpaqueState,
  type RangeableState,
  type ReadableState,
  type WritableState,
} from '@kumiko/fabric-lifecycle'

/** `_lifecycle`'s public keys, to read. */
export function publicReader(state: Pick<QueryExecutor, 'getState' | 'range'>): RangeableState {
  return {
    getState: (key) => state.getState(LIFECYCLE_NAMESPACE, key),
    range: (startKey, endKey) => state.range(LIFECYCLE_NAMESPACE, startKey, endKey),
  }
}

/** `_lifecycle`'s public keys, to read and write. */
export function publicState(simulator: Pick<Simulator, 'getState' | 'range' | 'setState' | 'deleteState'>): WritableState & RangeableState {
  return {
    ...publicReader(simulator),
    putState: async (key, value) => simulator.setState(LIFECYCLE_NAMESPACE, key, value),
    deleteState: async (key) => simulator.deleteState(LIFECYCLE_NAMESPACE, key),
  }
}

/** What an organisation has in `_lifecycle` for itself. The peer must be of that organisation. */
export function orgState(simulator: OrgSimulator, mspId: string): WritableState & RangeableState {
  const collection = implicitCollectionName(mspId)
  return {
    getState: (key) => simulator.getPrivateData(LIFECYCLE_NAMESPACE, collection, key),
    range: (startKey, endKey) => simulator.privateRange(LIFECYCLE_NAMESPACE, collection, startKey, endKey),
    putState: (key, value) => simulator.setPrivateData(LIFECYCLE_NAMESPACE, collection, key, value),
    deleteState: (key) => simulator.deletePrivateData(LIFECYCLE_NAMESPACE, collection, key),
  }
}

/** What {@link orgState} needs. */
export type OrgSimulator = Pick<Simulator, 'getPrivateData' | 'privateRange' | 'setPrivateData' | 'deletePrivateData'>

/** The same by its hashes, as all peers have them. */
export function opaqueState(state: Pick<QueryExecutor, 'getPrivateDataHash'>, mspId: string): OpaqueState {
  const collection = implicitCollectionName(mspId)
  return { mspId, getStateHash: (key) => state.getPrivateDataHash(LIFECYCLE_NAMESPACE, collection, key) }
}

/** A definition's sequence, for those who read nothing else. */
export function sequenceReader(state: Pick<QueryExecutor, 'getState'>): ReadableState {
  return { getState: (key) => state.getState(LIFECYCLE_NAMESPACE, key) }
}
