import {
  type Config,
  type ConfigGroup,
  type ConfigPolicy,
  type ConfigUpdate,
  type ConfigValue,
  equalBytes,
  PolicyMessage,
} from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'

/**
 * Computes the update that makes one configuration the other (`configtxlator compute_update`, `internal/configtxlator/update`): the
 * least of it, with versions set, and what must be read for it.
 * @throws KumikoError `fabric-msp/nothing-to-update` where there is no difference, `fabric-msp/no-channel-group` where one has no group.
 */
export function computeConfigUpdate(channelId: string, original: Config, updated: Config): ConfigUpdate {
  if (original.channelGroup === undefined || updated.channelGroup === undefined) {
    throw new KumikoError('fabric-msp/no-channel-group', 'cannot compute an update: a configuration has no channel_group')
  }
  const { read, write, isUpdated } = computeGroup(original.channelGroup, updated.channelGroup)
  if (!isUpdated) throw new KumikoError('fabric-msp/nothing-to-update', 'cannot compute an update: the configurations do not differ')
  return { channelId, readSet: read, writeSet: write, isolatedData: new Map() }
}

/** An element that is only read has nothing but its version. */
type Sets<T> = {
  readonly read: Map<string, T>
  readonly write: Map<string, T>
  readonly same: Map<string, T>
  isMembershipChanged: boolean
}

function computeGroup(original: ConfigGroup, updated: ConfigGroup): { read: ConfigGroup; write: ConfigGroup; isUpdated: boolean } {
  const groups = computeGroups(original.groups, updated.groups)
  const values = computeElements(original.values, updated.values, isSameValue, (version) => ({ version, value: NONE, modPolicy: '' }))
  const policies = computeElements(original.policies, updated.policies, isSamePolicy, (version) => ({
    version,
    policy: undefined,
    modPolicy: '',
  }))
  const parts = [groups, values, policies]
  if (original.modPolicy === updated.modPolicy && !parts.some(({ isMembershipChanged }) => isMembershipChanged)) {
    const isUpdated = parts.some(({ read, write }) => read.size + write.size > 0)
    const { version } = original
    return {
      read: groupOf(version, groups.read, values.read, policies.read),
      write: groupOf(version, groups.write, values.write, policies.write),
      isUpdated,
    }
  }
  // The group itself changes: all of its members are named.
  const read = groupOf(original.version, together(groups, 'read'), together(values, 'read'), together(policies, 'read'))
  const write = groupOf(original.version + 1n, together(groups, 'write'), together(values, 'write'), together(policies, 'write'))
  return { read, write: { ...write, modPolicy: updated.modPolicy }, isUpdated: true }
}

const NONE = new Uint8Array()

function computeElements<T extends { readonly version: bigint; readonly modPolicy: string }>(
  original: ReadonlyMap<string, T>,
  updated: ReadonlyMap<string, T>,
  isSame: (a: T, b: T) => boolean,
  onlyVersion: (version: bigint) => T,
): Sets<T> {
  const sets = newSets<T>(original, updated)
  for (const [name, element] of updated) {
    const before = original.get(name)
    if (before !== undefined && isSame(before, element)) sets.same.set(name, onlyVersion(before.version))
    else sets.write.set(name, { ...element, version: before === undefined ? 0n : before.version + 1n })
  }
  return sets
}

function computeGroups(original: ReadonlyMap<string, ConfigGroup>, updated: ReadonlyMap<string, ConfigGroup>): Sets<ConfigGroup> {
  const sets = newSets<ConfigGroup>(original, updated)
  for (const [name, group] of updated) {
    const before = original.get(name)
    const { read, write, isUpdated } = computeGroup(before ?? EMPTY_GROUP, group)
    if (before === undefined) sets.write.set(name, { ...write, version: 0n, modPolicy: group.modPolicy })
    else if (isUpdated) {
      sets.read.set(name, read)
      sets.write.set(name, write)
    } else sets.same.set(name, read)
  }
  return sets
}

function newSets<T>(original: ReadonlyMap<string, T>, updated: ReadonlyMap<string, T>): Sets<T> {
  const isMembershipChanged = original.size !== updated.size || [...original.keys()].some((name) => !updated.has(name))
  return { read: new Map(), write: new Map(), same: new Map(), isMembershipChanged }
}

function together<T>(sets: Sets<T>, which: 'read' | 'write'): Map<string, T> {
  return new Map([...sets[which], ...sets.same])
}

/** A group that has nothing yet. */
const EMPTY_GROUP: ConfigGroup = groupOf(0n, new Map(), new Map(), new Map())

function groupOf(
  version: bigint,
  groups: ReadonlyMap<string, ConfigGroup>,
  values: ReadonlyMap<string, ConfigValue>,
  policies: ReadonlyMap<string, ConfigPolicy>,
): ConfigGroup {
  return { version, groups, values, policies, modPolicy: '' }
}

function isSameValue(a: ConfigValue, b: ConfigValue): boolean {
  return a.modPolicy === b.modPolicy && equalBytes(a.value, b.value)
}

function isSamePolicy(a: ConfigPolicy, b: ConfigPolicy): boolean {
  return a.modPolicy === b.modPolicy && equalBytes(policyBytes(a.policy), policyBytes(b.policy))
}

function policyBytes(policy: PolicyMessage | undefined): Uint8Array {
  return policy === undefined ? NONE : PolicyMessage.encode(policy)
}
