import { type Json, readJson } from './json.ts'

/**
 * Why the file of a chaincode's package (`META-INF/statedb/couchdb/indexes/*.json`) defines no index; undefined where it does.
 * @see Fabric `internal/ccmetadata/validators.go` couchdbIndexFileValidator
 */
export function definitionFault(definition: string): string | undefined {
  const json = readJson(definition, 'as-written')
  if (json?.kind !== 'object') return 'it is no JSON object'
  if (!json.members.has('index')) return 'it has no member "index"'
  return firstFault(json.members, memberFault)
}

function memberFault(name: string, value: Json): string | undefined {
  if (name === 'index') return value.kind === 'object' ? firstFault(value.members, indexFault) : '"index" must be an object'
  if (name === 'type') return value.text === '"json"' ? undefined : '"type" must be "json"'
  if (name !== 'ddoc' && name !== 'name') return `no index has a member ${JSON.stringify(name.slice(0, 100))}`
  return value.kind === 'string' ? undefined : `"${name}" must be a string`
}

function indexFault(name: string, value: Json): string | undefined {
  // Fabric lets any filter pass; CouchDB judges it.
  if (name === 'partial_filter_selector') return
  if (name !== 'fields') return '"index" has a member besides "fields" and "partial_filter_selector"'
  if (value.kind !== 'array') return '"fields" must be an array'
  for (const field of value.items) {
    const fault = field.kind === 'object' ? firstFault(field.members, (_, sort) => sortFault(sort)) : undefined
    if (fault !== undefined) return fault
  }
  return
}

function sortFault(sort: Json): string | undefined {
  return sort.kind === 'string' && /^(?:asc|desc)$/i.test(sort.value) ? undefined : 'a field is sorted "asc" or "desc"'
}

function firstFault(members: ReadonlyMap<string, Json>, faultOf: (name: string, value: Json) => string | undefined): string | undefined {
  for (const [name, value] of members) {
    const fault = faultOf(name, value)
    if (fault !== undefined) return fault
  }
  return
}
