import { encodeUtf8, sha256, toHex } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'

/** CouchDB allows 249 bytes with the name's file suffix. */
const LENGTH_MAX = 238
/** What is left of a channel's, a chaincode's and a collection's name where together they are too long. */
const PART_MAX = 50
const ALLOWED = /^[a-z][a-z0-9.$_()+-]*$/

/**
 * The database that holds a channel's savepoint, and its configuration: `mychannel_`, which is namespace `''` too.
 * @throws KumikoError `fabric-couchdb/bad-name`
 * @see Fabric `core/ledger/kvledger/txmgmt/statedb/statecouchdb/couchdbutil.go` constructMetadataDBName
 */
export function metadataDatabaseName(channelId: string): string {
  const short = channelId.length > LENGTH_MAX ? `${channelId.slice(0, PART_MAX)}(${hashOf(channelId)})` : channelId
  return checked(`${short}_`)
}

/**
 * The database of a channel's namespace: `mychannel_my$chaincode` for `myChaincode`; a long one cut, with a hash of the whole.
 * @throws KumikoError `fabric-couchdb/bad-name`
 * @see Fabric `couchdbutil.go` constructNamespaceDBName, mapAndValidateDatabaseName
 */
export function namespaceDatabaseName(channelId: string, namespace: string): string {
  const escaped = namespace.replace(/[A-Z]/g, (letter) => `$${letter.toLowerCase()}`)
  const whole = `${channelId}_${escaped}`
  if (whole.length <= LENGTH_MAX) return checked(whole)
  const parts = escaped.split('$$')
  const cut = (parts.length === 2 ? parts : parts.slice(0, 1)).map((part) => part.slice(0, PART_MAX)).join('$$')
  return checked(`${channelId.slice(0, PART_MAX)}_${cut}(${hashOf(`${channelId}_${namespace}`)})`)
}

function checked(name: string): string {
  if (name.length <= LENGTH_MAX && ALLOWED.test(name)) return name.replaceAll('.', '$')
  throw new KumikoError(
    'fabric-couchdb/bad-name',
    `no database can be called ${JSON.stringify(name.slice(0, 300))}: CouchDB does not allow it`,
  )
}

function hashOf(text: string): string {
  return toHex(sha256(encodeUtf8(text)))
}
