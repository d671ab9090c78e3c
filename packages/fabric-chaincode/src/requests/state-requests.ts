import {
  ChaincodeMessageType,
  DelState,
  GetState,
  GetStateMetadata,
  GetStateMultiple,
  GetStateMultipleResult,
  PutState,
  PutStateMetadata,
  type StateKeyRequest,
  type StateMetadata,
  StateMetadataResult,
  WriteBatchState,
  type WriteRecord,
} from '@kumiko/fabric-protocol'
import type { Execution } from './execution.ts'
import { readRequest } from './read-request.ts'
import { refusal } from './refusal.ts'

const NOTHING = new Uint8Array()

/** Reads a value, or a private one. */
export async function getState(execution: Execution, payload: Uint8Array): Promise<Uint8Array> {
  const { key, collection } = readRequest(GetState, payload)
  const { simulator, namespace } = execution
  if (collection === '') return (await simulator.getState(namespace, key)) ?? NOTHING
  await execution.assertRead(collection)
  return (await simulator.getPrivateData(namespace, collection, key)) ?? NOTHING
}

/** Reads several values. */
export async function getStateMultiple(execution: Execution, payload: Uint8Array): Promise<Uint8Array> {
  const { keys, collection } = readRequest(GetStateMultiple, payload)
  const values =
    collection === '' ? await execution.simulator.getStates(execution.namespace, keys) : await privateValues(execution, collection, keys)
  return GetStateMultipleResult.encode({ values: values.map((value) => value ?? NOTHING) })
}

async function privateValues(
  execution: Execution,
  collection: string,
  keys: readonly string[],
): Promise<readonly (Uint8Array | undefined)[]> {
  await execution.assertRead(collection)
  const values: (Uint8Array | undefined)[] = []
  for (const key of keys) values.push(await execution.simulator.getPrivateData(execution.namespace, collection, key))
  return values
}

/** Reads a private value's hash, which anyone may. */
export async function getPrivateDataHash(execution: Execution, payload: Uint8Array): Promise<Uint8Array> {
  const { key, collection } = readRequest(GetState, payload)
  execution.assertPrivateData()
  return (await execution.simulator.getPrivateDataHash(execution.namespace, collection, key)) ?? NOTHING
}

/** Reads a key's metadata: whose endorsement its writes need. */
export async function getStateMetadata(execution: Execution, payload: Uint8Array): Promise<Uint8Array> {
  execution.bundle()
  const { key, collection } = readRequest(GetStateMetadata, payload)
  const metadata = await metadataOf(execution, key, collection)
  return StateMetadataResult.encode({ entries: [...metadata].map(([metakey, value]) => ({ metakey, value })) })
}

async function metadataOf(execution: Execution, key: string, collection: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const { simulator, namespace } = execution
  if (collection === '') return await simulator.getStateMetadata(namespace, key)
  await execution.assertRead(collection)
  return await simulator.getPrivateDataMetadata(namespace, collection, key)
}

/** Writes a value. */
export async function putState(execution: Execution, payload: Uint8Array): Promise<Uint8Array> {
  await put(execution, readRequest(PutState, payload))
  return NOTHING
}

/** Deletes a key. */
export async function deleteState(execution: Execution, payload: Uint8Array): Promise<Uint8Array> {
  await remove(execution, readRequest(DelState, payload))
  return NOTHING
}

/** Replaces a key's metadata. */
export async function putStateMetadata(execution: Execution, payload: Uint8Array): Promise<Uint8Array> {
  execution.bundle()
  await putMetadata(execution, readRequest(PutStateMetadata, payload))
  return NOTHING
}

/** Deletes a private key with all that it held before. */
export async function purgePrivateData(execution: Execution, payload: Uint8Array): Promise<Uint8Array> {
  await purge(execution, readRequest(DelState, payload))
  return NOTHING
}

/** Several writes in their order, up to the first that fails. */
export async function writeBatch(execution: Execution, payload: Uint8Array): Promise<Uint8Array> {
  for (const record of readRequest(WriteBatchState, payload).rec) await write(execution, record)
  return NOTHING
}

async function write(execution: Execution, record: WriteRecord): Promise<void> {
  switch (record.type) {
    case ChaincodeMessageType.putState:
      return await put(execution, record)
    case ChaincodeMessageType.delState:
      return await remove(execution, record)
    case ChaincodeMessageType.putStateMetadata:
      return await putMetadata(execution, record)
    case ChaincodeMessageType.purgePrivateData:
      return await purge(execution, record)
    default:
      throw refusal('unknown operation type')
  }
}

async function put(execution: Execution, { key, value, collection }: Omit<PutState, 'metadata'>): Promise<void> {
  const { simulator, namespace } = execution
  if (collection === '') return simulator.setState(namespace, key, value)
  await execution.assertWrite(collection)
  await simulator.setPrivateData(namespace, collection, key, value)
}

async function remove(execution: Execution, { key, collection }: StateKeyRequest): Promise<void> {
  const { simulator, namespace } = execution
  if (collection === '') return simulator.deleteState(namespace, key)
  await execution.assertWrite(collection)
  await simulator.deletePrivateData(namespace, collection, key)
}

async function putMetadata(
  execution: Execution,
  request: StateKeyRequest & { readonly metadata: StateMetadata | undefined },
): Promise<void> {
  const { key, collection, metadata } = request
  const { simulator, namespace } = execution
  const entries = new Map([[metadata?.metakey ?? '', metadata?.value ?? NOTHING]])
  if (collection === '') return simulator.setStateMetadata(namespace, key, entries)
  await execution.assertWrite(collection)
  await simulator.setPrivateDataMetadata(namespace, collection, key, entries)
}

async function purge(execution: Execution, { key, collection }: StateKeyRequest): Promise<void> {
  if (execution.bundle().application?.capabilities.has('V2_5') !== true)
    throw refusal('purge private data is not enabled, channel application capability of V2_5 or later is required')
  if (collection === '') throw refusal('only applicable for private data')
  await execution.assertWrite(collection)
  await execution.simulator.purgePrivateData(execution.namespace, collection, key)
}
