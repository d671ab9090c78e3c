import { access } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { KumikoError } from '@kumiko/interface'
import { ConfigError, type ConfigFault } from '../config/config-error.ts'
import { type ConfigFile, readConfigFile } from '../config/config-file.ts'
import { CORE_KEYS, type CoreConfig, coreSchema } from './core-config.ts'

/** Where `core.yaml` and what overrides it come from. */
export interface CoreSources {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Overrides `peer.fileSystemPath`. */
  readonly dataDir?: string | undefined
}

/** A configuration, and what was read for it. */
export interface LoadedCore {
  readonly config: CoreConfig
  /** Of the file; undefined where there is none. */
  readonly path: string | undefined
  /** Keys of the file that kumiko does not use, as they are there. */
  readonly unused: readonly string[]
}

/** Where Fabric looks when `FABRIC_CFG_PATH` is not set; the first that has a `core.yaml`. */
const PLACES = ['.', '/etc/hyperledger/fabric']

/**
 * Reads `core.yaml` as Fabric does: in `FABRIC_CFG_PATH`, else here, else in `/etc/hyperledger/fabric`. Keys are found in any case; `CORE_` with the
 * key in capitals and `_` for `.` overrides; an empty variable says nothing. Where there is no file, the defaults hold.
 *
 * @throws ConfigError with all that is wrong; KumikoError `node/no-core-yaml`, `node/unreadable-config`.
 */
export async function loadCoreConfig({ env, dataDir }: CoreSources): Promise<LoadedCore> {
  const path = await findFile(env.FABRIC_CFG_PATH)
  const file = path === undefined ? undefined : await readConfigFile(path)
  const places = { folder: dirname(resolve(path ?? 'core.yaml')), dataFolder: join(homedir(), '.kumiko', 'fabric') }
  const given = new Map(CORE_KEYS.flatMap((key) => givenFor(key, file, env)))
  if (dataDir !== undefined) given.set('peer.fileSystemPath', { value: resolve(dataDir), origin: '--data-dir' })
  const result = coreSchema(places).safeParse(Object.fromEntries(CORE_KEYS.map((key) => [key, given.get(key)?.value])))
  const faults = (result.error?.issues ?? []).map(({ path: [key], message }): ConfigFault => {
    return { origin: given.get(String(key))?.origin ?? path ?? '', path: String(key), message, isUsage: false }
  })
  const misplaced = file === undefined ? [] : misplacedIn(file)
  if (!result.success || misplaced.length > 0) throw new ConfigError([...misplaced, ...faults])
  return { config: result.data, path, unused: unusedIn(file?.value) }
}

/** `peer.localMspId` → `CORE_PEER_LOCALMSPID`. */
export function coreVariable(key: string): string {
  return `CORE_${key.replaceAll('.', '_').toUpperCase()}`
}

async function findFile(folder: string | undefined): Promise<string | undefined> {
  const candidates = (folder ? [folder] : PLACES).map((place) => join(place, 'core.yaml'))
  for (const path of candidates) if (await isThere(path)) return path
  if (!folder) return undefined
  const message = `FABRIC_CFG_PATH is "${folder}", where there is no core.yaml: correct it, or unset it to go without`
  throw new KumikoError('node/no-core-yaml', message, { context: { folder } })
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}

interface Given {
  readonly value: unknown
  readonly origin: string
}

function givenFor(key: string, file: ConfigFile | undefined, env: CoreSources['env']): [string, Given][] {
  const variable = coreVariable(key)
  const text = env[variable]
  if (text) return [[key, { value: text, origin: variable }]]
  const found = file && find(file.value, key.split('.'))
  if (found === undefined || found.rest.length > 0 || found.value === null || found.value === undefined) return []
  return [[key, { value: found.value, origin: file?.originOf(found.path) ?? '' }]]
}

interface Found {
  readonly value: unknown
  /** As the file writes it. */
  readonly path: readonly string[]
  /** Names below that are not there. */
  readonly rest: readonly string[]
}

/** Goes down as far as there are maps. */
function find(value: unknown, names: readonly string[], path: readonly string[] = []): Found {
  const [name, ...rest] = names
  const real = name === undefined || !isMap(value) ? undefined : Object.keys(value).find((key) => key.toLowerCase() === name.toLowerCase())
  if (real === undefined || !isMap(value)) return { value, path, rest: names }
  return find(value[real], rest, [...path, real])
}

/** Something else stands where there should be keys. */
function misplacedIn(file: ConfigFile): ConfigFault[] {
  const found = CORE_KEYS.map((key) => find(file.value, key.split('.'))).filter(
    ({ value, rest }) => rest.length > 0 && !isMap(value) && value !== null && value !== undefined,
  )
  const byPath = new Map(found.map(({ path, value }) => [path.join('.'), { path, value }]))
  return [...byPath].map(([name, { path, value }]) => {
    const message = `want keys and values, not ${JSON.stringify(value)?.slice(0, 80)}`
    return { origin: file.originOf(path), path: name, message, isUsage: false }
  })
}

/** @param above - The maps that it is in: by an alias one may be in itself. */
function unusedIn(value: unknown, path: readonly string[] = [], above: readonly unknown[] = []): string[] {
  if (above.includes(value)) return []
  if (isMap(value)) return Object.entries(value).flatMap(([name, inner]) => unusedIn(inner, [...path, name], [...above, value]))
  const name = path.join('.')
  return name === '' || CORE_KEYS.some((key) => key.toLowerCase() === name.toLowerCase()) ? [] : [name]
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
