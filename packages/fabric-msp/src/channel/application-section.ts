import { Acls, type AnchorPeer, AnchorPeers, type ConfigGroup } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import type { Msp } from '../contract.ts'
import { capabilityNames, configValueOf, valuesFault } from './config-values.ts'
import { type MspDefinitions, type Organization, readOrganizations } from './organization.ts'

/** An organisation that runs peers. */
export interface ApplicationOrganization<M extends Msp> extends Organization<M> {
  readonly anchorPeers: readonly AnchorPeer[]
}

/** Who uses a channel, and how (`channelconfig/application.go`). */
export interface ApplicationSection<M extends Msp> {
  readonly capabilities: ReadonlySet<string>
  /** Policies by resource, as they were written: `aclOf` reads them. */
  readonly acls: ReadonlyMap<string, string>
  readonly organizations: ReadonlyMap<string, ApplicationOrganization<M>>
}

/** Reads the group `/Channel/Application`. @returns A fault where Fabric refuses it. */
export function readApplicationSection<M extends Msp>(group: ConfigGroup, definitions: MspDefinitions<M>): ApplicationSection<M> | Fault {
  const fault = valuesFault('Application', group)
  if (fault !== undefined) return fault
  const capabilities = capabilityNames(group)
  if (isFault(capabilities)) return capabilities
  const resources = configValueOf(group, 'ACLs', Acls)
  if (isFault(resources)) return resources
  const organizations = readOrganizations(group.groups, (name, below) => readApplicationOrganization(name, below, definitions))
  if (isFault(organizations)) return organizations
  const policies = new Map([...resources.acls].map(([resource, { policyRef }]) => [resource, policyRef]))
  return { capabilities, acls: policies, organizations }
}

function readApplicationOrganization<M extends Msp>(
  name: string,
  group: ConfigGroup,
  definitions: MspDefinitions<M>,
): ApplicationOrganization<M> | Fault {
  const organization = definitions.readOrganization('ApplicationOrg', name, group)
  if (isFault(organization)) return organization
  const peers = configValueOf(group, 'AnchorPeers', AnchorPeers)
  return isFault(peers) ? peers : { ...organization, anchorPeers: peers.anchorPeers }
}
