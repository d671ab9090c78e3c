import { approvalRecord, type ChaincodeDefinition, definitionRecord } from './chaincode-definition.ts'
import { notDefined, type OpaqueState, type RangeableState, type ReadableState, refused, type WritableState } from './lifecycle-state.ts'
import { allMetadata, recordMismatches, storedDefinition, storedMetadata, storedSequence, storeRecord } from './stored-record.ts'

/** Who approved a definition, by MSP id. */
export interface CommitReadiness {
  readonly approvals: ReadonlyMap<string, boolean>
  /** Of organisations that did not: names of what they have otherwise, or `ChaincodeParameters` where they have none. */
  readonly mismatches: ReadonlyMap<string, readonly string[]>
}

/**
 * Who approved a definition that is to be committed next.
 * @param definition - With defaults for what the client left out.
 * @throws KumikoError `fabric-lifecycle/refused` where it cannot be the next.
 * @see Fabric `core/chaincode/lifecycle/lifecycle.go` CheckCommitReadiness
 */
export async function checkCommitReadiness(
  chaincode: string,
  definition: ChaincodeDefinition,
  publicState: ReadableState,
  orgStates: readonly OpaqueState[],
): Promise<CommitReadiness> {
  const next = (await storedSequence(publicState, chaincode)) + 1n
  if (definition.sequence !== next) {
    throw refused(`requested sequence is ${definition.sequence}, but new definition must be sequence ${next}`)
  }
  return await orgApprovals(chaincode, definition, orgStates)
}

/**
 * Writes a definition. Whether enough organisations approved it is for those to say who endorse this.
 * @returns Who approved it.
 * @throws KumikoError `fabric-lifecycle/refused` where it cannot be the next.
 */
export async function commitDefinition(
  chaincode: string,
  definition: ChaincodeDefinition,
  publicState: WritableState,
  orgStates: readonly OpaqueState[],
): Promise<CommitReadiness> {
  const readiness = await checkCommitReadiness(chaincode, definition, publicState, orgStates)
  await storeRecord(publicState, definitionRecord(chaincode, definition))
  return readiness
}

/** Who approved a definition, be it committed or not. */
export async function orgApprovals(
  chaincode: string,
  definition: ChaincodeDefinition,
  orgStates: readonly OpaqueState[],
): Promise<CommitReadiness> {
  const approvals = new Map<string, boolean>()
  const mismatches = new Map<string, readonly string[]>()
  for (const state of orgStates) {
    const differing = await recordMismatches(state, approvalRecord(chaincode, definition.sequence, definition))
    approvals.set(state.mspId, differing.length === 0)
    if (differing.length > 0) mismatches.set(state.mspId, differing)
  }
  return { approvals, mismatches }
}

/** A definition as the channel has it. @throws KumikoError `fabric-lifecycle/not-defined`, `fabric-lifecycle/refused`. */
export async function committedDefinition(chaincode: string, publicState: ReadableState): Promise<ChaincodeDefinition> {
  const metadata = await storedMetadata(publicState, 'namespaces', chaincode)
  if (metadata === undefined) throw notDefined(chaincode)
  return await storedDefinition(publicState, chaincode, metadata)
}

/** The chaincodes that a channel defines, in the order of their names' UTF-8. @throws KumikoError `fabric-lifecycle/refused`. */
export async function definedChaincodes(publicState: Pick<RangeableState, 'range'>): Promise<readonly string[]> {
  const records = await allMetadata(publicState, 'namespaces')
  return [...records].filter(([, { datatype }]) => datatype === 'ChaincodeDefinition').map(([name]) => name)
}
