import { equalBytes, type Message, sha256 } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import { type ChaincodeDefinition, type ChaincodeParameters, EndorsementInfo, ValidationInfo } from './chaincode-definition.ts'
import { CollectionConfigPackage } from './collection.ts'
import { type OpaqueState, type RangeableState, type ReadableState, refused, type WritableState } from './lifecycle-state.ts'
import {
  fieldKey,
  metadataKey,
  type RecordTable,
  readMessageField,
  readMetadata,
  readNumberField,
  readTextField,
  recordKeys,
  recordWrites,
  StateData,
  StateMetadata,
  type StateRecord,
} from './state-record.ts'

/** Records of one table that are read at once: more are refused. A channel has some tens of chaincodes. */
const RECORDS_MAX = 100_000

/**
 * What a record of the state is. The functions of this file throw KumikoError `fabric-lifecycle/refused` for what does not read, and what the
 * state throws.
 * @returns Undefined where there is none.
 */
export async function storedMetadata(state: ReadableState, table: RecordTable, name: string): Promise<StateMetadata | undefined> {
  const metadata = readMetadata(await state.getState(metadataKey(table, name)))
  return isFault(metadata) ? unreadable(`could not unmarshal metadata for namespace ${table}/${name}`, metadata) : metadata
}

/** All records of a table, by name in the keys' order. @see Fabric `core/chaincode/lifecycle/serializer.go` DeserializeAllMetadata */
export async function allMetadata(state: Pick<RangeableState, 'range'>, table: RecordTable): Promise<ReadonlyMap<string, StateMetadata>> {
  const prefix = metadataKey(table, '')
  const found = new Map<string, StateMetadata>()
  for await (const { key, value } of state.range(prefix, `${prefix}\x7f`)) {
    const metadata = StateMetadata.decode(value)
    if (isFault(metadata)) return unreadable(`error unmarshalling metadata for key ${key}`, metadata)
    if (found.size >= RECORDS_MAX) throw refused(`more than ${RECORDS_MAX} records are in ${prefix}`)
    found.set(key.slice(prefix.length), metadata)
  }
  return found
}

/** The sequence that a chaincode's definition has now: 0 where there is none. */
export async function storedSequence(state: ReadableState, chaincode: string): Promise<bigint> {
  const key = fieldKey('namespaces', chaincode, 'Sequence')
  const sequence = readNumberField(await state.getState(key))
  return isFault(sequence) ? unreadable(`could not unmarshal state for key ${key}`, sequence) : sequence
}

/** A definition, of which the metadata is known to be there. */
export async function storedDefinition(state: ReadableState, chaincode: string, metadata: StateMetadata): Promise<ChaincodeDefinition> {
  assertDatatype('ChaincodeDefinition', metadata)
  return { sequence: await storedSequence(state, chaincode), ...(await storedFields(state, chaincode)) }
}

/** What an organisation approved. @param name - With `#` and the sequence. @param metadata - Known to be there. */
export async function storedParameters(state: ReadableState, name: string, metadata: StateMetadata): Promise<ChaincodeParameters> {
  assertDatatype('ChaincodeParameters', metadata)
  return await storedFields(state, name)
}

/** Which package an organisation runs; `''` for none. @param name - With `#` and the sequence. @param metadata - Known to be there. */
export async function storedPackageId(state: ReadableState, name: string, metadata: StateMetadata): Promise<string> {
  assertDatatype('ChaincodeLocalPackage', metadata)
  const key = fieldKey('chaincode-sources', name, 'PackageID')
  const packageId = readTextField(await state.getState(key))
  return isFault(packageId) ? unreadable(`could not unmarshal state for key ${key}`, packageId) : packageId
}

/** Writes a record, but for what the state has already. @see Fabric `core/chaincode/lifecycle/serializer.go` Serialize */
export async function storeRecord(state: WritableState, record: StateRecord): Promise<void> {
  const { table, name } = record
  const held = await storedMetadata(state, table, name)
  const existing = new Map<string, Uint8Array | undefined>()
  if (held !== undefined) existing.set(metadataKey(table, name), StateMetadata.encode(held))
  for (const field of held?.fields ?? []) {
    const key = fieldKey(table, name, field)
    existing.set(key, await state.getState(key))
  }
  const writes = recordWrites(record, (key) => existing.get(key))
  if (isFault(writes)) return unreadable('could not serialize', writes)
  for (const { key, value } of writes) await (value === undefined ? state.deleteState(key) : state.putState(key, value))
}

/**
 * In what an organisation's record differs from one, by hashes.
 * @returns Names of fields; the datatype alone where there is no such record at all; empty where it is the same.
 * @see Fabric `core/chaincode/lifecycle/serializer.go` IsSerialized
 */
export async function recordMismatches(state: Pick<OpaqueState, 'getStateHash'>, record: StateRecord): Promise<readonly string[]> {
  const { table, name, datatype, fields } = record
  const [what, ...hashes] = await hashesOf(state, recordKeys({ table, name, fields: fields.keys() }))
  if (!isHashOf(StateMetadata.encode({ datatype, fields: [...fields.keys()] }), what)) return [datatype]
  return [...fields].filter(([, data], at) => !isHashOf(StateData.encode(data), hashes[at])).map(([field]) => field)
}

/** Whether an organisation has a record of this kind, whatever is in it. @see Fabric `serializer.go` IsMetadataSerialized */
export async function isRecordThere(
  state: Pick<OpaqueState, 'getStateHash'>,
  { table, name, datatype, fields }: StateRecord,
): Promise<boolean> {
  const metadata = StateMetadata.encode({ datatype, fields: [...fields.keys()] })
  return isHashOf(metadata, await state.getStateHash(metadataKey(table, name)))
}

async function storedFields(state: ReadableState, name: string): Promise<ChaincodeParameters> {
  return {
    endorsementInfo: await storedMessage(state, name, 'EndorsementInfo', EndorsementInfo),
    validationInfo: await storedMessage(state, name, 'ValidationInfo', ValidationInfo),
    collections: await storedMessage(state, name, 'Collections', CollectionConfigPackage),
  }
}

async function storedMessage<T extends object>(state: ReadableState, name: string, field: string, type: Message<T>): Promise<T> {
  const key = fieldKey('namespaces', name, field)
  const value = readMessageField(type, await state.getState(key))
  return isFault(value) ? unreadable(`could not unmarshal key ${key}`, value) : value
}

async function hashesOf(state: Pick<OpaqueState, 'getStateHash'>, keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
  const hashes: (Uint8Array | undefined)[] = []
  for (const key of keys) hashes.push(await state.getStateHash(key))
  return hashes
}

function isHashOf(value: Uint8Array, hash: Uint8Array | undefined): boolean {
  return hash !== undefined && equalBytes(sha256(value), hash)
}

function assertDatatype(expected: string, { datatype }: StateMetadata): void {
  if (datatype !== expected) throw refused(`type name mismatch '${expected}' != '${datatype}'`)
}

function unreadable(what: string, fault: Fault): never {
  throw refused(`${what}: ${fault.detail ?? fault.fault}`)
}
