import type { Endpoint } from '@kumiko/fabric-grpc'
import {
  type Block,
  type BlockHeader,
  blockHash,
  checkBlock,
  dataHash,
  decodeRequest,
  equalBytes,
  type PrivateReadWriteSet,
  readBlock,
  readPrivateReadWriteSet,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import type { BlockVerifier } from './block-verifier.ts'
import type { BlockAndPrivateData, DeliverResponse, FilteredBlock } from './response.ts'

/** What came, and the number of its block. */
export interface Accepted<T> {
  readonly item: T
  readonly number: bigint
}

/** Reads and judges what a stream brings, in the order of the blocks, over all streams of one run. */
export interface Intake<T> {
  /** @param expected - The number that must come; undefined where any may be the first. @returns A fault where the server broke its word. */
  accept(response: DeliverResponse, expected: bigint | undefined): Accepted<T> | Fault
  /** As {@link BlockVerifier.endpoints}. */
  readonly endpoints: readonly Endpoint[] | undefined
}

/** A transaction's private write sets, as a peer has them. */
export interface DeliveredPrivateData {
  /** The transaction's place in the block, from 0. */
  readonly transactionNumber: number
  readonly set: PrivateReadWriteSet
}

/** A block with the private data that its peer lets us have. Whether that has the hashes that the block says, the ledger checks. */
export interface BlockWithPrivateData {
  readonly block: Block
  /** In the order of the transactions; at most one for each. */
  readonly privateData: readonly DeliveredPrivateData[]
}

/**
 * Takes blocks that follow each other.
 * @param verifier - Undefined: hashes are checked, signatures are not.
 * @param previous - The block before the first; undefined where it is not known, or there is none.
 */
export function blockIntake(verifier: BlockVerifier | undefined, previous: BlockHeader | undefined): Intake<Block> {
  const chain = chainOf(verifier, previous)
  return {
    accept: ({ block }, expected) => (block === undefined ? unexpected('a block') : chain(block, expected)),
    get endpoints() {
      return verifier?.endpoints
    },
  }
}

/** As {@link blockIntake}, with private data. */
export function privateIntake(verifier: BlockVerifier | undefined, previous: BlockHeader | undefined): Intake<BlockWithPrivateData> {
  const chain = chainOf(verifier, previous)
  return {
    accept: ({ blockAndPrivateData: both }, expected) => {
      if (both === undefined) return unexpected('a block with private data')
      const privateData = privateDataOf(both)
      if (isFault(privateData)) return privateData
      const accepted = chain(both.block, expected, (block) => strayFault(block, privateData))
      return isFault(accepted) ? accepted : { item: { block: accepted.item, privateData }, number: accepted.number }
    },
    get endpoints() {
      return verifier?.endpoints
    },
  }
}

/** Takes filtered blocks, which nobody signed: they are as true as the peer is. */
export function filteredIntake(channelId: string): Intake<FilteredBlock> {
  return {
    accept: ({ filteredBlock: item }, expected) => {
      if (item === undefined) return unexpected('a filtered block')
      if (item.channelId !== channelId) {
        return { fault: 'fabric-deliver/other-channel', detail: `block ${item.number} is of '${item.channelId.slice(0, 100)}'` }
      }
      return numberFault(item.number, expected) ?? { item, number: item.number }
    },
    endpoints: undefined,
  }
}

/** Judges a block on its own, as one that was fetched. @param expected - Its number; undefined: any. */
export function readDeliveredBlock(bytes: Uint8Array, expected: bigint | undefined): Block | Fault {
  // Of the transactions, which are bytes here, a real block has fewer than a message has room for.
  const block = decodeRequest(() => readBlock(bytes))
  if (isFault(block)) return block
  const { number } = block.header
  const odd = numberFault(number, expected)
  if (odd !== undefined) return odd
  if (number === 0n) return checkBlock(block, undefined) ?? block
  return equalBytes(block.header.dataHash, dataHash(block.data))
    ? block
    : { fault: 'fabric-protocol/bad-data-hash', detail: `block ${number}` }
}

/** @param check - What else must be right. The chain goes on only where all is. */
type Chain = (bytes: Uint8Array, expected: bigint | undefined, check?: (block: Block) => Fault | undefined) => Accepted<Block> | Fault

function chainOf(verifier: BlockVerifier | undefined, previous: BlockHeader | undefined): Chain {
  let last = previous
  return (bytes, expected, check) => {
    const block = readDeliveredBlock(bytes, expected)
    if (isFault(block)) return block
    const fault = check?.(block) ?? linkFault(block.header, last) ?? verifier?.verify(block)
    if (fault !== undefined) return fault
    last = block.header
    return { item: block, number: block.header.number }
  }
}

function linkFault({ number, previousHash }: BlockHeader, last: BlockHeader | undefined): Fault | undefined {
  if (last === undefined || last.number + 1n !== number) return
  return equalBytes(previousHash, blockHash(last)) ? undefined : { fault: 'fabric-protocol/bad-previous-hash', detail: `block ${number}` }
}

/** As Go reads a map: of entries with the same key the last counts. */
function privateDataOf({ privateDataMap }: BlockAndPrivateData): readonly DeliveredPrivateData[] | Fault {
  const sets = new Map<bigint, Uint8Array>(privateDataMap.map(({ key, value }) => [key, value]))
  const data: DeliveredPrivateData[] = []
  for (const [key, value] of sets) {
    const set = readPrivateReadWriteSet(value)
    if (isFault(set)) return set
    data.push({ transactionNumber: Number(key), set })
  }
  return data.sort((a, b) => a.transactionNumber - b.transactionNumber)
}

function numberFault(number: bigint, expected: bigint | undefined): Fault | undefined {
  if (expected === undefined || number === expected) return
  return { fault: 'fabric-protocol/bad-block-number', detail: `block ${number} came in place of ${expected}` }
}

function unexpected(wanted: string): Fault {
  return { fault: 'fabric-deliver/unexpected-message', detail: `something else came in place of ${wanted}` }
}

function strayFault({ data }: Block, privateData: readonly DeliveredPrivateData[]): Fault | undefined {
  const stray = privateData.find(({ transactionNumber }) => transactionNumber >= data.length)
  return (
    stray && {
      fault: 'fabric-deliver/stray-private-data',
      detail: `of transaction ${stray.transactionNumber}, which the block does not have`,
    }
  )
}
