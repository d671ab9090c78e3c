import { KumikoError } from '@kumiko/interface'

/** Says to a chaincode why its request failed. @param words - Fabric's. */
export function refusal(words: string): KumikoError {
  return new KumikoError('fabric-chaincode/refused', words)
}

/** Fabric's words for what a ledger throws, by code; given the transaction, and the error's context. */
const WORDS: Readonly<Record<string, (txId: string, context: Readonly<Record<string, unknown>>) => string>> = {
  'fabric-ledger/no-history': () => 'history database is not enabled',
  'fabric-ledger/simulation-ended': () => 'this instance should not be used after calling Done()',
  'fabric-ledger/bad-key': (_, { refusal }) => String(refusal),
  'fabric-ledger/bad-write': (_, { refusal }) => String(refusal),
  'fabric-ledger/no-such-collection': (_, { namespace, collection }) =>
    `collection [${collection}] not defined in the collection config for chaincode [${namespace}]`,
  'fabric-ledger/private-data-unavailable': (_, { hashed, here }) =>
    `private data matching public hash version is not available. Public hash version = ${heightText(hashed)}, Private data version = ${heightText(here)}`,
  'fabric-ledger/read-only': (txId, { did, refused }) => `txid [${txId}]: unsuppored transaction. ${readOnlyText(did, refused)}`,
}

/** What a chaincode is told of an error: Fabric's words where Fabric fails in the same way. */
export function wordsOf(error: unknown, txId: string): string {
  if (!(error instanceof KumikoError)) return error instanceof Error ? error.message : String(error)
  return WORDS[error.code]?.(txId, error.context) ?? error.message
}

function heightText(version: unknown): string {
  const isVersion = typeof version === 'object' && version !== null && 'blockNumber' in version && 'transactionNumber' in version
  return isVersion ? `{BlockNum: ${version.blockNumber}, TxNum: ${version.transactionNumber}}` : '<nil>'
}

function readOnlyText(did: unknown, refused: unknown): string {
  if (did === 'a query of private data') return 'Transaction has already performed queries on pvt data. Writes are not allowed'
  if (did === 'a query by pages') return 'Transaction has already performed a paginated query. Writes are not allowed'
  if (refused === 'a query by pages') return 'Paginated queries are supported only in a read-only transaction'
  return 'Queries on pvt data is supported only in a read-only transaction'
}
