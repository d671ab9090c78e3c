import { Capabilities, CONFIG_VALUES, type ConfigGroup, type ConfigScope, type Message } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'

/**
 * Checks that a group has only values that may be there, each readable (`channelconfig/standardvalues.go`).
 * @returns What is wrong, if anything.
 */
export function valuesFault(scope: ConfigScope, group: ConfigGroup): Fault | undefined {
  for (const [key, { value }] of group.values) {
    const type = CONFIG_VALUES.get(`${scope}/${key}`)
    if (type === undefined) return badConfig(`${scope} has an unexpected value ${key}`)
    const decoded = type.decode(value)
    if (isFault(decoded)) return badConfig(`${scope}/${key}: ${decoded.detail ?? ''}`)
  }
  return undefined
}

/** Reads a group's value; one that is not there has the defaults of its type. */
export function configValueOf<T extends object>(group: ConfigGroup, key: string, type: Message<T>): T | Fault {
  return type.decode(group.values.get(key)?.value ?? new Uint8Array())
}

/** The names of a group's capabilities. */
export function capabilityNames(group: ConfigGroup): ReadonlySet<string> | Fault {
  const message: Capabilities | Fault = configValueOf(group, 'Capabilities', Capabilities)
  return isFault(message) ? message : new Set(message.capabilities.keys())
}

/** What makes a configuration none. @param why - Cut to what a fault may hold. */
export function badConfig(why: string): Fault {
  return { fault: 'fabric-msp/bad-config', detail: why.slice(0, 200) }
}
