import { type Fault, isFault } from '@kumiko/interface'
import type { ConfigGroup } from '../proto/common.ts'
import { type Capabilities, CONFIG_VALUES, type ConfigScope, capabilities } from '../proto/configuration.ts'
import { decodeMessage, type Message, type MessageType } from '../proto/message.ts'

/**
 * Checks that a group has only values that may be there, each readable (`channelconfig/standardvalues.go`).
 * @returns What is wrong, if anything.
 */
export function valuesFault(scope: ConfigScope, group: ConfigGroup): Fault | undefined {
  for (const [key, { value }] of group.values) {
    const type = CONFIG_VALUES.get(`${scope}/${key}`)
    if (type === undefined) return badConfig(`${scope} has an unexpected value ${key}`)
    const decoded = decodeMessage(type, value)
    if (isFault(decoded)) return badConfig(`${scope}/${key}: ${decoded.detail ?? ''}`)
  }
  return undefined
}

/** Reads a group's value; one that is not there has the defaults of its type. */
export function configValueOf<T extends Message>(group: ConfigGroup, key: string, type: MessageType<T>): T | Fault {
  return decodeMessage(type, group.values.get(key)?.value ?? new Uint8Array())
}

/** The names of a group's capabilities. */
export function capabilityNames(group: ConfigGroup): ReadonlySet<string> | Fault {
  const message: Capabilities | Fault = configValueOf(group, 'Capabilities', capabilities)
  return isFault(message) ? message : new Set(message.capabilities.keys())
}

/** What makes a configuration none. @param why - Cut to what a fault may hold. */
export function badConfig(why: string): Fault {
  return { fault: 'fabric-msp/bad-config', detail: why.slice(0, 200) }
}
