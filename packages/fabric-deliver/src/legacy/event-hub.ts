import { type BoundMethod, type CallInfo, type DuplexStream, RpcError, RpcStatus, serve } from '@kumiko/fabric-grpc'
import { type AccessControl, certificateOf } from '@kumiko/fabric-msp'
import { type Block, equalBytes, type SignedData } from '@kumiko/fabric-protocol'
import { type Clock, isFault, type Millis, systemClock } from '@kumiko/interface'
import type { DeliverChannel } from '../server/deliver-channel.ts'
import { EventType, eventChat, HubEvent, type Interest, type SignedEvent } from './event-messages.ts'
import { eventsOf } from './events-of-block.ts'

/** What an event hub is made of. */
export interface EventHubOptions {
  readonly channel: (channelId: string) => DeliverChannel | undefined
  /** All that the peer is on. */
  readonly channels: () => readonly string[]
  /** Who may have a channel's events: `event/Block`, and `event/FilteredBlock` for filtered blocks alone. */
  readonly access: AccessControl
  /** How far a client's clock may be from ours. Default 15 min. Fabric's `peer.events.timewindow`. */
  readonly timeWindowMs?: Millis
  /** Whether clients tell the hash of their TLS certificate. Default false. */
  readonly isMutualTls?: boolean
  /** Default: the system's. */
  readonly clock?: Clock
}

/** How many interests one client may have. */
export const INTERESTS_MAX = 1000

/**
 * The event hub of Fabric 1.0 to 1.3, `protos.Events`, for clients of that time: blocks, filtered blocks, what chaincode tells, and transactions
 * that were refused, from the next block on. A client hears of channels that it may read.
 * @see Fabric v1.2.0 `events/producer`
 */
export function eventHub(options: EventHubOptions): BoundMethod[] {
  return [
    serve(eventChat, async (stream, call) => {
      const ending = new AbortController()
      const client = new HubClient(options, stream, call, AbortSignal.any([call.signal, ending.signal]))
      try {
        for await (const signed of stream.messages) await client.receive(signed)
      } finally {
        ending.abort()
      }
    }),
  ]
}

/** A client of the hub, with what it wants to hear of. */
class HubClient {
  readonly #options: EventHubOptions
  readonly #stream: DuplexStream<SignedEvent, HubEvent>
  readonly #call: CallInfo
  readonly #signal: AbortSignal
  /** By {@link keyOf}. At most {@link INTERESTS_MAX}. */
  readonly #interests = new Map<string, Interest>()
  /** Channels that are followed: as many as the peer is on. */
  readonly #followed = new Set<string>()
  #signed: SignedData | undefined
  #expiresAt: Millis = Number.POSITIVE_INFINITY

  constructor(options: EventHubOptions, stream: DuplexStream<SignedEvent, HubEvent>, call: CallInfo, signal: AbortSignal) {
    this.#options = options
    this.#stream = stream
    this.#call = call
    this.#signal = signal
  }

  /** Takes or drops interests, and says so. @throws Error as Fabric tells it: status UNKNOWN. */
  async receive(signed: SignedEvent): Promise<void> {
    const event = this.#open(signed)
    for (const interest of event.register?.events ?? []) this.#register(interest)
    for (const interest of event.unregister?.events ?? []) this.#interests.delete(keyOf(interest))
    // The message itself says that it was heeded.
    await this.#send(event)
    this.#follow()
  }

  #open({ eventBytes, signature }: SignedEvent): HubEvent {
    const { clock = systemClock, timeWindowMs = 900_000, isMutualTls = false } = this.#options
    const event = HubEvent.decode(eventBytes)
    if (isFault(event)) throw this.#refused(`error unmarshaling the event bytes in the SignedEvent: ${event.detail}`)
    const certificate = certificateOf(event.creator)
    this.#expiresAt = isFault(certificate) ? Number.POSITIVE_INFINITY : certificate.notAfter * 1000
    if (clock.now() > this.#expiresAt) throw this.#refused('identity expired')
    const { timestamp, tlsCertHash, creator: identity } = event
    const sentAt = timestamp && Number(timestamp.seconds) * 1000 + timestamp.nanos / 1e6
    if (sentAt !== undefined && Math.abs(sentAt - clock.now()) > timeWindowMs) {
      throw this.#refused(`message timestamp out of acceptable range. must be within ${timeWindowMs / 60_000}m0s of current server time`)
    }
    const { clientCertificateHash } = this.#call
    if (isMutualTls && !(clientCertificateHash && equalBytes(clientCertificateHash, tlsCertHash))) {
      throw this.#refused('claimed TLS cert hash is not that of the connection')
    }
    if (event.register === undefined && event.unregister === undefined) throw this.#refused('invalid type')
    this.#signed = { identity, message: eventBytes, signature }
    if (!this.#options.channels().some((channelId) => this.#mayRead('event/FilteredBlock', channelId))) {
      throw this.#refused('the creator may read no channel')
    }
    return event
  }

  #refused(why: string): RpcError {
    return new RpcError(RpcStatus.unknown, `event message validation failed for ${this.#call.remote}: ${why}`)
  }

  #register(interest: Interest): void {
    if (interest.eventType < EventType.block || interest.eventType > EventType.filteredBlock) return
    if (this.#interests.size >= INTERESTS_MAX) throw new RpcError(RpcStatus.resourceExhausted, `more than ${INTERESTS_MAX} interests`)
    this.#interests.set(keyOf(interest), interest)
  }

  /** Follows the channels that are wanted, and were not followed yet. */
  #follow(): void {
    for (const channelId of this.#options.channels()) {
      const isWanted = [...this.#interests.values()].some((interest) => isOf(interest, channelId))
      if (!isWanted || this.#followed.has(channelId)) continue
      this.#followed.add(channelId)
      this.#tell(channelId).catch((error: unknown) => this.#stream.fail(error instanceof Error ? error : new Error(String(error))))
    }
  }

  async #tell(channelId: string): Promise<void> {
    const channel = this.#options.channel(channelId)
    if (channel === undefined) return
    for await (const { block } of channel.commits(channel.height, { signal: this.#signal })) {
      if ((this.#options.clock ?? systemClock).now() > this.#expiresAt)
        throw new Error(`Client identity has expired for ${this.#call.remote}`)
      await this.#tellOf(block, channelId)
    }
  }

  async #tellOf(block: Block, channelId: string): Promise<void> {
    const interests = [...this.#interests.values()].filter((interest) => isOf(interest, channelId))
    const allowed = interests.filter(({ eventType }) =>
      this.#mayRead(eventType === EventType.filteredBlock ? 'event/FilteredBlock' : 'event/Block', channelId),
    )
    for (const event of eventsOf(block, allowed)) await this.#send(event)
  }

  #mayRead(resource: string, channelId: string): boolean {
    return this.#signed !== undefined && this.#options.access.check(resource, channelId, this.#signed) === undefined
  }

  async #send(event: Partial<HubEvent>): Promise<void> {
    if (!this.#stream.send(HubEvent.create(event))) await this.#stream.drained()
  }
}

function isOf(interest: Interest, channelId: string): boolean {
  return interest.channelId === '' || interest.channelId === channelId
}

function keyOf({ eventType, chaincode, channelId }: Interest): string {
  return [eventType, channelId, chaincode?.chaincodeId ?? '', chaincode?.eventName ?? ''].join('\0')
}
