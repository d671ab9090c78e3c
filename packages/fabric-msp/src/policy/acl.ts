/** Who may use a resource: by a policy of the channel, or by one of the peer's own organisation, which no channel overrides. */
export type AclRule = { readonly of: 'channel'; readonly policy: string } | { readonly of: 'peer'; readonly policy: 'Admins' | 'Members' }

const READERS: AclRule = { of: 'channel', policy: '/Channel/Application/Readers' }
const WRITERS: AclRule = { of: 'channel', policy: '/Channel/Application/Writers' }
const ADMINS: AclRule = { of: 'peer', policy: 'Admins' }
const MEMBERS: AclRule = { of: 'peer', policy: 'Members' }

/**
 * Fabric's defaults (`core/aclmgmt/defaultaclprovider.go` and `resources/resources.go`; research § 3.8). The resources of `lscc` are not
 * here: only channels below application capability V2_0 have it, and those are refused.
 */
export const ACL_DEFAULTS: ReadonlyMap<string, AclRule> = new Map([
  ...rules(ADMINS, [
    '_lifecycle/InstallChaincode',
    '_lifecycle/QueryInstalledChaincode',
    '_lifecycle/GetInstalledChaincodePackage',
    '_lifecycle/QueryInstalledChaincodes',
    '_lifecycle/ApproveChaincodeDefinitionForMyOrg',
    '_lifecycle/QueryApprovedChaincodeDefinition',
    '_lifecycle/QueryApprovedChaincodeDefinitions',
    'snapshot/submitrequest',
    'snapshot/cancelrequest',
    'snapshot/listpending',
    'cscc/JoinChain',
    'cscc/JoinChainBySnapshot',
    'cscc/JoinBySnapshotStatus',
  ]),
  ...rules(MEMBERS, ['cscc/GetChannels']),
  ...rules(WRITERS, [
    '_lifecycle/CommitChaincodeDefinition',
    '_lifecycle/QueryChaincodeDefinition',
    '_lifecycle/QueryChaincodeDefinitions',
    '_lifecycle/CheckCommitReadiness',
    'peer/Propose',
    'peer/ChaincodeToChaincode',
  ]),
  ...rules(READERS, [
    'qscc/GetChainInfo',
    'qscc/GetBlockByNumber',
    'qscc/GetBlockByHash',
    'qscc/GetTransactionByID',
    'qscc/GetBlockByTxID',
    'cscc/GetConfigBlock',
    'cscc/GetChannelConfig',
    'event/Block',
    'event/FilteredBlock',
    'gateway/CommitStatus',
    'gateway/ChaincodeEvents',
  ]),
])

/**
 * Who may use a resource on a channel (`core/aclmgmt/resourceprovider.go`).
 * @param resource - As Fabric names it: `qscc/GetChainInfo`.
 * @param overrides - Policies by resource, absolute or relative to `/Channel/Application`, from the channel's `ACLs`; empty ones do not
 * count.
 * @returns Undefined for a resource that nobody mapped: refuse it.
 */
export function aclOf(resource: string, overrides: ReadonlyMap<string, string>): AclRule | undefined {
  const standard = ACL_DEFAULTS.get(resource)
  if (standard?.of === 'peer') return standard
  const name = overrides.get(resource) ?? ''
  if (name === '') return standard
  return { of: 'channel', policy: name.startsWith('/') ? name : `/Channel/Application/${name}` }
}

function rules(rule: AclRule, resources: readonly string[]): [string, AclRule][] {
  return resources.map((resource) => [resource, rule])
}
