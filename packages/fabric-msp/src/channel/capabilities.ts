import type { Fault } from '@kumiko/interface'

/** The groups of a configuration that have capabilities. */
export type CapabilityGroup = 'Channel' | 'Orderer' | 'Application'

/** What each group must have one of: older channels are refused, for they follow other rules. */
const NEEDED: Readonly<Record<CapabilityGroup, readonly string[]>> = {
  Channel: ['V2_0'],
  Orderer: ['V2_0'],
  Application: ['V2_0', 'V2_5'],
}

/** Older ones that say nothing beside those needed: channels that were migrated may still name them (`common/capabilities`). */
const IMPLIED: Readonly<Record<CapabilityGroup, readonly string[]>> = {
  Channel: ['V1_1', 'V1_3', 'V1_4_2', 'V1_4_3'],
  Orderer: ['V1_1', 'V1_4_2'],
  Application: ['V1_1', 'V1_2', 'V1_3', 'V1_4_2'],
}

/**
 * Tells whether this package follows a group's capabilities.
 * @returns `fabric-msp/capability-unsupported`, naming group and capability: a peer must then stop on the channel, as Fabric's do.
 */
export function capabilityFault(group: CapabilityGroup, names: ReadonlySet<string>): Fault | undefined {
  const needed = NEEDED[group]
  const unknown = [...names].find((name) => !needed.includes(name) && !IMPLIED[group].includes(name))
  if (unknown !== undefined) {
    const detail = `${group} capability ${unknown.slice(0, 80)} is required but not supported: ${needed.join(' and ')} ${needed.length > 1 ? 'are' : 'is'}`
    return { fault: 'fabric-msp/capability-unsupported', detail }
  }
  if (needed.some((name) => names.has(name))) return undefined
  const has = names.size === 0 ? 'none' : [...names].join(', ')
  return { fault: 'fabric-msp/capability-unsupported', detail: `${group} has capability ${has}: ${needed.join(' or ')} is needed` }
}
