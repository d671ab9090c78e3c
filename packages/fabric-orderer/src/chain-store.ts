import { join } from 'node:path'
import { BlockStore, type FileSystem } from '@kumiko/fabric-ledger'
import { type ChannelBundle, channelBundle, channelMsp, readConfigTransaction, type X509Msp } from '@kumiko/fabric-msp'
import {
  type Block,
  BlockMetadataIndex,
  blockHash,
  equalBytes,
  Metadata,
  OrdererBlockMetadata,
  openEnvelope,
  readChannelHeader,
  readLastConfigIndex,
  withMetadata,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault, KumikoError } from '@kumiko/interface'
import type { ChainTip } from './block-writer.ts'
import { ordered } from './config-update.ts'
import { LogMetadata } from './log-record.ts'
import type { OrderedBundle } from './message-filters.ts'

/** What a channel goes on with. */
export interface ChainState {
  readonly bundle: OrderedBundle
  readonly tip: ChainTip
  /** Of block 0. */
  readonly genesisHash: Uint8Array
  /** Of the last block. */
  readonly metadata: LogMetadata
}

/** An orderer does not validate: what stands where the store has validation codes. Blocks are told without. */
const NOT_VALIDATED = 254

const NO_METADATA: LogMetadata = { lastSequence: 0n, awaited: [] }

/** A channel's blocks on an orderer's disk: as the orderer wrote them, with no validation codes. */
export class ChainStore {
  readonly #channelId: string
  readonly #blocks: BlockStore

  private constructor(channelId: string, blocks: BlockStore) {
    this.#channelId = channelId
    this.#blocks = blocks
  }

  /** @param folder - The channel's own. @throws KumikoError as `BlockStore.open`. */
  static async open(channelId: string, folder: string, fileSystem?: FileSystem): Promise<ChainStore> {
    const folders = { folder: join(folder, 'blocks'), indexFolder: join(folder, 'index') }
    return new ChainStore(channelId, await BlockStore.open({ ...folders, ...(fileSystem && { fileSystem }) }))
  }

  /** The number of blocks. */
  get height(): bigint {
    return this.#blocks.info.height
  }

  /** @returns Undefined where there is none. @throws KumikoError as `BlockStore.block`. */
  async block(number: bigint): Promise<Block | undefined> {
    const block = await this.#blocks.block(number)
    return block && withMetadata(block, BlockMetadataIndex.transactionsFilter, new Uint8Array())
  }

  /** Adds the next block: it outlives a loss of power then. @throws KumikoError as `BlockStore.append`. */
  async append(block: Block): Promise<void> {
    const codes = new Uint8Array(block.data.length).fill(NOT_VALIDATED)
    await this.#blocks.append(withMetadata(block, BlockMetadataIndex.transactionsFilter, codes))
  }

  /** Is this very envelope in a block? Asked by its transaction's id: of one without, as a configuration, it is not known. */
  async has(envelope: Uint8Array): Promise<boolean> {
    const payload = openEnvelope(envelope)
    const header = isFault(payload) ? payload : readChannelHeader(payload)
    if (isFault(header) || header.txId === '') return false
    if (!(await this.#blocks.hasTransaction(header.txId))) return false
    const found = await this.#blocks.transaction(header.txId)
    return found !== undefined && equalBytes(found.envelope, envelope)
  }

  /** Reads what the last block, and the configuration that it names, tell. @throws KumikoError `fabric-orderer/bad-chain`. */
  async state(): Promise<ChainState> {
    const last = await this.#need(this.height - 1n)
    const genesis = await this.#need(0n)
    const lastConfig = last.header.number === 0n ? 0n : this.#read(readLastConfigIndex(last))
    const bundle = this.#read(bundleIn(await this.#need(lastConfig)))
    if (bundle.channelId !== this.#channelId) throw this.#bad(`its blocks are of channel ${bundle.channelId}`)
    const metadata = last.header.number === 0n ? NO_METADATA : this.#read(logMetadataOf(last))
    const tip = { number: last.header.number, hash: blockHash(last.header), lastConfig }
    return { bundle, tip, genesisHash: blockHash(genesis.header), metadata }
  }

  async close(): Promise<void> {
    await this.#blocks.close()
  }

  async #need(number: bigint): Promise<Block> {
    const block = await this.block(number)
    if (block === undefined) throw this.#bad(`it has no block ${number}`)
    return block
  }

  #read<T>(value: T | Fault): T {
    if (isFault(value)) throw this.#bad(value.detail ?? value.fault)
    return value
  }

  #bad(why: string): KumikoError {
    const context = { channelId: this.#channelId }
    return new KumikoError('fabric-orderer/bad-chain', `the blocks of channel ${this.#channelId} cannot be gone on with: ${why}`, {
      context,
    })
  }
}

/** The channel as a configuration block tells it. */
export function bundleIn({ data: [transaction] }: Block): OrderedBundle | Fault {
  const config = transaction === undefined ? badBlock('it is empty') : readConfigTransaction(transaction)
  if (isFault(config)) return config
  if (config.envelope.config === undefined) return badBlock('it has no config')
  const bundle: ChannelBundle<X509Msp> | Fault = channelBundle(config.channelId, config.envelope.config, channelMsp)
  return ordered(bundle)
}

function logMetadataOf(block: Block): LogMetadata | Fault {
  const signed = Metadata.decode(block.metadata[BlockMetadataIndex.signatures] ?? new Uint8Array())
  const orderer = isFault(signed) ? signed : OrdererBlockMetadata.decode(signed.value)
  const consenter = isFault(orderer) ? orderer : Metadata.decode(orderer.consenterMetadata)
  return isFault(consenter) ? consenter : LogMetadata.decode(consenter.value)
}

function badBlock(detail: string): Fault {
  return { fault: 'fabric-orderer/bad-block', detail }
}
