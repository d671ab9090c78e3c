import { ChaincodeAction, ChaincodeEvent, ProposalResponsePayload, readReadWriteSet, toHex } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'

/** So many are told. */
const DIFFERENCES_MAX = 20

/** So much of a value is told. */
const VALUE_CHARACTERS_MAX = 100

/**
 * In what two endorsers' answers to one proposal differ: most often a contract that looks at a clock, chance or order, or a peer that lags.
 * @param expected - A `ProposalResponsePayload`'s bytes: the first endorser's. @param actual - Another's.
 * @returns A line each, for an operator.
 * @see Fabric `internal/pkg/gateway/diff.go`
 */
export function payloadDifferences(expected: Uint8Array, actual: Uint8Array): readonly string[] {
  const [first, second] = [partsOf(expected), partsOf(actual)]
  const names = [...new Set([...first.keys(), ...second.keys()])].filter((name) => first.get(name) !== second.get(name))
  const lines = names.map((name) => `${name}: ${first.get(name) ?? 'nothing'} and ${second.get(name) ?? 'nothing'}`)
  return lines.length <= DIFFERENCES_MAX ? lines : [...lines.slice(0, DIFFERENCES_MAX), `${lines.length - DIFFERENCES_MAX} more`]
}

/** All that an endorser endorsed, by name. */
function partsOf(payload: Uint8Array): ReadonlyMap<string, string> {
  const response = ProposalResponsePayload.decode(payload)
  if (isFault(response)) return new Map([['payload', 'malformed']])
  const action = ChaincodeAction.decode(response.extension)
  if (isFault(action)) return new Map([['action', 'malformed']])
  const parts = new Map([['proposal hash', toHex(response.proposalHash)]])
  const { status = 0, message = '', payload: result = new Uint8Array() } = action.response ?? {}
  parts.set('response', `status ${status}, message '${message}', payload '${textOf(result)}'`)
  const event = ChaincodeEvent.decode(action.events)
  parts.set('event', isFault(event) ? 'malformed' : `${event.eventName} of ${event.chaincodeId}, payload '${textOf(event.payload)}'`)
  for (const [name, value] of readsAndWrites(action.results)) parts.set(name, value)
  return parts
}

function* readsAndWrites(results: Uint8Array): Generator<readonly [string, string]> {
  const set = readReadWriteSet(results)
  if (isFault(set)) return yield ['results', 'malformed']
  for (const { namespace, keyValue, collections } of set.namespaces) {
    for (const { key, version } of keyValue.reads) yield [`read of ${namespace} ${key}`, `version ${versionText(version)}`]
    for (const { startKey, endKey, rawReads } of keyValue.rangeQueriesInfo)
      yield [`query of ${namespace} from ${startKey} to ${endKey}`, `${rawReads?.kvReads.length ?? 'many'} entries`]
    for (const { key, value, isDelete } of keyValue.writes)
      yield [`write of ${namespace} ${key}`, isDelete ? 'deleted' : `'${textOf(value)}'`]
    for (const { key, entries } of keyValue.metadataWrites)
      for (const { name, value } of entries) yield [`metadata of ${namespace} ${key} ${name}`, toHex(value).slice(0, VALUE_CHARACTERS_MAX)]
    for (const { collection, privateHash } of collections)
      yield [`private data of ${namespace} ${collection}`, `hash ${toHex(privateHash)}`]
  }
}

function versionText(version: { readonly blockNumber: bigint; readonly transactionNumber: bigint } | undefined): string {
  return version === undefined ? 'none' : `${version.blockNumber}.${version.transactionNumber}`
}

function textOf(value: Uint8Array): string {
  return new TextDecoder().decode(value.subarray(0, VALUE_CHARACTERS_MAX))
}
