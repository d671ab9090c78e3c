/** A key's hash as state databases are told of it: 32 bytes in hex. */
const HASH = /^[0-9a-f]{64}$/
/** The same as Fabric's peer has it in CouchDB. */
const HASH_ID = /^[A-Za-z0-9+/]{43}=$/

/**
 * The id of a key's document: the key itself, but base64 of a private key's hash. So the hashes of a collection are in the order of their base64,
 * which Fabric's snapshots have too.
 * @see Fabric `core/ledger/kvledger/txmgmt/privacyenabledstate/db.go` GetValueHash
 */
export function documentIdOf(namespace: string, key: string): string {
  return isHashed(namespace) && HASH.test(key) ? Buffer.from(key, 'hex').toString('base64') : key
}

/** The inverse of {@link documentIdOf}. */
export function keyOfDocument(namespace: string, id: string): string {
  return isHashed(namespace) && HASH_ID.test(id) ? Buffer.from(id, 'base64').toString('hex') : id
}

function isHashed(namespace: string): boolean {
  return namespace.includes('$$h')
}
