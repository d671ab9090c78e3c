import { ApproveChaincodeDefinitionForMyOrgArgs, DefinitionArgs, type Signer, ValidationCode } from '@kumiko/fabric-protocol'
import { KumikoError, type Millis } from '@kumiko/interface'
import { type EndorsedTransaction, type Endorser, endorseBy } from './endorse.ts'

/** An organisation that takes part in agreeing on chaincodes. */
export interface DeployingOrganization {
  readonly mspId: string
  readonly admin: Signer
  /** All of its peers: each is to keep the organisation's approval, which is private. */
  readonly peers: readonly Endorser[]
}

/** Where chaincodes are deployed. */
export interface DeploymentTarget {
  readonly channelId: string
  readonly organizations: readonly DeployingOrganization[]
  /** Has an envelope ordered. @throws Where the orderer refuses it. */
  broadcast(envelope: Uint8Array): Promise<void>
  /** Resolves when every peer has committed a transaction. @returns Its validation code. */
  committed(txId: string, signal: AbortSignal): Promise<number>
  now(): Millis
}

/** A chaincode to be deployed. */
export interface ChaincodeToDeploy {
  readonly definition: DefinitionArgs
  /** What runs it at the peers: `label:hash`. */
  readonly packageId: string
}

/**
 * Deploys chaincodes by the transactions that a channel of many owners takes: each organisation approves, then the definition is committed. All
 * chaincodes go together: as a rule in two blocks.
 * @throws KumikoError `fabric-devnet/refused`, `fabric-devnet/invalid-transaction`.
 */
export async function deploy(chaincodes: readonly ChaincodeToDeploy[], target: DeploymentTarget, signal: AbortSignal): Promise<void> {
  const { organizations } = target
  const approvals = chaincodes.flatMap((chaincode) => organizations.map((organization) => approve(chaincode, organization, target, signal)))
  await orderAll(await Promise.all(approvals), target, signal)
  await orderAll(await Promise.all(chaincodes.map((chaincode) => commit(chaincode, target, signal))), target, signal)
}

function approve(
  { definition, packageId }: ChaincodeToDeploy,
  organization: DeployingOrganization,
  { channelId, now }: DeploymentTarget,
  signal: AbortSignal,
): Promise<EndorsedTransaction> {
  const source = { unavailable: undefined, localPackage: { packageId } }
  const args = ApproveChaincodeDefinitionForMyOrgArgs.encode({ ...definition, source })
  return endorseBy(organization.peers, {
    channelId,
    chaincode: '_lifecycle',
    args: [text('ApproveChaincodeDefinitionForMyOrg'), args],
    signer: organization.admin,
    now: now(),
    signal,
  })
}

/** One peer of each organisation endorses: that satisfies whatever majority is asked for. */
async function commit({ definition }: ChaincodeToDeploy, target: DeploymentTarget, signal: AbortSignal): Promise<EndorsedTransaction> {
  const { channelId, organizations, now } = target
  const [first] = organizations
  if (first === undefined) throw new KumikoError('fabric-devnet/refused', 'a channel without organisations has no chaincodes')
  return await endorseBy(
    organizations.flatMap(({ peers }) => peers.slice(0, 1)),
    {
      channelId,
      chaincode: '_lifecycle',
      args: [text('CommitChaincodeDefinition'), DefinitionArgs.encode(definition)],
      signer: first.admin,
      now: now(),
      signal,
    },
  )
}

async function orderAll(transactions: readonly EndorsedTransaction[], target: DeploymentTarget, signal: AbortSignal): Promise<void> {
  await Promise.all(
    transactions.map(async ({ txId, envelope }) => {
      const committed = target.committed(txId, signal)
      await target.broadcast(envelope)
      const code = await committed
      if (code !== ValidationCode.valid) throw invalid(txId, code)
    }),
  )
}

function invalid(txId: string, code: number): KumikoError {
  const message = `a transaction that deploys chaincode is not valid (code ${code}): see that no one else deploys it at the same time`
  return new KumikoError('fabric-devnet/invalid-transaction', message, { context: { txId, code } })
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}
