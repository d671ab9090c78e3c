import type { StateKey, VersionedValue } from '@kumiko/fabric-ledger'
import { printable } from '@kumiko/terminal'
import { StoppedError } from '../failure.ts'
import type { Output } from '../output.ts'

/** Prints a state, a line a key. @param signal - Ends it. */
export async function printState(entries: AsyncIterable<StateKey & VersionedValue>, output: Output, signal: AbortSignal): Promise<void> {
  for await (const entry of entries) {
    if (signal.aborted) throw new StoppedError('stopped while the state was printed; run it again for all of it')
    if (output.isJson) output.json(stateFields(entry))
    else output.line(printable(stateText(entry)))
    await output.drained()
  }
}

/** A key of the state for machines: value and metadata in base64. In a collection's hashed namespace (`ns$$hcollection`) the key is a hash in hex. */
function stateFields({ namespace, key, value, metadata, version }: StateKey & VersionedValue): Readonly<Record<string, unknown>> {
  return {
    namespace,
    key,
    value: base64(value),
    version: { block: Number(version.blockNumber), tx: Number(version.transactionNumber) },
    metadata: base64(metadata),
  }
}

/** A key of the state for a person. */
function stateText({ namespace, key, value, version }: StateKey & VersionedValue): string {
  return `${namespace || '(channel)'}  ${key}  ${base64(value)}  @${version.blockNumber}:${version.transactionNumber}`
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
