import { parseJson } from './chaincode-package.ts'
import type { ArchivedFile } from './tar-archive.ts'

/** An index for rich queries that a package brings. */
export interface StateIndex {
  /** The collection whose private data it is for; undefined for the chaincode's own keys. */
  readonly collection: string | undefined
  /** The file's name in the package. */
  readonly name: string
  /** CouchDB's JSON of an index. */
  readonly definition: string
}

const INDEX_FILE = /^META-INF\/statedb\/couchdb\/(?:collections\/([A-Za-z0-9_-]+)\/)?indexes\/[^/]*\.json$/

/** The indexes among files of a package's code, or below `statedb/` among those that a builder released. @see Fabric `core/ledger/kvledger/txmgmt/statedb/statecouchdb` ProcessIndexesForChaincodeDeploy */
export function stateIndexes(files: Iterable<ArchivedFile>): readonly StateIndex[] {
  const indexes: StateIndex[] = []
  for (const { name, content } of files) {
    const [matched, collection] = INDEX_FILE.exec(name) ?? []
    if (matched !== undefined) indexes.push({ collection, name, definition: new TextDecoder().decode(content) })
  }
  return indexes
}

/**
 * Why a file below `META-INF/` may not be in a package; undefined where it may.
 * @see Fabric `internal/ccmetadata/validators.go` ValidateMetadataFile
 */
export function indexFileProblem(name: string, content: Uint8Array): string | undefined {
  if (!INDEX_FILE.test(name)) return placeProblem(name)
  const definition = parseJson(content)
  if (definition === undefined) return `Index metadata file [${name}] is not a valid JSON`
  const problem = definitionProblem(definition)
  return problem && `Index metadata file [${name}] is not a valid index definition: ${problem}`
}

function placeProblem(name: string): string {
  const folder = name.slice(0, name.lastIndexOf('/') + 1)
  const parts = folder.split('/').filter((part) => part !== '')
  if (!name.startsWith('META-INF/statedb')) return `metadata file path must begin with META-INF/statedb, found: ${folder}`
  if (parts.length < 4) return `metadata file path must include a database and index directory: ${folder}`
  if (parts[2] !== 'couchdb') return `database name [${parts[2]}] is not supported, valid options: [couchdb]`
  if (parts.length === 4 && parts[3] !== 'indexes') return `metadata file path does not have an indexes directory: ${folder}`
  if (parts.length !== 4 && parts.length !== 6) {
    return `metadata file path for collections must include a collections and index directory: ${folder}`
  }
  return `metadata file path or name is not supported: ${folder}`
}

function definitionProblem(definition: ReadonlyMap<string, unknown>): string | undefined {
  for (const [name, value] of definition) {
    if (name === 'index') {
      const problem = isObject(value) ? fieldsProblem(value) : 'Invalid entry, "index" must be a JSON'
      if (problem !== undefined) return problem
    } else if (name === 'ddoc' || name === 'name') {
      if (typeof value !== 'string') return `Invalid entry, "${name}" must be a string`
    } else if (name !== 'type') return `Invalid Entry.  Entry ${name}`
    else if (value !== 'json') return 'Index type must be json'
  }
  return definition.has('index') ? undefined : 'Index definition must include a "fields" definition'
}

function fieldsProblem(index: object): string | undefined {
  for (const [name, value] of Object.entries(index)) {
    if (name === 'partial_filter_selector') continue
    if (name !== 'fields') return `Invalid Entry.  Entry ${name}`
    if (!Array.isArray(value)) return 'Expecting a JSON array of fields'
    const problem = value.map(fieldProblem).find((each) => each !== undefined)
    if (problem !== undefined) return problem
  }
  return
}

function fieldProblem(field: unknown): string | undefined {
  if (!isObject(field)) return
  for (const direction of Object.values(field)) {
    if (typeof direction !== 'string') return 'Invalid field definition, fields must be in the form "fieldname":"sort"'
    if (!['asc', 'desc'].includes(direction.toLowerCase())) return `Sort must be either "asc" or "desc".  "${direction}" was found.`
  }
  return
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
