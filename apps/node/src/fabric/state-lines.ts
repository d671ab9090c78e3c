import type { StateKey, VersionedValue } from '@kumiko/fabric-ledger'

/** A key of the state for machines: value and metadata in base64. In a collection's hashed namespace (`ns$$hcollection`) the key is a hash in hex. */
export function stateFields({ namespace, key, value, metadata, version }: StateKey & VersionedValue): Readonly<Record<string, unknown>> {
  return {
    namespace,
    key,
    value: base64(value),
    version: { block: Number(version.blockNumber), tx: Number(version.transactionNumber) },
    metadata: base64(metadata),
  }
}

/** A key of the state for a person. */
export function stateText({ namespace, key, value, version }: StateKey & VersionedValue): string {
  return `${namespace || '(channel)'}  ${key}  ${base64(value)}  @${version.blockNumber}:${version.transactionNumber}`
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
