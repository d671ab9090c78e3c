import type { BlockSource } from '@kumiko/fabric-committer'
import type { Orderer as GatewayOrderer } from '@kumiko/fabric-gateway'
import { GrpcListener } from '@kumiko/fabric-grpc'
import type { FileSystem } from '@kumiko/fabric-ledger'
import { inMemory, type Orderer, type OrdererChannel, orderer, ordererServices, solo } from '@kumiko/fabric-orderer'
import { type Block, type BroadcastResponse, Envelope, readEnvelope } from '@kumiko/fabric-protocol'
import { type Clock, isFault, KumikoError } from '@kumiko/interface'
import type { ComponentLogger } from '@libp2p/interface'
import { localMspOf } from '../crypto/local-msp.ts'
import type { Member, Organization } from '../crypto/organization.ts'

/** What a network's orderer is made of. */
export interface DevOrdererOptions {
  readonly organization: Organization
  readonly member: Member
  readonly channelId: string
  readonly folder: string
  /** Whether its blocks are gone when the process ends. */
  readonly isVolatile: boolean
  readonly fileSystem: FileSystem
  /** 0 for any. */
  readonly port: number
  readonly clock: Clock
  readonly logger: ComponentLogger | undefined
}

/** What is ordered around a transaction. `Envelope`s' bytes. */
export interface Surrounding {
  readonly before: readonly Uint8Array[]
  readonly after: readonly Uint8Array[]
}

/** A network's one orderer: what clients and gateways send comes through {@link broadcast}. */
export class DevOrderer {
  readonly name: string
  readonly #options: DevOrdererOptions
  readonly #orderer: Orderer
  readonly #listener: GrpcListener
  /** Asked about each transaction that is to be ordered. */
  surround: ((envelope: Uint8Array) => Promise<Surrounding | undefined>) | undefined

  constructor(options: DevOrdererOptions) {
    const { organization, member, folder, isVolatile, fileSystem, port, clock, logger } = options
    this.name = member.name
    this.#options = options
    const shared = { clock, ...(logger && { logger }) }
    const signer = localMspOf(organization, member)
    this.#orderer = orderer({ folder, signer, consenter: isVolatile ? inMemory() : solo(), fileSystem, ...shared })
    const tls = { certificate: bytes(member.tls.certificate), privateKey: bytes(member.tls.privateKey) }
    this.#listener = new GrpcListener({ listen: `127.0.0.1:${port}`, tls, ...(logger && { logger }) })
    this.#listener.add(...ordererServices(this.#served()))
  }

  /** `localhost:7050`, once it was started. */
  get address(): string {
    const { address } = this.#listener
    return `localhost${address.slice(address.lastIndexOf(':'))}`
  }

  /** Takes its port, and opens what there is. */
  async start(): Promise<void> {
    await this.#orderer.start()
    await this.#listener.start()
  }

  /** Begins the channel, unless it is there. @param genesis - Makes block 0. */
  async join(genesis: () => Block): Promise<void> {
    if (this.#orderer.channel(this.#options.channelId) === undefined) await this.#orderer.join(genesis())
  }

  async stop(): Promise<void> {
    await this.#listener.stop()
    await this.#orderer.stop()
  }

  /** The channel. @throws KumikoError `fabric-devnet/orderer-stopped`. */
  get channel(): OrdererChannel {
    const channel = this.#orderer.channel(this.#options.channelId)
    if (channel === undefined) throw new KumikoError('fabric-devnet/orderer-stopped', 'the network does not run')
    return channel
  }

  /** Takes a transaction. @param source - An `Envelope`'s bytes. @returns What the client is told. */
  async broadcast(source: Uint8Array): Promise<BroadcastResponse> {
    const envelope = readEnvelope(source)
    if (isFault(envelope)) return { status: 400, info: envelope.detail ?? envelope.fault }
    return await this.#order(envelope)
  }

  /** As gateways see it: without a network between. */
  get asOrderer(): GatewayOrderer {
    return {
      endpoint: { address: this.address },
      mspId: this.#options.organization.mspId,
      broadcast: (envelope) => this.broadcast(envelope),
    }
  }

  /** The channel's blocks as it writes them. */
  get source(): BlockSource {
    const blocks = (from: bigint, options?: { readonly signal?: AbortSignal }) => this.channel.blocks(from, options)
    return {
      blocks: async function* (from, options) {
        for await (const block of blocks(from, options)) yield { block }
      },
    }
  }

  #served(): Orderer {
    const served = this.#orderer
    return {
      start: () => served.start(),
      stop: () => served.stop(),
      channels: () => served.channels(),
      channel: (channelId) => served.channel(channelId),
      broadcast: (envelope) => this.#order(envelope),
      join: (genesis) => served.join(genesis),
      remove: (channelId) => served.remove(channelId),
    }
  }

  async #order(envelope: Envelope): Promise<BroadcastResponse> {
    const surrounding = await this.surround?.(Envelope.encode(envelope))
    for (const before of surrounding?.before ?? []) await this.#orderSurely(before)
    const answer = await this.#orderer.broadcast(envelope)
    for (const after of surrounding?.after ?? []) await this.#orderSurely(after)
    return answer
  }

  async #orderSurely(source: Uint8Array): Promise<void> {
    const envelope = readEnvelope(source)
    const answer = isFault(envelope) ? { status: 400, info: envelope.fault } : await this.#orderer.broadcast(envelope)
    if (answer.status !== 200) throw new Error(`a transaction of our own is refused: ${answer.info}`)
  }
}

function bytes(pem: string): Uint8Array {
  return new TextEncoder().encode(pem)
}
