import type { BlockSource } from '@kumiko/fabric-committer'
import type { FileSystem } from '@kumiko/fabric-ledger'
import { inMemory, type Orderer, type OrdererChannel, orderer, solo } from '@kumiko/fabric-orderer'
import type { Signer } from '@kumiko/fabric-protocol'
import { type Block, type BroadcastResponse, Envelope, readEnvelope } from '@kumiko/fabric-protocol'
import { type Clock, isFault } from '@kumiko/interface'
import type { ComponentLogger } from '@libp2p/interface'

/** What a network's orderer is made of. */
export interface DevOrdererOptions {
  readonly channelId: string
  readonly folder: string
  readonly signer: Signer
  /** Whether its blocks are gone when the process ends. */
  readonly isVolatile: boolean
  readonly fileSystem: FileSystem
  readonly clock: Clock
  readonly logger: ComponentLogger | undefined
}

/** What is ordered around a transaction, in place of it alone. `Envelope`s' bytes. */
export interface Surrounding {
  readonly before: readonly Uint8Array[]
  readonly after: readonly Uint8Array[]
}

/** A network's one orderer: what clients and gateways send comes through {@link broadcast}. */
export class DevOrderer {
  readonly #options: DevOrdererOptions
  readonly #orderer: Orderer
  /** Asked about each transaction that is to be ordered. */
  surround: ((envelope: Uint8Array) => Promise<Surrounding | undefined>) | undefined

  constructor(options: DevOrdererOptions) {
    const { folder, signer, isVolatile, fileSystem, clock, logger } = options
    this.#options = options
    const consenter = isVolatile ? inMemory() : solo()
    this.#orderer = orderer({ folder, signer, consenter, fileSystem, clock, ...(logger && { logger }) })
  }

  /** Opens what there is, and begins the channel where there is none. @param genesis - Block 0. */
  async start(genesis: () => Block): Promise<void> {
    await this.#orderer.start()
    if (this.#orderer.channel(this.#options.channelId) === undefined) await this.#orderer.join(genesis())
  }

  async stop(): Promise<void> {
    await this.#orderer.stop()
  }

  /** The channel. @throws Before {@link start}. */
  get channel(): OrdererChannel {
    const channel = this.#orderer.channel(this.#options.channelId)
    if (channel === undefined) throw new Error('the orderer was not started')
    return channel
  }

  /** Takes a transaction. @param bytes - An `Envelope`'s. @returns What the client is told. */
  async broadcast(bytes: Uint8Array): Promise<BroadcastResponse> {
    const envelope = readEnvelope(bytes)
    if (isFault(envelope)) return { status: 400, info: envelope.detail ?? envelope.fault }
    return await this.order(envelope)
  }

  /** As {@link broadcast}, of an envelope that was read. */
  async order(envelope: Envelope): Promise<BroadcastResponse> {
    const surrounding = await this.surround?.(Envelope.encode(envelope))
    for (const before of surrounding?.before ?? []) await this.#orderSurely(before)
    const answer = await this.#orderer.broadcast(envelope)
    for (const after of surrounding?.after ?? []) await this.#orderSurely(after)
    return answer
  }

  /** The channel's blocks as it writes them. */
  get source(): BlockSource {
    return {
      blocks: async function* (this: DevOrderer, from: bigint, options?: { readonly signal?: AbortSignal }) {
        for await (const block of this.channel.blocks(from, options)) yield { block }
      }.bind(this),
    }
  }

  async #orderSurely(bytes: Uint8Array): Promise<void> {
    const envelope = readEnvelope(bytes)
    const answer = isFault(envelope) ? { status: 400, info: envelope.fault } : await this.#orderer.broadcast(envelope)
    if (answer.status !== 200) throw new Error(`a transaction of our own is refused: ${answer.info}`)
  }
}
