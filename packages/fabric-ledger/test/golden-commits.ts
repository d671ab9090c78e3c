import {
  type BlockToCommit,
  blockTransactions,
  type CollectionPolicies,
  type Ledger,
  type StateEntry,
  type TransactionPrivateData,
} from '@kumiko/fabric-ledger'
import { type Block, readPrivateReadWriteSet, toHex, ValidationCode } from '@kumiko/fabric-protocol'
import { goldenBlocks, goldenJson } from '@kumiko/golden-channel'
import { good, peerBlocks } from './golden.ts'

const MVCC = new Set<number>([ValidationCode.mvccReadConflict, ValidationCode.phantomReadConflict])
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
  const block = peerBlocks[number] as Block
  const codes = goldenBlocks()[number]?.txs.map(({ validationCode }) => (MVCC.has(validationCode) ? ValidationCode.valid : validationCode))
  const transactions = good(blockTransactions(block, Uint8Array.from(codes ?? [])))
  return { block: { ...block, metadata: block.metadata.slice(0, 2) }, transactions, privateData: goldenPrivateData(number) }
}

/** What the peer had of a block's private write sets. */
export function goldenPrivateData(number: number): TransactionPrivateData[] {
  return Object.entries(privateData[number] ?? {}).map(([transactionNumber, bytes]) => ({
    transactionNumber: Number(transactionNumber),
    set: good(readPrivateReadWriteSet(new Uint8Array(Buffer.from(bytes, 'base64')))),
  }))
}

/** All that the state holds, as text. */
export async function dumpState(ledger: Ledger): Promise<string[]> {
  const lines: string[] = []
  for await (const { namespace, ...entry } of ledger.state.entries()) lines.push(`${namespace}/${entryText(entry)}`)
  return lines
}

function entryText({ key, value, metadata, version }: StateEntry): string {
  return `${key} = ${toHex(value)} ${toHex(metadata)} @${version.blockNumber}.${version.transactionNumber}`
}
