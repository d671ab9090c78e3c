import {
  BlockDataHashingStructure,
  ChannelHeader,
  type Config,
  ConfigEnvelope,
  type ConfigGroup,
  ConsortiumMessage,
  HashingAlgorithm,
  HeaderType,
  OrdererAddresses,
  openEnvelope,
  PolicyMessage,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import type { Msp, MspManager } from '../contract.ts'
import { createMspManager } from '../msp-manager.ts'
import { type PolicyTree, readPolicyTree } from '../policy/policy-tree.ts'
import { type ApplicationSection, readApplicationSection } from './application-section.ts'
import { capabilityFault } from './capabilities.ts'
import { channelIdProblem } from './config-id.ts'
import { flattenConfig, ROOT_GROUP } from './config-map.ts'
import { validateConfigUpdate } from './config-update.ts'
import { badConfig, capabilityNames, configValueOf, valuesFault } from './config-values.ts'
import { type OrdererSection, readOrdererSection } from './orderer-section.ts'
import { MspDefinitions, type MspFactory, type Organization, readOrganizations } from './organization.ts'

/** Organisations that may make channels together: only an orderer's system channel of old has such. */
export interface Consortium<M extends Msp> {
  readonly channelCreationPolicy: PolicyMessage
  readonly organizations: ReadonlyMap<string, Organization<M>>
}

/** All that a channel's configuration says, of one piece and immutable (`channelconfig/bundle.go`). */
export interface ChannelBundle<M extends Msp = Msp> {
  readonly channelId: string
  readonly config: Config
  readonly policies: PolicyTree
  readonly msps: MspManager & { msp(mspId: string): M | undefined }
  readonly capabilities: ReadonlySet<string>
  /** `host:port` of orderers of the whole channel; each organisation may name its own. */
  readonly ordererAddresses: readonly string[]
  /** Of which the channel was made; empty since channels are made without. */
  readonly consortiumName: string
  readonly orderer: OrdererSection<M> | undefined
  readonly application: ApplicationSection<M> | undefined
  readonly consortiums: ReadonlyMap<string, Consortium<M>> | undefined
}

/**
 * Reads a channel's configuration (`channelconfig.NewBundle`, research § 3.4.5).
 * @param mspOf - Makes the MSPs; it is asked once for each place where one is defined.
 * @returns `fabric-msp/bad-config` where Fabric refuses the configuration; `fabric-msp/capability-unsupported` where it is one, but this
 * package does not follow it: stop on the channel then, as Fabric's peers do.
 */
export function channelBundle<M extends Msp>(channelId: string, config: Config, mspOf: MspFactory<M>): ChannelBundle<M> | Fault {
  const bundle = readBundle(channelId, config, mspOf)
  return isFault(bundle) ? bundle : (unsupportedFault(bundle) ?? bundle)
}

/**
 * Applies a CONFIG transaction to a channel, as a peer does (`core/peer`, `configtx.Validate`, `NewBundle`, `ValidateNew`): the update
 * is authorised and gives the configuration, which is one, and may follow the current one.
 * @returns The channel from then on. Any fault stops a peer on the channel, as in Fabric (`txvalidator/v20/validator.go`: no code stands for
 * it): orderers let no such transaction through.
 */
export function nextChannelBundle<M extends Msp>(
  current: ChannelBundle<M>,
  next: ConfigEnvelope,
  mspOf: MspFactory<M>,
): ChannelBundle<M> | Fault {
  const refused = validateConfigUpdate(current, next)
  if (refused !== undefined) return refused
  if (next.config === undefined) return badConfig('there is no config')
  const bundle = readBundle(current.channelId, next.config, mspOf)
  return isFault(bundle) ? bundle : (successionFault(current, bundle) ?? unsupportedFault(bundle) ?? bundle)
}

function readBundle<M extends Msp>(channelId: string, config: Config, mspOf: MspFactory<M>): ChannelBundle<M> | Fault {
  const { channelGroup } = config
  if (channelGroup === undefined) return badConfig('there is no channel_group')
  const problem = channelIdProblem(channelId)
  if (problem !== undefined) return badConfig(problem)
  const names = flattenConfig(channelGroup)
  if (isFault(names)) return names
  const root = readRoot(channelGroup)
  if (isFault(root)) return root
  const definitions = new MspDefinitions(mspOf)
  const sections = readSections(channelGroup, definitions)
  if (isFault(sections)) return sections
  const policies = readPolicyTree(ROOT_GROUP, channelGroup)
  if (isFault(policies)) return policies
  return { channelId, config, policies, msps: createMspManager(definitions.msps), ...root, ...sections }
}

/** Last, as in Fabric: what is no configuration at all is refused, and stops no peer. */
function unsupportedFault({ capabilities, orderer, application }: ChannelBundle): Fault | undefined {
  return (
    capabilityFault('Channel', capabilities) ??
    (orderer && capabilityFault('Orderer', orderer.capabilities)) ??
    (application && capabilityFault('Application', application.capabilities))
  )
}

/** A CONFIG transaction's channel and what it carries. */
export interface ConfigTransaction {
  readonly channelId: string
  readonly envelope: ConfigEnvelope
}

/** Reads a CONFIG transaction. @param bytes - `common.Envelope`, as a block has it. Its signature is not looked at. */
export function readConfigTransaction(bytes: Uint8Array): ConfigTransaction | Fault {
  const payload = openEnvelope(bytes)
  if (isFault(payload)) return payload
  if (payload.header === undefined) return badConfig('the transaction has no header')
  const header = ChannelHeader.decode(payload.header.channelHeader)
  if (isFault(header)) return header
  if (header.type !== HeaderType.config) return badConfig(`the transaction is of type ${header.type}, not CONFIG`)
  const envelope = ConfigEnvelope.decode(payload.data)
  return isFault(envelope) ? envelope : { channelId: header.channelId, envelope }
}

type Root = Pick<ChannelBundle, 'capabilities' | 'ordererAddresses' | 'consortiumName'>

function readRoot(group: ConfigGroup): Root | Fault {
  const fault = valuesFault('Channel', group)
  if (fault !== undefined) return fault
  const capabilities = capabilityNames(group)
  if (isFault(capabilities)) return capabilities
  const hashing = hashingFault(group)
  if (hashing !== undefined) return hashing
  const addresses = configValueOf(group, 'OrdererAddresses', OrdererAddresses)
  const named = configValueOf(group, 'Consortium', ConsortiumMessage)
  if (isFault(addresses)) return addresses
  if (isFault(named)) return named
  return { capabilities, ordererAddresses: addresses.addresses, consortiumName: named.name }
}

/** Fabric knows SHA3_256 too, but hashes blocks with SHA256 whatever is said here. */
function hashingFault(group: ConfigGroup): Fault | undefined {
  const algorithm = configValueOf(group, 'HashingAlgorithm', HashingAlgorithm)
  const structure = configValueOf(group, 'BlockDataHashingStructure', BlockDataHashingStructure)
  if (isFault(algorithm)) return algorithm
  if (isFault(structure)) return structure
  if (algorithm.name !== 'SHA256' && algorithm.name !== 'SHA3_256') return badConfig(`hashing algorithm '${algorithm.name}' is unknown`)
  return structure.width === 0xffffffff ? undefined : badConfig(`a block data hashing width of ${structure.width} is not supported`)
}

type Sections<M extends Msp> = Pick<ChannelBundle<M>, 'orderer' | 'application' | 'consortiums'>

function readSections<M extends Msp>(root: ConfigGroup, definitions: MspDefinitions<M>): Sections<M> | Fault {
  const odd = [...root.groups.keys()].find((name) => name !== 'Orderer' && name !== 'Application' && name !== 'Consortiums')
  if (odd !== undefined) return badConfig(`the channel has an unexpected group ${odd}`)
  const orderer = whereThere(root.groups.get('Orderer'), (group) => readOrdererSection(group, definitions))
  if (isFault(orderer)) return orderer
  const application = whereThere(root.groups.get('Application'), (group) => readApplicationSection(group, definitions))
  if (isFault(application)) return application
  const consortiums = whereThere(root.groups.get('Consortiums'), (group) =>
    readOrganizations(group.groups, (name, below) => readConsortium(name, below, definitions)),
  )
  return isFault(consortiums) ? consortiums : { orderer, application, consortiums }
}

function whereThere<T>(group: ConfigGroup | undefined, read: (group: ConfigGroup) => T | Fault): T | Fault | undefined {
  return group === undefined ? undefined : read(group)
}

function readConsortium<M extends Msp>(name: string, group: ConfigGroup, definitions: MspDefinitions<M>): Consortium<M> | Fault {
  const fault = valuesFault('Consortium', group)
  if (fault !== undefined) return badConfig(`consortium ${name}: ${fault.detail ?? ''}`)
  const channelCreationPolicy = configValueOf(group, 'ChannelCreationPolicy', PolicyMessage)
  if (isFault(channelCreationPolicy)) return channelCreationPolicy
  const organizations = readOrganizations(group.groups, (org, below) => definitions.readOrganization('ConsortiumOrg', org, below))
  return isFault(organizations) ? organizations : { channelCreationPolicy, organizations }
}

/**
 * Checks that a configuration may follow another (`Bundle.ValidateNew`): sections stay, organisations keep their MSP's id, and
 * consortiums do not appear.
 * @returns What is wrong, if anything.
 */
export function successionFault(current: ChannelBundle, next: ChannelBundle): Fault | undefined {
  if (current.orderer !== undefined && next.orderer === undefined) return badConfig('the orderer section is gone')
  if (current.application !== undefined && next.application === undefined) return badConfig('the application section is gone')
  if ((current.consortiums === undefined) !== (next.consortiums === undefined)) return badConfig('the consortiums section came or went')
  const pairs = [
    [current.orderer?.organizations, next.orderer?.organizations],
    [current.application?.organizations, next.application?.organizations],
    ...[...(current.consortiums ?? [])].map(
      ([name, { organizations }]) => [organizations, next.consortiums?.get(name)?.organizations] as const,
    ),
  ] as const
  for (const [before, after] of pairs) {
    const moved = [...(before?.values() ?? [])].find(({ name, mspId }) => (after?.get(name)?.mspId ?? mspId) !== mspId)
    if (moved !== undefined) return badConfig(`organization ${moved.name} would change its MSP id from ${moved.mspId}`)
  }
  return undefined
}
