import { access, cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isFault } from '@kumiko/interface'
import { parseJson, readPackageMetadata } from '../packages/chaincode-package.ts'
import type { PackageBuilder } from './package-builder.ts'

/** What Fabric calls its builder of the same purpose. */
const NAME = 'ccaas_builder'

/**
 * Builds packages of type `ccaas`, chaincode as a service: what they bring is a `connection.json`, and indexes. No program is run.
 * @param configuration - A JSON object, from which `{{.name}}` in `connection.json` is filled in: in Fabric the environment's
 * `CHAINCODE_AS_A_SERVICE_BUILDER_CONFIG`. Default: none.
 * @see Fabric `ccaas_builder/cmd`
 */
export function ccaasBuilder(configuration = ''): PackageBuilder {
  return {
    name: NAME,
    detect: async ({ metadataFolder }) => (await typeIn(metadataFolder)) === 'ccaas',
    build: async ({ sourceFolder, metadataFolder, outputFolder }) => {
      await cp(metadataFolder, outputFolder, { recursive: true })
      const indexes = join(sourceFolder, 'META-INF')
      if (await exists(indexes)) await cp(indexes, join(outputFolder, 'META-INF'), { recursive: true })
      const source = join(sourceFolder, 'connection.json')
      if (!(await exists(source))) throw new Error('connection.json not found')
      const filled = filledConnection(new Uint8Array(await readFile(source)), configuration)
      await writeFile(join(outputFolder, 'connection.json'), filled, { mode: 0o600 })
    },
    release: async ({ outputFolder, releaseFolder }) => {
      const indexes = join(outputFolder, 'META-INF', 'statedb')
      if (await exists(indexes)) await cp(indexes, join(releaseFolder, 'statedb'), { recursive: true })
      const folder = join(releaseFolder, 'chaincode', 'server')
      await mkdir(folder, { recursive: true })
      await cp(join(outputFolder, 'connection.json'), join(folder, 'connection.json'))
    },
  }
}

const [ALWAYS, WITH_TLS] = [
  ['address', 'dial_timeout'],
  ['domain', 'root_cert', 'client_key', 'client_cert'],
]

/** @throws Error in words for whoever installs. */
function filledConnection(source: Uint8Array, configuration: string): string {
  const given = parseJson(source)
  if (given === undefined) throw new Error('connection.json is no JSON object')
  const values = configuration === '' ? new Map<string, unknown>() : parseJson(new TextEncoder().encode(configuration))
  if (values === undefined) throw new Error('Failed to unmarshal CHAINCODE_AS_A_SERVICE_BUILDER_CONFIG: it is no JSON object')
  const isTls = given.get('tls_required') === true
  const filled = new Map<string, unknown>([
    ['tls_required', isTls],
    ['client_auth_required', isTls && given.get('client_auth_required') === true],
  ])
  for (const name of isTls ? [...ALWAYS, ...WITH_TLS] : ALWAYS) {
    const text = given.get(name) ?? ''
    if (typeof text !== 'string') throw new Error(`${name} of connection.json is no text`)
    // Fabric's writes an empty duration where there is none, and does not read it.
    if (text !== '' || name !== 'dial_timeout') filled.set(name, filledIn(name, text, values))
  }
  return JSON.stringify(Object.fromEntries(filled))
}

/** Of Go's templates what such packages use: `{{.name}}`, and `{{.name.part}}` for what is within. */
function filledIn(field: string, text: string, values: ReadonlyMap<string, unknown>): string {
  return text.replace(/\{\{(.*?)\}\}/gs, (_, expression: string) => {
    const path = /^-?\s*\.([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\s*-?$/.exec(expression.trim())?.[1]
    const value = path === undefined ? undefined : valueAt(values, path.split('.'))
    if (value === undefined) throw new Error(`Failed to parse the ${field} field template: there is nothing for {{${expression}}}`)
    return String(value)
  })
}

function valueAt(values: ReadonlyMap<string, unknown>, [name = '', ...rest]: readonly string[]): unknown {
  const value = values.get(name)
  if (rest.length === 0) return value
  return typeof value === 'object' && value !== null ? valueAt(new Map(Object.entries(value)), rest) : undefined
}

async function typeIn(metadataFolder: string): Promise<string | undefined> {
  const source = await readFile(join(metadataFolder, 'metadata.json')).catch(() => undefined)
  const metadata = source && readPackageMetadata(new Uint8Array(source))
  return metadata === undefined || isFault(metadata) ? undefined : metadata.type.toLowerCase()
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}
