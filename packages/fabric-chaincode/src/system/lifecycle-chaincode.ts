import type { Simulator } from '@kumiko/fabric-ledger'
import {
  type ApprovedDefinition,
  approveDefinition,
  approvedDefinition,
  approvedDefinitions,
  assertCollectionsKept,
  assertDefinition,
  type ChaincodeDefinition,
  CollectionConfigPackage,
  checkCommitReadiness,
  commitDefinition,
  committedDefinition,
  definedChaincodes,
  LIFECYCLE_NAMESPACE,
  type OpaqueState,
  orgApprovals,
  proposedDefinition,
  refused,
} from '@kumiko/fabric-lifecycle'
import type { AccessControl, ChannelBundle } from '@kumiko/fabric-msp'
import {
  ApproveChaincodeDefinitionForMyOrgArgs,
  CheckCommitReadinessResult,
  DefinitionArgs,
  type DefinitionFields,
  GetInstalledChaincodePackageResult,
  InstallChaincodeArgs,
  InstallChaincodeResult,
  InstalledChaincodeMessage,
  type Message,
  PackageIdArgs,
  QueryApprovedChaincodeDefinitionArgs,
  QueryApprovedChaincodeDefinitionResult,
  QueryApprovedChaincodeDefinitionsResult,
  QueryChaincodeDefinitionArgs,
  QueryChaincodeDefinitionResult,
  QueryChaincodeDefinitionsResult,
  QueryInstalledChaincodesResult,
} from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'
import type { SystemChaincode, TransactionContext } from '../contract.ts'
import type { InstalledPackage, PackageInstaller } from '../packages/installed-package.ts'
import { denial, failure, messageOf, success, textOf } from './answer.ts'
import { hasLifecycle } from './chaincode-definitions.ts'
import type { ChannelChaincodes } from './channel-chaincodes.ts'
import { opaqueState, orgState, publicState } from './lifecycle-states.ts'

/** What `_lifecycle` is made of. */
export interface LifecycleChaincodeOptions {
  /** Of the peer's organisation. */
  readonly mspId: string
  /** Undefined where the peer is not on it. */
  readonly channel: (channelId: string) => { readonly bundle: ChannelBundle } | undefined
  readonly access: AccessControl
  readonly installer: PackageInstaller
  /** Says where packages are used. */
  readonly chaincodes: Pick<ChannelChaincodes, 'references'>
}

/** One call. */
interface Invocation extends LifecycleChaincodeOptions {
  readonly function: string
  readonly argument: Uint8Array
  readonly channelId: string
  /** Undefined for what is asked of the peer itself. */
  readonly bundle: ChannelBundle | undefined
  readonly simulator: Simulator | undefined
}

/**
 * `_lifecycle`: packages are installed by it, and definitions approved and committed.
 * @see Fabric `core/chaincode/lifecycle/scc.go`
 */
export function lifecycleChaincode(options: LifecycleChaincodeOptions): SystemChaincode {
  return {
    name: LIFECYCLE_NAMESPACE,
    invoke: async (context, { args }) => {
      const [name, argument] = args
      if (name === undefined) return failure('lifecycle scc must be invoked with arguments')
      if (argument === undefined || args.length !== 2) {
        return failure(`lifecycle scc operations require exactly two arguments but received ${args.length}`)
      }
      const { channelId, simulator } = context
      const bundle = channelId === '' ? undefined : options.channel(channelId)?.bundle
      const refusal = channelRefusal(channelId, bundle) ?? accessRefusal(options, textOf(name), context)
      if (refusal !== undefined) return failure(refusal)
      return await answer({ ...options, function: textOf(name), argument, channelId, bundle, simulator })
    },
  }
}

function channelRefusal(channelId: string, bundle: ChannelBundle | undefined): string | undefined {
  if (channelId === '') return
  if (bundle === undefined) return `could not get channelconfig for channel '${channelId}'`
  if (bundle.application === undefined) return `could not get application config for channel '${channelId}'`
  if (hasLifecycle(bundle.application.capabilities)) return
  return `cannot use new lifecycle for channel '${channelId}' as it does not have the required capabilities enabled`
}

function accessRefusal({ access }: LifecycleChaincodeOptions, name: string, context: TransactionContext): string | undefined {
  const denied = denial(access, `${LIFECYCLE_NAMESPACE}/${name}`, context.channelId, context)
  return denied && `Failed to authorize invocation due to failed ACL check: ${denied}`
}

async function answer(invocation: Invocation) {
  const { function: name } = invocation
  const run = FUNCTIONS.get(name)
  try {
    if (run === undefined) throw refused(`receiver *lifecycle.Invocation.${name} does not exist`)
    return success(await run(invocation))
  } catch (error) {
    if (error instanceof KumikoError && error.code === 'fabric-lifecycle/not-defined') return failure(error.message, 404)
    if (error instanceof KumikoError && ANSWERED.test(error.code)) {
      return failure(`failed to invoke backing implementation of '${name}': ${messageOf(error)}`)
    }
    throw error
  }
}

/** What the client hears of; all else is a failure of the peer. */
const ANSWERED = /^fabric-(lifecycle|chaincode|ledger\/(bad-key|bad-write|private-data-unavailable|read-only))/

const FUNCTIONS: ReadonlyMap<string, (invocation: Invocation) => Promise<Uint8Array>> = new Map([
  ['InstallChaincode', install],
  ['QueryInstalledChaincode', queryInstalled],
  ['QueryInstalledChaincodes', queryAllInstalled],
  ['GetInstalledChaincodePackage', getPackage],
  ['ApproveChaincodeDefinitionForMyOrg', approve],
  ['QueryApprovedChaincodeDefinition', queryApproved],
  ['QueryApprovedChaincodeDefinitions', queryAllApproved],
  ['CheckCommitReadiness', checkReadiness],
  ['CommitChaincodeDefinition', commit],
  ['QueryChaincodeDefinition', queryDefined],
  ['QueryChaincodeDefinitions', queryAllDefined],
])

async function install(invocation: Invocation): Promise<Uint8Array> {
  const { chaincodeInstallPackage } = input(InstallChaincodeArgs, invocation)
  return InstallChaincodeResult.encode(await invocation.installer.install(chaincodeInstallPackage))
}

async function queryInstalled(invocation: Invocation): Promise<Uint8Array> {
  const { packageId } = input(PackageIdArgs, invocation)
  const found = invocation.installer.list().find((installed) => installed.packageId === packageId)
  if (found === undefined) throw refused(`could not find chaincode with package id '${packageId}'`)
  return InstalledChaincodeMessage.encode(await withReferences(found, invocation))
}

async function queryAllInstalled(invocation: Invocation): Promise<Uint8Array> {
  const installedChaincodes = await Promise.all(invocation.installer.list().map((installed) => withReferences(installed, invocation)))
  return QueryInstalledChaincodesResult.encode({ installedChaincodes })
}

async function withReferences({ packageId, label }: InstalledPackage, { chaincodes }: Invocation): Promise<InstalledChaincodeMessage> {
  const references = await chaincodes.references(packageId)
  const byChannel = [...references].map(([channelId, used]) => {
    const named = used.map(({ name, definition }) => ({ name, version: definition.endorsementInfo.version }))
    return [channelId, { chaincodes: named }] as const
  })
  return { packageId, label, references: new Map(byChannel) }
}

async function getPackage(invocation: Invocation): Promise<Uint8Array> {
  const { packageId } = input(PackageIdArgs, invocation)
  const chaincodeInstallPackage = await invocation.installer.load(packageId)
  if (chaincodeInstallPackage === undefined) {
    throw refused(`could not load cc install package: chaincode install package '${packageId}' not found`)
  }
  return GetInstalledChaincodePackageResult.encode({ chaincodeInstallPackage })
}

async function approve(invocation: Invocation): Promise<Uint8Array> {
  const args = input(ApproveChaincodeDefinitionForMyOrgArgs, invocation)
  const { simulator, definition } = await propose(args, invocation)
  const approval = {
    channelId: invocation.channelId,
    chaincode: args.name,
    definition,
    packageId: args.source?.localPackage?.packageId ?? '',
  }
  await approveDefinition(approval, { publicState: publicState(simulator), orgState: orgState(simulator, invocation.mspId) })
  return new Uint8Array()
}

async function queryApproved(invocation: Invocation): Promise<Uint8Array> {
  const { name, sequence } = input(QueryApprovedChaincodeDefinitionArgs, invocation)
  const simulator = onChannel(invocation.simulator)
  const states = { publicState: publicState(simulator), orgState: orgState(simulator, invocation.mspId) }
  const approved = await approvedDefinition({ channelId: invocation.channelId, chaincode: name, sequence }, states)
  return QueryApprovedChaincodeDefinitionResult.encode(approvedFields(approved))
}

async function queryAllApproved({ channelId, mspId, ...invocation }: Invocation): Promise<Uint8Array> {
  const approved = await approvedDefinitions(channelId, orgState(onChannel(invocation.simulator), mspId))
  const approvedChaincodeDefinitions = approved.map((one) => ({ name: one.chaincode, ...approvedFields(one) }))
  return QueryApprovedChaincodeDefinitionsResult.encode({ approvedChaincodeDefinitions })
}

async function checkReadiness(invocation: Invocation): Promise<Uint8Array> {
  const args = input(DefinitionArgs, invocation)
  const { bundle, simulator } = applicationOf(invocation)
  const definition = proposedDefinition(args, bundle)
  const { approvals, mismatches } = await checkCommitReadiness(
    args.name,
    definition,
    publicState(simulator),
    organizationStates(bundle, simulator),
  )
  const items = [...mismatches].map(([mspId, differing]) => [mspId, { items: differing }] as const)
  return CheckCommitReadinessResult.encode({ approvals, mismatches: new Map(items) })
}

async function commit(invocation: Invocation): Promise<Uint8Array> {
  const args = input(DefinitionArgs, invocation)
  const { simulator, definition, bundle } = await propose(args, invocation)
  const states = organizationStates(bundle, simulator)
  const { mspId } = invocation
  if (!states.some((state) => state.mspId === mspId)) {
    throw refused("impossibly, this peer's org is processing requests for a channel it is not a member of")
  }
  const { approvals } = await commitDefinition(args.name, definition, publicState(simulator), states)
  if (approvals.get(mspId) !== true) throw refused(`chaincode definition not agreed to by this org (${mspId})`)
  return new Uint8Array()
}

async function queryDefined(invocation: Invocation): Promise<Uint8Array> {
  const { name } = input(QueryChaincodeDefinitionArgs, invocation)
  const { bundle, simulator } = applicationOf(invocation)
  const definition = await committedDefinition(name, publicState(simulator))
  const { approvals } = await orgApprovals(name, definition, organizationStates(bundle, simulator))
  return QueryChaincodeDefinitionResult.encode({ ...definedFields(definition), approvals })
}

async function queryAllDefined(invocation: Invocation): Promise<Uint8Array> {
  const state = publicState(onChannel(invocation.simulator))
  const chaincodeDefinitions: (DefinitionFields & { readonly name: string; readonly sequence: bigint })[] = []
  for (const name of await definedChaincodes(state)) {
    chaincodeDefinitions.push({ name, ...definedFields(await committedDefinition(name, state)) })
  }
  return QueryChaincodeDefinitionsResult.encode({ chaincodeDefinitions })
}

/** A definition that keeps the rules. */
async function propose(args: DefinitionArgs, invocation: Invocation) {
  const { bundle, simulator } = invocation
  if (bundle === undefined || simulator === undefined) {
    throw refused(`error validating chaincode definition: could not get channelconfig for channel '${invocation.channelId}'`)
  }
  const definition = proposedDefinition(args, bundle)
  const { name: chaincode, version } = args
  const { collections } = definition
  assertDefinition({ chaincode, version, collections }, bundle)
  const committed = await committedCollections(chaincode, simulator)
  if (committed !== undefined) assertCollectionsKept(collections, committed)
  return { bundle, simulator, definition }
}

/** Reads what Fabric reads: it is part of what is endorsed. */
async function committedCollections(chaincode: string, simulator: Simulator): Promise<CollectionConfigPackage | undefined> {
  try {
    return (await committedDefinition(chaincode, publicState(simulator))).collections
  } catch (error) {
    if (!(error instanceof KumikoError) || error.code !== 'fabric-lifecycle/not-defined') throw error
  }
  const legacy = await simulator.getState('lscc', chaincode)
  if (legacy === undefined) return
  const collections = CollectionConfigPackage.decode((await simulator.getState('lscc', `${chaincode}~collection`)) ?? new Uint8Array())
  if (isFault(collections)) throw refused(`could not retrieve committed definition for chaincode '${chaincode}': ${collections.detail}`)
  return collections
}

function organizationStates({ application }: ChannelBundle, simulator: Simulator): readonly OpaqueState[] {
  return [...(application?.organizations.values() ?? [])].map(({ mspId }) => opaqueState(simulator, mspId))
}

function applicationOf({ bundle, simulator, channelId }: Invocation): { readonly bundle: ChannelBundle; readonly simulator: Simulator } {
  if (bundle === undefined || simulator === undefined) throw refused(`no application config for channel '${channelId}'`)
  return { bundle, simulator }
}

function onChannel(simulator: Simulator | undefined): Simulator {
  if (simulator === undefined) throw refused('invalid channel-less operation')
  return simulator
}

function definedFields({ sequence, endorsementInfo, validationInfo, collections }: ChaincodeDefinition): DefinitionFields & {
  readonly sequence: bigint
} {
  return { sequence, ...endorsementInfo, ...validationInfo, collections: CollectionConfigPackage.encode(collections) }
}

function approvedFields(approved: ApprovedDefinition): QueryApprovedChaincodeDefinitionResult {
  return { ...definedFields(approved), source: approved.source }
}

function input<T extends object>(type: Message<T>, { function: name, argument }: Invocation): T {
  const value = type.decode(argument)
  if (isFault(value)) throw refused(`could not decode input arg for *lifecycle.Invocation.${name}: ${value.detail ?? value.fault}`)
  return value
}
