import { bytes, equalBytes, int64, type Message, message, oneOf, repeatedString, string } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'

/** The namespace of `_lifecycle` in the state: public for definitions, its implicit collections for each organisation's approvals. */
export const LIFECYCLE_NAMESPACE = '_lifecycle'

/** Which table of `_lifecycle` a record is in: what is defined or approved, or where its code is. */
export type RecordTable = 'namespaces' | 'chaincode-sources'

/** What a record is, and which fields it has. `lifecycle.StateMetadata`. */
export interface StateMetadata {
  readonly datatype: string
  readonly fields: readonly string[]
}

/** `lifecycle.StateMetadata`. */
export const StateMetadata: Message<StateMetadata> = message<StateMetadata>('StateMetadata', {
  datatype: string(1),
  fields: repeatedString(2),
})

/** A field's value: one of these, or none. `lifecycle.StateData`. */
export interface StateData {
  readonly int64: bigint | undefined
  readonly bytes: Uint8Array | undefined
  readonly string: string | undefined
}

/** `lifecycle.StateData`. */
export const StateData: Message<StateData> = message<StateData>('StateData', {
  int64: oneOf('Type', int64(1)),
  bytes: oneOf('Type', bytes(2)),
  string: oneOf('Type', string(3)),
})

/** A structure as `_lifecycle` writes it: a key for what it is, and a key for each field. */
export interface StateRecord {
  readonly table: RecordTable
  /** A chaincode's name; for an approval with `#` and the sequence. */
  readonly name: string
  /** Go's name of the structure: `ChaincodeDefinition`, `ChaincodeParameters`, `ChaincodeLocalPackage`. */
  readonly datatype: string
  /** In the structure's order, which is that of the writes. */
  readonly fields: ReadonlyMap<string, Partial<StateData>>
}

/** A write to the state. No value deletes the key. */
export interface RecordWrite {
  readonly key: string
  readonly value: Uint8Array | undefined
}

/** The key under which a record says what it is. @see Fabric `core/chaincode/lifecycle/serializer.go` MetadataKey */
export function metadataKey(table: RecordTable, name: string): string {
  return `${table}/metadata/${name}`
}

/** The key of a record's field. @see Fabric `core/chaincode/lifecycle/serializer.go` FieldKey */
export function fieldKey(table: RecordTable, name: string, field: string): string {
  return `${table}/fields/${name}/${field}`
}

/** What {@link recordWrites} must know of: the keys of a record as it is to be, what it is first. */
export function recordKeys({ table, name, fields }: Pick<StateRecord, 'table' | 'name'> & { readonly fields: Iterable<string> }): string[] {
  return [metadataKey(table, name), ...[...fields].map((field) => fieldKey(table, name, field))]
}

/**
 * What must be written so that the state holds a record: keys whose value is there already are not written, for endorsers' writes must be
 * the same, and fields that the record has no more are deleted.
 * @param existing - The values of {@link recordKeys}, of the fields to be and of those that the metadata names now.
 * @returns Fields in their order, then what the record is, then deletions; or `fabric-lifecycle/bad-record` where what is there is unreadable.
 * @see Fabric `core/chaincode/lifecycle/serializer.go` Serialize
 */
export function recordWrites(record: StateRecord, existing: (key: string) => Uint8Array | undefined): readonly RecordWrite[] | Fault {
  const { table, name, datatype, fields } = record
  const held = readMetadata(existing(metadataKey(table, name)))
  if (isFault(held)) return held
  const before = new Set(held?.fields)
  const writes: RecordWrite[] = []
  for (const [field, data] of fields) {
    const key = fieldKey(table, name, field)
    const value = StateData.encode(data)
    if (!before.has(field) || !equalBytes(existing(key) ?? new Uint8Array(), value)) writes.push({ key, value })
  }
  const gone = [...before].filter((field) => !fields.has(field))
  if (gone.length > 0 || held?.datatype !== datatype || held.fields.length !== fields.size)
    writes.push({ key: metadataKey(table, name), value: StateMetadata.encode({ datatype, fields: [...fields.keys()] }) })
  return [...writes, ...gone.map((field) => ({ key: fieldKey(table, name, field), value: undefined }))]
}

/** What a record is. @returns Undefined where there is none, or `fabric-lifecycle/bad-record`. */
export function readMetadata(value: Uint8Array | undefined): StateMetadata | Fault | undefined {
  if (value === undefined) return
  const metadata = StateMetadata.decode(value)
  return isFault(metadata) ? badRecord(metadata.detail ?? '') : metadata
}

/** A field that is a message: as Go, one that is absent is read as an empty one. @returns `fabric-lifecycle/bad-record`. */
export function readMessageField<T extends object>(type: Message<T>, value: Uint8Array | undefined): T | Fault {
  const data = readStateData(value)
  if (isFault(data)) return data
  if (data.int64 !== undefined || data.string !== undefined) return badRecord(`${type.name} is not of bytes`)
  const decoded = type.decode(data.bytes ?? new Uint8Array())
  return isFault(decoded) ? badRecord(decoded.detail ?? '') : decoded
}

/** A field that is a number: 0 where it is absent. @returns `fabric-lifecycle/bad-record`. */
export function readNumberField(value: Uint8Array | undefined): bigint | Fault {
  const data = readStateData(value)
  if (isFault(data)) return data
  return data.bytes === undefined && data.string === undefined ? (data.int64 ?? 0n) : badRecord('a number is of another type')
}

/** A field that is text: `''` where it is absent. @returns `fabric-lifecycle/bad-record`. */
export function readTextField(value: Uint8Array | undefined): string | Fault {
  const data = readStateData(value)
  if (isFault(data)) return data
  return data.bytes === undefined && data.int64 === undefined ? (data.string ?? '') : badRecord('a text is of another type')
}

/** Says that `_lifecycle`'s state does not read as it should. */
export function badRecord(detail: string): Fault {
  return { fault: 'fabric-lifecycle/bad-record', detail: detail.slice(0, 200) }
}

function readStateData(value: Uint8Array | undefined): StateData | Fault {
  const data = StateData.decode(value ?? new Uint8Array())
  return isFault(data) ? badRecord(data.detail ?? '') : data
}
