import { randomBytes as nodeRandomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type FileSystem, nodeFileSystem } from '@kumiko/fabric-ledger'
import {
  type Block,
  type BroadcastResponse,
  CHANNEL_ID,
  type ChannelHeader,
  decodeRequest,
  type Envelope,
  HeaderType,
  readChannelHeader,
  readPayload,
  type Signer,
} from '@kumiko/fabric-protocol'
import { type Clock, type Fault, isFault, KumikoError, type RandomBytes, systemClock } from '@kumiko/interface'
import type { ComponentLogger, Logger, Metrics } from '@libp2p/interface'
import { type ChannelOptions, OrdererChannel } from './channel.ts'
import { solo } from './file-log.ts'
import { joinBlockChannel } from './join-block.ts'
import type { Consenter } from './ordered-log.ts'
import { type OrdererMetrics, ordererMetrics } from './orderer-metrics.ts'
import { badRequest } from './outcome.ts'

/** What an orderer is made of. */
export interface OrdererOptions {
  /** For its blocks and logs alone: a folder a channel. One process at a time. */
  readonly folder: string
  /** Signs blocks, and configurations: of an organisation in the channels' orderer section. */
  readonly signer: Signer
  /** How orderers agree. Default {@link solo}: this one is alone. */
  readonly consenter?: Consenter
  /** Default: the system's own. */
  readonly fileSystem?: FileSystem
  readonly clock?: Clock
  /** For nonces. Default: the system's own. */
  readonly randomBytes?: RandomBytes
  readonly logger?: ComponentLogger
  readonly metrics?: Metrics
}

/** An ordering service's node. */
export interface Orderer {
  /** Opens the channels that were joined before. @throws KumikoError as `OrdererChannel.open`: none is open then. */
  start(): Promise<void>
  /** Closes all channels. What was acknowledged stays. */
  stop(): Promise<void>
  /** The channels' names, in order. */
  channels(): readonly string[]
  channel(channelId: string): OrdererChannel | undefined
  /** Takes an envelope of any channel. @returns What the client is told, with Fabric's status and words; it does not throw. */
  broadcast(envelope: Envelope): Promise<BroadcastResponse>
  /**
   * Begins a channel with its genesis block.
   * @throws KumikoError `fabric-orderer/bad-join-block`, `fabric-orderer/channel-exists`, `fabric-orderer/not-started`, and as `OrdererChannel.open`.
   */
  join(genesis: Block): Promise<OrdererChannel>
  /**
   * Leaves a channel, and removes its blocks; what other orderers share stays.
   * @throws KumikoError `fabric-orderer/no-channel`, `fabric-orderer/not-started`.
   */
  remove(channelId: string): Promise<void>
}

/** An orderer that holds nothing before its start. Blocks made by it are taken by Fabric's peers. */
export function orderer(options: OrdererOptions): Orderer {
  return new OrdererNode(options)
}

/** What is on its way to be removed: no channel has such a name. */
const REMOVED = '_removed-'

class OrdererNode implements Orderer {
  readonly #options: OrdererOptions
  readonly #fileSystem: FileSystem
  readonly #log: Logger | undefined
  readonly #metrics: OrdererMetrics
  /** Bounded by the channels that its operator joins. */
  readonly #channels = new Map<string, OrdererChannel>()
  #isStarted = false
  /** Joins, removals, start and stop: one after the other. */
  #work: Promise<unknown> = Promise.resolve()

  constructor(options: OrdererOptions) {
    this.#options = options
    this.#fileSystem = options.fileSystem ?? nodeFileSystem
    this.#log = options.logger?.forComponent('kumiko:fabric-orderer')
    this.#metrics = ordererMetrics(options.metrics)
  }

  start(): Promise<void> {
    return this.#after(async () => {
      if (this.#isStarted) return
      try {
        await this.#openAll()
        this.#isStarted = true
      } catch (error) {
        await this.#closeAll()
        throw error
      }
    })
  }

  stop(): Promise<void> {
    return this.#after(async () => {
      this.#isStarted = false
      await this.#closeAll()
    })
  }

  channels(): readonly string[] {
    return [...this.#channels.keys()].sort()
  }

  channel(channelId: string): OrdererChannel | undefined {
    return this.#channels.get(channelId)
  }

  async broadcast(envelope: Envelope): Promise<BroadcastResponse> {
    const header = headerOf(envelope)
    if (isFault(header)) return badRequest(`could not determine channel ID: ${header.detail ?? header.fault}`)
    const channel = this.#channels.get(header.channelId)
    if (channel === undefined) return badRequest('channel does not exist')
    switch (header.type) {
      case HeaderType.configUpdate:
        return await channel.configure(envelope)
      case HeaderType.config:
        return badRequest('message is of type that cannot be processed directly')
      case HeaderType.ordererTransaction:
        return badRequest('message is of type that is no longer supported')
      default:
        return await channel.order(envelope)
    }
  }

  join(genesis: Block): Promise<OrdererChannel> {
    return this.#after(async () => {
      this.#assertStarted()
      const read = joinBlockChannel(genesis)
      if (isFault(read)) throw new KumikoError('fabric-orderer/bad-join-block', read.detail ?? read.fault)
      const { channelId } = read
      if (this.#channels.has(channelId)) throw channelExists(channelId)
      try {
        await OrdererChannel.create(this.#channelOptions(channelId), genesis)
        const channel = await this.#open(channelId)
        if (channel !== undefined) return channel
      } catch (error) {
        await this.#removeFolder(channelId).catch(() => undefined)
        throw error
      }
      throw new KumikoError('fabric-orderer/bad-chain', `channel ${channelId} has no block`)
    })
  }

  remove(channelId: string): Promise<void> {
    return this.#after(async () => {
      this.#assertStarted()
      const channel = this.#channels.get(channelId)
      if (channel === undefined) throw noChannel(channelId)
      this.#channels.delete(channelId)
      await channel.close()
      await this.#removeFolder(channelId)
    })
  }

  async #openAll(): Promise<void> {
    const { folder } = this.#options
    await this.#fileSystem.makeFolder(folder)
    for (const name of (await this.#fileSystem.list(folder)).toSorted()) {
      if (name.startsWith(REMOVED)) await this.#fileSystem.remove(join(folder, name))
      else if (CHANNEL_ID.test(name) && (await this.#open(name)) === undefined) await this.#removeFolder(name)
    }
  }

  async #open(channelId: string): Promise<OrdererChannel | undefined> {
    const channel = await OrdererChannel.open(this.#channelOptions(channelId))
    if (channel !== undefined) this.#channels.set(channelId, channel)
    return channel
  }

  async #closeAll(): Promise<void> {
    const channels = [...this.#channels.values()]
    this.#channels.clear()
    await Promise.all(channels.map((channel) => channel.close()))
  }

  /** Under another name at once, so that no half of it is ever opened. */
  async #removeFolder(channelId: string): Promise<void> {
    const { folder } = this.#options
    const removed = join(folder, `${REMOVED}${channelId}`)
    await this.#fileSystem.remove(removed)
    await this.#fileSystem.rename(join(folder, channelId), removed)
    await this.#fileSystem.syncFolder(folder)
    await this.#fileSystem.remove(removed)
  }

  #channelOptions(channelId: string): ChannelOptions {
    const { folder, signer, consenter = solo(), clock = systemClock, randomBytes = systemRandomBytes, fileSystem } = this.#options
    const of = { channelId, folder: join(folder, channelId), log: this.#log, metrics: this.#metrics }
    return { ...of, signer, consenter, clock, randomBytes, fileSystem }
  }

  #assertStarted(): void {
    if (!this.#isStarted) throw new KumikoError('fabric-orderer/not-started', 'the orderer is not started: call start() first')
  }

  #after<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work, work)
    this.#work = done.catch(() => undefined)
    return done
  }
}

function headerOf({ payload }: Envelope): ChannelHeader | Fault {
  const read = decodeRequest(() => readPayload(payload))
  if (isFault(read)) return { ...read, detail: `error unmarshalling Payload: ${read.detail ?? ''}` }
  if (read.header === undefined) return { fault: 'fabric-orderer/bad-header', detail: 'header not set' }
  if (read.header.channelHeader.length === 0) return { fault: 'fabric-orderer/bad-header', detail: 'channel header not set' }
  const header = readChannelHeader(read)
  return isFault(header) ? { ...header, detail: `error unmarshalling channel header: ${header.detail ?? ''}` } : header
}

function systemRandomBytes(length: number): Uint8Array {
  return new Uint8Array(nodeRandomBytes(length))
}

function channelExists(channelId: string): KumikoError {
  return new KumikoError('fabric-orderer/channel-exists', 'channel already exists', { context: { channelId } })
}

function noChannel(channelId: string): KumikoError {
  return new KumikoError('fabric-orderer/no-channel', 'channel does not exist', { context: { channelId } })
}
