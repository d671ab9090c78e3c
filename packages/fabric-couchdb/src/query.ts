import { KumikoError } from '@kumiko/interface'
import { type JsonObject, readJson, writeObject, writeString } from './json.ts'

/**
 * A rich query as CouchDB gets it: with a limit and a bookmark of ours in place of its own, and with the fields that we need. All else is
 * passed on.
 * @throws KumikoError `fabric-couchdb/bad-query` where it is not a JSON object, or its fields no array.
 * @see Fabric `core/ledger/kvledger/txmgmt/statedb/statecouchdb/statecouchdb.go` applyAdditionalQueryOptions
 */
export function pagedQuery(query: string, limit: number, bookmark: string): string {
  const json = readJson(query, 'as-written')
  if (json?.kind !== 'object') throw new KumikoError('fabric-couchdb/bad-query', 'a query is a JSON object with a selector')
  const members = new Map([...json.members].map(([name, { text }]) => [name, text]))
  if (members.has('fields')) members.set('fields', withOurFields(json))
  members.set('limit', String(limit))
  if (bookmark !== '') members.set('bookmark', writeString(bookmark))
  return writeObject(members)
}

function withOurFields(query: JsonObject): string {
  const fields = query.members.get('fields')
  if (fields?.kind !== 'array') throw new KumikoError('fabric-couchdb/bad-query', 'the fields of a query are an array')
  return `[${[...fields.items.map(({ text }) => text), '"_id"', '"~version"'].join(',')}]`
}
