import type { BlockToCommit, CollectionPolicies, Ledger, StateEntry, TransactionPrivateData } from '@kumiko/fabric-ledger'
import { readPrivateReadWriteSet, sha256, toHex, writePrivateReadWriteSet } from '@kumiko/fabric-protocol'
import { goldenJson } from '@kumiko/golden-channel'
import { goldenBlock, goldenTransactions, good } from './golden.ts'

const { blocks: privateData } = goldenJson('private-data.json') as {
  readonly blocks: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** The golden channel's collections, for a peer of Org1. */
export const goldenPolicies: CollectionPolicies = {
  blockToLive: async (_, collection) => (collection === 'short' ? 3n : 0n),
  isEligible: async (_, collection) => collection !== '_implicit_org_Org2MSP',
}

/** A golden block as it comes to the ledger: with the codes of the checks before, its private data, and without what a peer wrote to it. */
export function goldenCommit(number: number): BlockToCommit {
  const block = goldenBlock(number)
  const transactions = goldenTransactions(number)
  return { block: { ...block, metadata: block.metadata.slice(0, 2) }, transactions, privateData: goldenPrivateData(number) }
}

/** What the peer had of a block's private write sets. */
export function goldenPrivateData(number: number): TransactionPrivateData[] {
  return Object.entries(privateData[number] ?? {}).map(([transactionNumber, bytes]) => ({
    transactionNumber: Number(transactionNumber),
    set: good(readPrivateReadWriteSet(new Uint8Array(Buffer.from(bytes, 'base64')))),
  }))
}

/** All that the ledger holds besides its blocks, as text. */
export async function dumpLedger(ledger: Ledger): Promise<string> {
  const { height, currentHash, commitHash } = ledger.info
  const lines = [`${height} ${toHex(currentHash)} ${commitHash && toHex(commitHash)}`]
  for await (const { namespace, ...entry } of ledger.state.entries()) {
    lines.push(`${namespace}/${entryText(entry)}`)
    if (namespace.includes('$$') || namespace === '') continue
    for await (const { txId, isDelete, value } of ledger.history(namespace, entry.key))
      lines.push(`- ${txId} ${isDelete} ${shorten(value)}`)
  }
  for (let number = 0n; number < height; number++) {
    for (const { transactionNumber, set } of (await ledger.privateData.read(number)) ?? []) {
      lines.push(`private ${number}.${transactionNumber} ${toHex(writePrivateReadWriteSet(set))}`)
    }
  }
  const missing = await ledger.privateData.missing({ blocks: 100 })
  lines.push(
    ...missing.map(
      ({ blockNumber, transactionNumber, namespace, collection }) =>
        `missing ${blockNumber}.${transactionNumber} ${namespace} ${collection}`,
    ),
  )
  return lines.join('\n')
}

function entryText({ key, value, metadata, version }: StateEntry): string {
  return `${key} = ${shorten(value)} ${toHex(metadata)} @${version.blockNumber}.${version.transactionNumber}`
}

/** Failures are read. */
function shorten(value: Uint8Array): string {
  return value.length > 64 ? `${value.length} bytes ${toHex(sha256(value))}` : toHex(value)
}
