import type { ConfigGroup, ConfigPolicy, ConfigValue } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import { configIdProblem } from './config-id.ts'

/** The root of every channel's configuration. */
export const ROOT_GROUP = 'Channel'

/** A group, value or policy of the configuration, and where it is. */
export type ConfigElement =
  | { readonly kind: 'group'; readonly path: readonly string[]; readonly key: string; readonly element: ConfigGroup }
  | { readonly kind: 'value'; readonly path: readonly string[]; readonly key: string; readonly element: ConfigValue }
  | { readonly kind: 'policy'; readonly path: readonly string[]; readonly key: string; readonly element: ConfigPolicy }

/** The configuration's elements by {@link elementKey}. */
export type ConfigMap = ReadonlyMap<string, ConfigElement>

const PREFIXES = { group: '[Group]  /', value: '[Value]  /', policy: '[Policy] /' } as const

/** An element's key as Fabric writes it: `[Value]  /Channel/Orderer/BatchSize`. */
function elementKey(kind: ConfigElement['kind'], path: readonly string[], key: string): string {
  return PREFIXES[kind] + [...path, key].join('/')
}

/**
 * Flattens a tree, the root being `Channel` (`configtx/configmap.go`, `mapConfig`).
 * @param root - Empty where it is absent, as in an update without a read set.
 */
export function flattenConfig(root: ConfigGroup | undefined): ConfigMap | Fault {
  const map = new Map<string, ConfigElement>()
  const problem = root === undefined ? undefined : flatten(map, { kind: 'group', path: [], key: ROOT_GROUP, element: root })
  return problem === undefined ? map : { fault: 'fabric-msp/bad-config', detail: problem }
}

/** @returns What is wrong with a name, if anything. Groups nest at most as deep as messages do. */
function flatten(map: Map<string, ConfigElement>, item: ConfigElement): string | undefined {
  const problem = configIdProblem(item.key)
  if (problem !== undefined) return problem
  map.set(elementKey(item.kind, item.path, item.key), item)
  if (item.kind !== 'group') return undefined
  const path = [...item.path, item.key]
  for (const below of elementsBelow(item.element, path)) {
    const problemBelow = flatten(map, below)
    if (problemBelow !== undefined) return problemBelow
  }
  return undefined
}

function* elementsBelow(group: ConfigGroup, path: readonly string[]): Generator<ConfigElement> {
  for (const [key, element] of group.groups) yield { kind: 'group', path, key, element }
  for (const [key, element] of group.values) yield { kind: 'value', path, key, element }
  for (const [key, element] of group.policies) yield { kind: 'policy', path, key, element }
}

/**
 * Makes the tree of a map again (`configMapToConfig`): a group has the members that its own entry names, each as the map has it. Where
 * a channel's orderer has capabilities, a missing `mod_policy` becomes `Admins`, as Fabric mends channels of version 1.0.
 * @returns A fault for a member that the map does not have.
 */
export function unflattenConfig(map: ConfigMap): ConfigGroup | Fault {
  return unflatten(map, [], ROOT_GROUP, map.has(elementKey('value', [ROOT_GROUP, 'Orderer'], 'Capabilities')))
}

function unflatten(map: ConfigMap, path: readonly string[], key: string, isMended: boolean): ConfigGroup | Fault {
  const item = map.get(elementKey('group', path, key))
  if (item?.kind !== 'group') return missing(elementKey('group', path, key))
  const below = [...path, key]
  const groups = collect(item.element.groups.keys(), (name) => unflatten(map, below, name, isMended))
  if (isFault(groups)) return groups
  const values = collect(item.element.values.keys(), (name) => memberOf(map, 'value', below, name))
  if (isFault(values)) return values
  const policies = collect(item.element.policies.keys(), (name) => memberOf(map, 'policy', below, name))
  if (isFault(policies)) return policies
  const mend = <T extends { readonly modPolicy: string }>(element: T): T =>
    isMended && element.modPolicy === '' ? { ...element, modPolicy: 'Admins' } : element
  return mend({ ...item.element, groups, values: mapValues(values, mend), policies: mapValues(policies, mend) })
}

function memberOf(map: ConfigMap, kind: 'value', path: readonly string[], key: string): ConfigValue | Fault
function memberOf(map: ConfigMap, kind: 'policy', path: readonly string[], key: string): ConfigPolicy | Fault
function memberOf(map: ConfigMap, kind: 'value' | 'policy', path: readonly string[], key: string): ConfigValue | ConfigPolicy | Fault {
  const item = map.get(elementKey(kind, path, key))
  return item?.kind === kind ? item.element : missing(elementKey(kind, path, key))
}

function collect<T extends object>(names: Iterable<string>, find: (name: string) => T | Fault): Map<string, T> | Fault {
  const found = new Map<string, T>()
  for (const name of names) {
    const element = find(name)
    if (isFault(element)) return element
    found.set(name, element)
  }
  return found
}

function mapValues<T>(map: ReadonlyMap<string, T>, change: (value: T) => T): Map<string, T> {
  return new Map([...map].map(([key, value]) => [key, change(value)]))
}

function missing(key: string): Fault {
  return { fault: 'fabric-msp/bad-config', detail: `missing ${key}`.slice(0, 200) }
}
