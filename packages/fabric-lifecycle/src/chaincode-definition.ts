import { bool, bytes, type Message, message, string } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import { CollectionConfigPackage } from './collection.ts'
import { badRecord, readMessageField, readMetadata, readNumberField, recordKeys, type StateData, type StateRecord } from './state-record.ts'

/** How a chaincode is to be endorsed. `lifecycle.ChaincodeEndorsementInfo`. */
export interface EndorsementInfo {
  readonly version: string
  readonly initRequired: boolean
  readonly endorsementPlugin: string
}

/** `lifecycle.ChaincodeEndorsementInfo`. */
export const EndorsementInfo: Message<EndorsementInfo> = message<EndorsementInfo>('ChaincodeEndorsementInfo', {
  version: string(1),
  initRequired: bool(2),
  endorsementPlugin: string(3),
})

/** How a chaincode's transactions are to be validated. `lifecycle.ChaincodeValidationInfo`. */
export interface ValidationInfo {
  readonly validationPlugin: string
  /** For the built-in plugin `vscc` a `common.ApplicationPolicy`'s bytes. */
  readonly validationParameter: Uint8Array
}

/** `lifecycle.ChaincodeValidationInfo`. */
export const ValidationInfo: Message<ValidationInfo> = message<ValidationInfo>('ChaincodeValidationInfo', {
  validationPlugin: string(1),
  validationParameter: bytes(2),
})

/** What organisations agree on about a chaincode. */
export interface ChaincodeParameters {
  readonly endorsementInfo: EndorsementInfo
  readonly validationInfo: ValidationInfo
  readonly collections: CollectionConfigPackage
}

/** A chaincode as a channel has it. */
export interface ChaincodeDefinition extends ChaincodeParameters {
  /** Goes up by one with each change, from 1 on. */
  readonly sequence: bigint
}

const DEFINITION = 'ChaincodeDefinition'
const FIELDS = ['Sequence', 'EndorsementInfo', 'ValidationInfo', 'Collections'] as const

/** The keys in `_lifecycle` that define a chaincode, in the order that {@link readChaincodeDefinition} takes their values in. */
export function definitionKeys(chaincode: string): readonly string[] {
  return recordKeys({ table: 'namespaces', name: chaincode, fields: FIELDS })
}

/**
 * A chaincode's definition.
 * @param values - Of {@link definitionKeys}, in their order.
 * @returns Undefined where the chaincode is not defined, or `fabric-lifecycle/bad-record`: validation must halt then, for it tells nothing of
 * a transaction.
 * @see Fabric `core/chaincode/lifecycle/lifecycle.go` ChaincodeDefinitionIfDefined
 */
export function readChaincodeDefinition(values: readonly (Uint8Array | undefined)[]): ChaincodeDefinition | Fault | undefined {
  const [what, ...fields] = values
  const metadata = readMetadata(what)
  if (metadata === undefined || isFault(metadata)) return metadata
  if (metadata.datatype !== DEFINITION) return badRecord(`it is a '${metadata.datatype}', not a chaincode`)
  const sequence = readNumberField(fields[0])
  if (isFault(sequence)) return sequence
  const endorsementInfo = readMessageField(EndorsementInfo, fields[1])
  if (isFault(endorsementInfo)) return endorsementInfo
  const validationInfo = readMessageField(ValidationInfo, fields[2])
  if (isFault(validationInfo)) return validationInfo
  const collections = readMessageField(CollectionConfigPackage, fields[3])
  return isFault(collections) ? collections : { sequence, endorsementInfo, validationInfo, collections }
}

/**
 * A chaincode's definition, read from the state.
 * @param read - Values of keys of `_lifecycle`, in the keys' order. What it throws is thrown.
 * @returns As {@link readChaincodeDefinition}.
 */
export async function chaincodeDefinition(
  read: (keys: readonly string[]) => Promise<readonly (Uint8Array | undefined)[]>,
  chaincode: string,
): Promise<ChaincodeDefinition | Fault | undefined> {
  return readChaincodeDefinition(await read(definitionKeys(chaincode)))
}

/** A definition as the state holds it, for `recordWrites`. */
export function definitionRecord(chaincode: string, definition: ChaincodeDefinition): StateRecord {
  const fields = new Map<string, Partial<StateData>>([['Sequence', { int64: definition.sequence }], ...parameterFields(definition)])
  return { table: 'namespaces', name: chaincode, datatype: DEFINITION, fields }
}

/** An organisation's approval of parameters for a sequence, as its implicit collection holds it. */
export function approvalRecord(chaincode: string, sequence: bigint, parameters: ChaincodeParameters): StateRecord {
  const fields = new Map(parameterFields(parameters))
  return { table: 'namespaces', name: `${chaincode}#${sequence}`, datatype: 'ChaincodeParameters', fields }
}

/** Which package an organisation runs for an approval, as its implicit collection holds it. @param packageId - `''` for none. */
export function packageRecord(chaincode: string, sequence: bigint, packageId: string): StateRecord {
  const fields = new Map([['PackageID', { string: packageId }]])
  return { table: 'chaincode-sources', name: `${chaincode}#${sequence}`, datatype: 'ChaincodeLocalPackage', fields }
}

function parameterFields({ endorsementInfo, validationInfo, collections }: ChaincodeParameters): [string, Partial<StateData>][] {
  return [
    ['EndorsementInfo', { bytes: EndorsementInfo.encode(endorsementInfo) }],
    ['ValidationInfo', { bytes: ValidationInfo.encode(validationInfo) }],
    ['Collections', { bytes: CollectionConfigPackage.encode(collections) }],
  ]
}
