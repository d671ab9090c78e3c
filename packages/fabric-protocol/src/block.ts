import { type Fault, isFault } from '@kumiko/interface'
import { BlockHeader, blockHash, dataHash } from './block-header.ts'
import { type Message, message, nested, repeatedBytes } from './message.ts'
import { equalBytes } from './utf8-order.ts'

/** A block. Its transactions and metadata are bytes, for their hashes are over these. `common.Block`. */
export interface Block {
  readonly header: BlockHeader
  /** The transactions: each an `Envelope`, as the orderer wrote it. */
  readonly data: readonly Uint8Array[]
  /** By {@link BlockMetadataIndex}. May be shorter than all indices. */
  readonly metadata: readonly Uint8Array[]
}

/** What is where in a block's metadata. `common.BlockMetadataIndex`. */
export const BlockMetadataIndex = { signatures: 0, lastConfig: 1, transactionsFilter: 2, orderer: 3, commitHash: 4 } as const

/** One of {@link BlockMetadataIndex}. */
export type BlockMetadataIndex = (typeof BlockMetadataIndex)[keyof typeof BlockMetadataIndex]

const METADATA_COUNT = 5

/** `common.BlockData`. */
export interface BlockData {
  readonly data: readonly Uint8Array[]
}

/** {@link BlockData} on the wire. */
export const BlockData: Message<BlockData> = message<BlockData>('common.BlockData', { data: repeatedBytes(1) })

/** `common.BlockMetadata`. */
export interface BlockMetadata {
  readonly metadata: readonly Uint8Array[]
}

/** {@link BlockMetadata} on the wire. */
export const BlockMetadata: Message<BlockMetadata> = message<BlockMetadata>('common.BlockMetadata', { metadata: repeatedBytes(1) })

/** `common.Block` as it is on the wire, where any part may be missing; {@link Block} is what is made of it. */
export interface BlockMessage {
  readonly header: BlockHeader | undefined
  readonly data: BlockData | undefined
  readonly metadata: BlockMetadata | undefined
}

/** {@link BlockMessage} on the wire. */
export const BlockMessage: Message<BlockMessage> = message<BlockMessage>('common.Block', {
  header: nested(1, () => BlockHeader),
  data: nested(2, () => BlockData),
  metadata: nested(3, () => BlockMetadata),
})

/**
 * Reads a block as delivered. Holds views of the bytes.
 * @returns `fabric-protocol/bad-block` where it is malformed or has no header or data. Hashes are not checked: see {@link checkBlock}.
 */
export function readBlock(bytes: Uint8Array): Block | Fault {
  const parts = BlockMessage.decode(bytes)
  if (isFault(parts)) return badBlock(parts.detail)
  if (parts.header === undefined) return badBlock('it has no header')
  if (parts.data === undefined) return badBlock('it has no data')
  return { header: parts.header, data: parts.data.data, metadata: parts.metadata?.metadata ?? [] }
}

/** Writes a block as it is delivered. */
export function writeBlock(block: Block): Uint8Array {
  return BlockMessage.encode({ header: block.header, data: { data: block.data }, metadata: { metadata: block.metadata } })
}

/**
 * Does a block follow the one before it, and do its transactions hash to what its header says? Signatures are for the channel's policy. The
 * hash of a list is remembered: do not write to a list, nor to its bytes, that was checked.
 * @param previous - Undefined for block 0.
 * @returns `fabric-protocol/bad-block-number`, `fabric-protocol/bad-previous-hash` or `fabric-protocol/bad-data-hash`.
 */
export function checkBlock(block: Block, previous: BlockHeader | undefined): Fault | undefined {
  return previous === undefined ? checkBlockAt(block, 0n, new Uint8Array()) : checkBlockAt(block, previous.number + 1n, blockHash(previous))
}

/**
 * As {@link checkBlock}, where no more is known of the block before than its hash.
 * @param number - That the block must have.
 * @param previousHash - Of the header before; empty where there is none.
 */
export function checkBlockAt({ header, data }: Block, number: bigint, previousHash: Uint8Array): Fault | undefined {
  if (header.number !== number)
    return { fault: 'fabric-protocol/bad-block-number', detail: `block ${header.number} came in place of ${number}` }
  if (!equalBytes(header.previousHash, previousHash)) return { fault: 'fabric-protocol/bad-previous-hash', detail: `block ${number}` }
  if (!equalBytes(header.dataHash, knownDataHash(data))) return { fault: 'fabric-protocol/bad-data-hash', detail: `block ${number}` }
  return
}

/** Of lists that were hashed: a block is checked where it arrives, where it is stored and on the way, and its data are most of its bytes. */
const dataHashes = new WeakMap<readonly Uint8Array[], Uint8Array>()

function knownDataHash(data: readonly Uint8Array[]): Uint8Array {
  const known = dataHashes.get(data)
  if (known !== undefined) return known
  const hash = dataHash(data)
  dataHashes.set(data, hash)
  return hash
}

/** The block with other metadata at an index; the list is filled up with empty entries to its full length. */
export function withMetadata(block: Block, index: BlockMetadataIndex, value: Uint8Array): Block {
  const metadata = Array.from(
    { length: Math.max(METADATA_COUNT, block.metadata.length) },
    (_, at) => block.metadata[at] ?? new Uint8Array(),
  )
  metadata[index] = value
  return { ...block, metadata }
}

function badBlock(detail: string | undefined): Fault {
  return { fault: 'fabric-protocol/bad-block', detail: detail ?? 'malformed' }
}
