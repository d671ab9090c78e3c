import { ChaincodeSource, isSameMessage, toHex } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import { approvalRecord, type ChaincodeDefinition, type ChaincodeParameters, packageRecord } from './chaincode-definition.ts'
import { CollectionConfigPackage } from './collection.ts'
import { type RangeableState, type ReadableState, refused, type WritableState } from './lifecycle-state.ts'
import type { StateMetadata } from './state-record.ts'
import {
  allMetadata,
  storedDefinition,
  storedMetadata,
  storedPackageId,
  storedParameters,
  storedSequence,
  storeRecord,
} from './stored-record.ts'

/** What an organisation says that it runs. */
export interface Approval {
  readonly channelId: string
  readonly chaincode: string
  /** With defaults for what the client left out. */
  readonly definition: ChaincodeDefinition
  /** `''` for none: the organisation agrees, and does not run it. */
  readonly packageId: string
}

/** A definition that an organisation approved. */
export interface ApprovedDefinition extends ChaincodeDefinition {
  readonly chaincode: string
  readonly source: ChaincodeSource
}

/** Where an approval goes. */
export interface ApprovalStates {
  readonly publicState: ReadableState
  /** The organisation's implicit collection. */
  readonly orgState: WritableState
}

/**
 * Writes an organisation's approval.
 * @throws KumikoError `fabric-lifecycle/refused` with Fabric's words.
 * @see Fabric `core/chaincode/lifecycle/lifecycle.go` ApproveChaincodeDefinitionForOrg
 */
export async function approveDefinition(approval: Approval, { publicState, orgState }: ApprovalStates): Promise<void> {
  const { chaincode, definition, packageId } = approval
  const current = await storedSequence(publicState, chaincode)
  assertApprovable(current, definition.sequence)
  if (definition.sequence === current) await assertSameAsCommitted(approval, publicState)
  if (await isApproved(approval, orgState)) throw unchanged(approval, current)
  await storeRecord(orgState, approvalRecord(chaincode, definition.sequence, definition))
  await storeRecord(orgState, packageRecord(chaincode, definition.sequence, packageId))
}

/**
 * What the organisation approved.
 * @param sequence - 0 for the newest: the next one where it is approved, else that which is committed.
 * @throws KumikoError `fabric-lifecycle/refused` with Fabric's words.
 */
export async function approvedDefinition(
  { channelId, chaincode, sequence }: { readonly channelId: string; readonly chaincode: string; readonly sequence: bigint },
  { publicState, orgState }: { readonly publicState: ReadableState; readonly orgState: ReadableState },
): Promise<ApprovedDefinition> {
  const wanted = sequence === 0n ? await newestSequence(chaincode, publicState, orgState) : sequence
  const metadata = await storedMetadata(orgState, 'namespaces', privateName(chaincode, wanted))
  if (metadata === undefined) {
    throw refused(`could not fetch approved chaincode definition (name: '${chaincode}', sequence: '${wanted}') on channel '${channelId}'`)
  }
  return await storedApproval(chaincode, wanted, metadata, orgState)
}

/** All that the organisation approved on a channel, in the keys' order. @throws KumikoError `fabric-lifecycle/refused`. */
export async function approvedDefinitions(channelId: string, orgState: RangeableState): Promise<readonly ApprovedDefinition[]> {
  const approved: ApprovedDefinition[] = []
  for (const [name, metadata] of await allMetadata(orgState, 'namespaces')) {
    const { chaincode, sequence } = splitPrivateName(name)
    const where = `could not fetch approved chaincode definition (name: '${chaincode}', sequence: '${sequence}') on channel '${channelId}'`
    approved.push(await within(where, () => storedApproval(chaincode, sequence, metadata, orgState)))
  }
  return approved
}

function privateName(chaincode: string, sequence: bigint): string {
  return `${chaincode}#${sequence}`
}

const PRIVATE_NAME = /^([^#]*)#(-?\d{1,19})$/

function splitPrivateName(name: string): { readonly chaincode: string; readonly sequence: bigint } {
  const [, chaincode, sequence] = PRIVATE_NAME.exec(name) ?? []
  if (chaincode === undefined || sequence === undefined) {
    throw refused(`could not extract chaincode name and sequence number from metadata: ${name}: invalid private name format: ${name}`)
  }
  return { chaincode, sequence: BigInt(sequence) }
}

function assertApprovable(current: bigint, requested: bigint): void {
  if (current === requested && requested === 0n) throw refused('requested sequence is 0, but first definable sequence number is 1')
  if (requested < current) throw refused(`currently defined sequence ${current} is larger than requested sequence ${requested}`)
  if (requested > current + 1n) {
    throw refused(`requested sequence ${requested} is larger than the next available sequence number ${current + 1n}`)
  }
}

async function assertSameAsCommitted({ chaincode, definition }: Approval, publicState: ReadableState): Promise<void> {
  const metadata = await storedMetadata(publicState, 'namespaces', chaincode)
  if (metadata === undefined) throw refused(`missing metadata for currently committed sequence number (${definition.sequence})`)
  const where = `could not deserialize namespace ${chaincode} as chaincode`
  const committed = await within(where, () => storedDefinition(publicState, chaincode, metadata))
  const difference = differenceOf(committed, definition)
  if (difference === undefined) return
  const what = `attempted to redefine the current committed sequence (${definition.sequence}) for namespace ${chaincode} with different parameters`
  throw refused(`${what}: ${difference}`)
}

async function isApproved({ chaincode, definition, packageId }: Approval, orgState: ReadableState): Promise<boolean> {
  const name = privateName(chaincode, definition.sequence)
  const metadata = await storedMetadata(orgState, 'namespaces', name)
  if (metadata === undefined) return false
  const parameters = await within(`could not deserialize namespace ${name} as chaincode`, () => storedParameters(orgState, name, metadata))
  if (differenceOf(parameters, definition) !== undefined) return false
  const source = await storedMetadata(orgState, 'chaincode-sources', name)
  if (source === undefined) return false
  return (await within(`could not deserialize chaincode package for ${name}`, () => storedPackageId(orgState, name, source))) === packageId
}

function unchanged({ chaincode, definition: { sequence } }: Approval, current: bigint): KumikoError {
  return sequence === current
    ? refused(`attempted to redefine the current committed sequence (${current}) for namespace ${chaincode}`)
    : refused(`attempted to redefine uncommitted sequence (${sequence}) for namespace ${chaincode} with unchanged content`)
}

async function newestSequence(chaincode: string, publicState: ReadableState, orgState: ReadableState): Promise<bigint> {
  const current = await within('could not get current sequence', () => storedSequence(publicState, chaincode))
  const next = await storedMetadata(orgState, 'namespaces', privateName(chaincode, current + 1n))
  return next === undefined ? current : current + 1n
}

async function storedApproval(
  chaincode: string,
  sequence: bigint,
  { datatype, fields }: StateMetadata,
  orgState: ReadableState,
): Promise<ApprovedDefinition> {
  if (datatype !== 'ChaincodeParameters') throw refused(`not a chaincode parameters type: ${datatype}`)
  const name = privateName(chaincode, sequence)
  const parameters = await within(`could not deserialize chaincode parameters for ${name}`, () =>
    storedParameters(orgState, name, { datatype, fields }),
  )
  const source = await storedMetadata(orgState, 'chaincode-sources', name)
  if (source === undefined) throw refused(`could not fetch chaincode-source metadata for ${name}`)
  if (source.datatype !== 'ChaincodeLocalPackage') throw refused(`not a chaincode local package type: ${source.datatype}`)
  const packageId = await within(`could not deserialize chaincode package for ${name}`, () => storedPackageId(orgState, name, source))
  return { chaincode, sequence, ...parameters, source: sourceOf(packageId) }
}

function sourceOf(packageId: string): ChaincodeSource {
  return ChaincodeSource.create(packageId === '' ? { unavailable: {} } : { localPackage: { packageId } })
}

/** Where parameters differ first, in Fabric's words. */
function differenceOf(expected: ChaincodeParameters, passed: ChaincodeParameters): string | undefined {
  const pairs: readonly [string, string, string][] = [
    ['Version', expected.endorsementInfo.version, passed.endorsementInfo.version],
    ['EndorsementPlugin', expected.endorsementInfo.endorsementPlugin, passed.endorsementInfo.endorsementPlugin],
    ['InitRequired', String(expected.endorsementInfo.initRequired), String(passed.endorsementInfo.initRequired)],
    ['ValidationPlugin', expected.validationInfo.validationPlugin, passed.validationInfo.validationPlugin],
    ['ValidationParameter', toHex(expected.validationInfo.validationParameter), toHex(passed.validationInfo.validationParameter)],
  ]
  for (const [name, one, other] of pairs) if (one !== other) return `expected ${name} '${one}' does not match passed ${name} '${other}'`
  return isSameMessage(CollectionConfigPackage, expected.collections, passed.collections) ? undefined : 'Collections do not match'
}

/** Says where something was refused, before why. */
async function within<T>(where: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw error instanceof KumikoError && error.code === 'fabric-lifecycle/refused' ? refused(`${where}: ${error.message}`) : error
  }
}
