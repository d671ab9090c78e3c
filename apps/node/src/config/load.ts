import type { z } from 'zod'
import { ConfigError, type ConfigFault } from './config-error.ts'
import { type ConfigFile, readConfigFile } from './config-file.ts'
import { CONFIG_KEYS, type ConfigKey, envName, fromText } from './keys.ts'
import { didYouMean } from './nearest.ts'
import { configSchema, type NodeConfig, schemaPaths } from './schema.ts'

/** Where a value may come from, the strongest first. */
export interface ConfigSources {
  /** By the key's path; lists joined with commas. */
  readonly flags: ReadonlyMap<string, string>
  readonly env: Readonly<Record<string, string | undefined>>
  /** Path of the config file. Default: `KUMIKO_CONFIG`, or none. */
  readonly file?: string | undefined
}

/** A configuration, and the source of each of its values. */
export interface LoadedConfig {
  readonly config: NodeConfig
  /** By path: `--max-peers`, `KUMIKO_MAX_PEERS`, `kumiko.yaml:3`, `default`. */
  readonly origins: ReadonlyMap<string, string>
}

/** Variables with our prefix that are no keys of the configuration. */
const OTHER_ENV = ['KUMIKO_CONFIG', 'KUMIKO_SEED']

/**
 * Joins flags over environment over file over defaults, and checks the outcome once. A list replaces the one below it as a whole.
 *
 * @throws ConfigError with all that is wrong; KumikoError `node/unreadable-config`.
 */
export async function loadConfig({ flags, env, file = env.KUMIKO_CONFIG || undefined }: ConfigSources): Promise<LoadedConfig> {
  const read = file === undefined ? undefined : await readConfigFile(file)
  const raw = isRecord(read?.value) ? structuredClone(read.value) : (read?.value ?? {})
  const origins = new Map<string, string>()
  for (const key of CONFIG_KEYS) {
    const { path } = key
    const keys = path.split('.')
    if (valueAt(raw, keys) !== undefined) origins.set(path, read?.originOf(keys) ?? '')
    for (const { origin, text } of textsOf(key, { flags, env })) if (put(raw, keys, fromText(key, text))) origins.set(path, origin)
    if (!origins.has(path)) origins.set(path, 'default')
  }
  const result = configSchema.safeParse(raw)
  const faults = [...unknownEnv(env), ...faultsOf(result.error?.issues ?? [], { origins, file: read, flags })]
  if (faults.length > 0 || !result.success) throw new ConfigError(distinct(faults))
  return { config: result.data, origins }
}

/** What is said of a key outside of the file, the weaker first. An empty variable says nothing. */
function textsOf(
  key: ConfigKey,
  { flags, env }: Pick<ConfigSources, 'flags' | 'env'>,
): { readonly origin: string; readonly text: string }[] {
  const name = envName(key)
  const [variable, flag] = [env[name], flags.get(key.path)]
  return [
    ...(variable === undefined || variable === '' ? [] : [{ origin: name, text: variable }]),
    ...(flag === undefined ? [] : [{ origin: flagName(key), text: flag }]),
  ]
}

/** `--static, --static-nodes <nodes>` → `--static`. */
function flagName({ flag }: ConfigKey): string {
  return flag.split(/[ ,]/)[0] ?? flag
}

function unknownEnv(env: ConfigSources['env']): ConfigFault[] {
  const known = [...CONFIG_KEYS.map(envName), ...OTHER_ENV]
  return Object.keys(env)
    .filter((name) => name.startsWith('KUMIKO_') && !known.includes(name))
    .map((name) => ({ origin: name, path: '', message: `unknown variable${didYouMean(name, known)}`, isUsage: false }))
}

interface FaultContext {
  readonly origins: ReadonlyMap<string, string>
  readonly file: ConfigFile | undefined
  readonly flags: ConfigSources['flags']
}

function faultsOf(issues: readonly z.core.$ZodIssue[], context: FaultContext): ConfigFault[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey([...issue.path, key], context))
    const isData = issue.code === 'custom' && issue.params?.isData === true
    return [{ ...placeOf(issue.path, context, isData), message: issue.message }]
  })
}

/** Only a file can hold a key that is none. */
function unknownKey(path: readonly PropertyKey[], { file }: FaultContext): ConfigFault {
  const message = `unknown key${didYouMean(String(path.at(-1)), knownBeside(path))}`
  return { origin: file?.originOf(path) ?? '', path: dotted(path), message, isUsage: false }
}

/** The keys that could be meant where an unknown one is. */
function knownBeside(path: readonly PropertyKey[]): string[] {
  return [...new Set(schemaPaths().flatMap((known) => known.split('.').slice(path.length - 1, path.length)))]
}

function placeOf(path: readonly PropertyKey[], { origins, file, flags }: FaultContext, isData: boolean): Omit<ConfigFault, 'message'> {
  const key = CONFIG_KEYS.find(({ path: known }) => dotted(path) === known || dotted(path).startsWith(`${known}[`))
  const known = key === undefined ? undefined : origins.get(key.path)
  const isOutside = key !== undefined && (known === flagName(key) || known === envName(key))
  const origin = isOutside ? (known ?? '') : (file?.originOf(path) ?? '')
  return { origin, path: dotted(path), isUsage: !isData && key !== undefined && flags.has(key.path) }
}

/** `libp2p.listen[0]`. */
function dotted(path: readonly PropertyKey[]): string {
  return path.map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i === 0 ? '' : '.'}${String(part)}`)).join('')
}

function distinct(faults: readonly ConfigFault[]): ConfigFault[] {
  return [...new Map(faults.map((fault) => [JSON.stringify(fault), fault])).values()]
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function valueAt(raw: unknown, [first, ...rest]: readonly string[]): unknown {
  if (first === undefined) return raw
  return isRecord(raw) && Object.hasOwn(raw, first) ? valueAt(raw[first], rest) : undefined
}

/** @returns False where a value is in the way; the schema tells of that one. */
function put(raw: unknown, [first, ...rest]: readonly string[], value: unknown): boolean {
  if (!isRecord(raw) || first === undefined) return false
  if (rest.length === 0) {
    raw[first] = value
    return true
  }
  raw[first] ??= {}
  return put(raw[first], rest, value)
}
