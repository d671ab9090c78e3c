import {
  Acls,
  type AnchorPeer,
  AnchorPeers,
  BatchSize,
  BatchTimeout,
  BlockDataHashingStructure,
  Capabilities,
  ChannelRestrictions,
  type ConfigGroup,
  type ConfigPolicy,
  type ConfigValue,
  ConsensusType,
  FabricMspConfig,
  HashingAlgorithm,
  ImplicitMetaMessage,
  type Message,
  MspConfig,
  OrdererAddresses,
  POLICY_TYPE,
  type PolicyMessage,
  RaftMetadata,
  RULE_NAMES,
  SignaturePolicyEnvelope,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault, KumikoError } from '@kumiko/interface'
import { parsePolicy } from '../policy/policy-language.ts'
import { capabilityFault } from './capabilities.ts'
import { configIdProblem } from './config-id.ts'

/** A policy as `configtx.yaml` has it: `{ type: 'ImplicitMeta', rule: 'ANY Readers' }`, `{ type: 'Signature', rule: "OR('Org1MSP.member')" }`. */
export interface PolicyProfile {
  readonly type: 'ImplicitMeta' | 'Signature'
  readonly rule: string
}

/** Policies by name. Readers, Writers and Admins must be there. */
export type PolicyProfiles = Readonly<Record<string, PolicyProfile>>

/** An organisation of a channel to be. */
export interface OrganizationProfile {
  /** Its group's name. */
  readonly name: string
  /** Its MSP, as {@link readMspFolder} reads it. */
  readonly msp: FabricMspConfig
  readonly policies: PolicyProfiles
  /** Where peers of other organisations find this one's. */
  readonly anchorPeers?: readonly AnchorPeer[]
  /** `host:port` of this organisation's orderers. */
  readonly ordererEndpoints?: readonly string[]
}

/** How a channel to be is ordered. */
export interface OrdererProfile {
  readonly policies: PolicyProfiles
  readonly organizations: readonly OrganizationProfile[]
  readonly batchSize: BatchSize
  /** As Go writes durations: `2s`. */
  readonly batchTimeout: string
  readonly consensus: { readonly type: 'solo' } | { readonly type: 'etcdraft'; readonly metadata: RaftMetadata }
  /** 0, the default, is no limit. */
  readonly channelsMax?: bigint
  /** `host:port` of orderers for the whole channel; none is the default, since organisations name theirs. */
  readonly addresses?: readonly string[]
  /** `['V2_0']` by default. */
  readonly capabilities?: readonly string[]
}

/** Who will use a channel to be. */
export interface ApplicationProfile {
  readonly policies: PolicyProfiles
  readonly organizations: readonly OrganizationProfile[]
  /** Policies by resource, absolute or relative to `/Channel/Application`. */
  readonly acls?: Readonly<Record<string, string>>
  /** `['V2_5']` by default. */
  readonly capabilities?: readonly string[]
}

/** A channel to be, in the shape of a profile in `configtx.yaml` (`internal/configtxgen/genesisconfig`). */
export interface ChannelProfile {
  readonly policies: PolicyProfiles
  readonly orderer?: OrdererProfile
  readonly application?: ApplicationProfile
  /** `['V2_0']` by default. */
  readonly capabilities?: readonly string[]
}

/**
 * Makes a channel's configuration of a profile, as `configtxgen` does (`internal/configtxgen/encoder`): every `mod_policy` is `Admins`, but
 * that of `OrdererAddresses`.
 * @throws KumikoError `fabric-msp/bad-profile` for missing policies, odd names and capabilities; `fabric-msp/bad-policy-text`.
 */
export function channelGroupOf(profile: ChannelProfile): ConfigGroup {
  const { orderer, application } = profile
  const addresses = orderer?.addresses ?? []
  const values: [string, ConfigValue][] = [
    valueOfType('HashingAlgorithm', HashingAlgorithm, { name: 'SHA256' }),
    valueOfType('BlockDataHashingStructure', BlockDataHashingStructure, { width: 0xffffffff }),
    capabilitiesValue('Channel', profile.capabilities ?? ['V2_0']),
  ]
  if (addresses.length > 0) values.push(valueOfType('OrdererAddresses', OrdererAddresses, { addresses }, '/Channel/Orderer/Admins'))
  const groups: [string, ConfigGroup][] = []
  if (orderer !== undefined) groups.push(['Orderer', ordererGroup(orderer)])
  if (application !== undefined) groups.push(['Application', applicationGroup(application)])
  return groupOf('Channel', values, profile.policies, groups)
}

function ordererGroup(orderer: OrdererProfile): ConfigGroup {
  if (orderer.policies.BlockValidation === undefined) throw badProfile("the orderer has no policy 'BlockValidation': add it")
  const { consensus } = orderer
  const metadata = consensus.type === 'etcdraft' ? RaftMetadata.encode(consensus.metadata) : new Uint8Array()
  const values = [
    valueOfType('BatchSize', BatchSize, orderer.batchSize),
    valueOfType('BatchTimeout', BatchTimeout, { timeout: orderer.batchTimeout }),
    valueOfType('ChannelRestrictions', ChannelRestrictions, { maxCount: orderer.channelsMax ?? 0n }),
    capabilitiesValue('Orderer', orderer.capabilities ?? ['V2_0']),
    valueOfType('ConsensusType', ConsensusType, { type: consensus.type, metadata, state: 0 }),
  ]
  const organizations = orderer.organizations.map((profile): [string, ConfigGroup] => {
    const endpoints = profile.ordererEndpoints ?? []
    const own = endpoints.length === 0 ? [] : [valueOfType('Endpoints', OrdererAddresses, { addresses: endpoints })]
    return [profile.name, organizationGroup(profile, own)]
  })
  return groupOf('Orderer', values, orderer.policies, organizations)
}

function applicationGroup(application: ApplicationProfile): ConfigGroup {
  const resources = new Map(Object.entries(application.acls ?? {}).map(([resource, policyRef]) => [resource, { policyRef }]))
  const values = [capabilitiesValue('Application', application.capabilities ?? ['V2_5'])]
  if (resources.size > 0) values.push(valueOfType('ACLs', Acls, { acls: resources }))
  const organizations = application.organizations.map((profile): [string, ConfigGroup] => {
    const peers = profile.anchorPeers ?? []
    return [
      profile.name,
      organizationGroup(profile, peers.length === 0 ? [] : [valueOfType('AnchorPeers', AnchorPeers, { anchorPeers: peers })]),
    ]
  })
  return groupOf('Application', values, application.policies, organizations)
}

/** What `configbuilder.go` writes where a folder says nothing. */
const STANDARD_CRYPTO = { signatureHashFamily: 'SHA2', identityIdentifierHashFunction: 'SHA256' }

function organizationGroup({ name, msp, policies }: OrganizationProfile, values: readonly [string, ConfigValue][]): ConfigGroup {
  const cryptoConfig = msp.cryptoConfig ?? STANDARD_CRYPTO
  const definition = MspConfig.encode({ type: 0, config: FabricMspConfig.encode({ ...msp, cryptoConfig }) })
  return groupOf(name, [['MSP', { version: 0n, value: definition, modPolicy: 'Admins' }], ...values], policies, [])
}

function groupOf(
  name: string,
  values: readonly [string, ConfigValue][],
  policies: PolicyProfiles,
  groups: readonly [string, ConfigGroup][],
): ConfigGroup {
  const missing = ['Admins', 'Readers', 'Writers'].find((policy) => policies[policy] === undefined)
  if (missing !== undefined) throw badProfile(`${name} has no policy '${missing}': add it`)
  for (const id of [...Object.keys(policies), ...groups.map(([group]) => group)]) {
    const problem = configIdProblem(id)
    if (problem !== undefined) throw badProfile(`${name}: ${problem}`)
  }
  const twice = groups.find(([group], at) => groups.findIndex(([other]) => other === group) !== at)
  if (twice !== undefined) throw badProfile(`${name} has '${twice[0]}' twice: give each organization a name of its own`)
  const configured = Object.entries(policies).map(([policy, profile]): [string, ConfigPolicy] => [
    policy,
    { version: 0n, policy: policyOf(profile), modPolicy: 'Admins' },
  ])
  return { version: 0n, groups: new Map(groups), values: new Map(values), policies: new Map(configured), modPolicy: 'Admins' }
}

function policyOf({ type, rule }: PolicyProfile): PolicyMessage {
  if (type === 'Signature') return { type: POLICY_TYPE.signature, value: SignaturePolicyEnvelope.encode(parsePolicy(rule)) }
  const [name = '', subPolicy = '', ...rest] = rule.split(' ')
  const number = RULE_NAMES.indexOf(name)
  if (number < 0 || subPolicy === '' || rest.length > 0)
    throw badProfile(`'${rule}' is no rule: write 'ANY Readers', with ANY, ALL or MAJORITY`)
  return { type: POLICY_TYPE.implicitMeta, value: ImplicitMetaMessage.encode({ subPolicy, rule: number }) }
}

function capabilitiesValue(group: 'Channel' | 'Orderer' | 'Application', names: readonly string[]): [string, ConfigValue] {
  const fault: Fault | undefined = capabilityFault(group, new Set(names))
  if (isFault(fault)) throw badProfile(fault.detail ?? fault.fault)
  return valueOfType('Capabilities', Capabilities, { capabilities: new Map(names.map((name) => [name, {}])) })
}

function valueOfType<T extends object>(key: string, type: Message<T>, value: T, modPolicy = 'Admins'): [string, ConfigValue] {
  return [key, { version: 0n, value: type.encode(value), modPolicy }]
}

function badProfile(what: string): KumikoError {
  return new KumikoError('fabric-msp/bad-profile', `channel profile: ${what}`)
}
