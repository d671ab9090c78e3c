import type { CallInfo, DuplexHandler, DuplexStream } from '@kumiko/fabric-grpc'
import { type Block, decodeRequest, type Envelope, isConfigBlock, type SignedData } from '@kumiko/fabric-protocol'
import { type Clock, isFault, type Millis } from '@kumiko/interface'
import type { Logger } from '@libp2p/interface'
import type { DeliverResponse } from '../response.ts'
import { SeekInfo } from '../seek.ts'
import { Status } from '../status.ts'
import type { DeliverChannel } from './deliver-channel.ts'
import type { DeliverMetrics } from './deliver-metrics.ts'
import { seekRange } from './seek-range.ts'
import { readSeekRequest, type SeekRequest } from './seek-request.ts'
import { type CheckReader, Session } from './session.ts'

/** A block that is to be told, to whom. */
export interface Told<C extends DeliverChannel> {
  readonly block: Block
  /** Header and metadata are asked for alone. */
  readonly isCut: boolean
  readonly channel: C
  readonly signed: SignedData
}

/** One block's answer. @returns Undefined where the block cannot be told so: status BAD_REQUEST in its place. */
export type Respond<C extends DeliverChannel> = (told: Told<C>) => Promise<Partial<DeliverResponse> | undefined>

/** What a deliver handler is made of. */
export interface DeliverParts<C extends DeliverChannel> {
  readonly channel: (channelId: string) => C | undefined
  readonly check: CheckReader
  readonly respond: Respond<C>
  readonly clock: Clock
  readonly timeWindowMs: Millis
  /** Whether clients sign the hash of their TLS certificate. */
  readonly isMutualTls: boolean
  readonly metrics: DeliverMetrics | undefined
  readonly log: Logger | undefined
}

type Stream = DuplexStream<Envelope, DeliverResponse>

const FAIL_IF_NOT_READY = 1
const BEST_EFFORT = 1
const HEADER_WITH_SIG_BYTES = 1

/**
 * Serves seeks, one after the other: each with blocks, then a status, which ends the stream where it is not SUCCESS. At most one block is held, and
 * it is read when the client has room for it.
 * @see Fabric `common/deliver/deliver.go` Handle, deliverBlocks
 */
export function deliverHandler<C extends DeliverChannel>(parts: DeliverParts<C>): DuplexHandler<Envelope, DeliverResponse> {
  return async (stream, call) => {
    parts.metrics?.opened()
    try {
      for await (const envelope of stream.messages) {
        const status = await serveSeek(parts, stream, call, envelope)
        stream.send(responseOf({ status }))
        if (status !== Status.success) return
      }
    } finally {
      parts.metrics?.closed()
    }
  }
}

async function serveSeek<C extends DeliverChannel>(
  parts: DeliverParts<C>,
  stream: Stream,
  call: CallInfo,
  envelope: Envelope,
): Promise<number> {
  const { clock, timeWindowMs, isMutualTls, log, metrics } = parts
  const binding = isMutualTls ? { certificateHash: call.clientCertificateHash } : null
  const request = decodeRequest(() => readSeekRequest(envelope, { now: clock.now(), timeWindowMs, binding }))
  if (isFault(request)) {
    log?.('%s: bad request: %s', call.remote, request.detail)
    return Status.badRequest
  }
  const channel = parts.channel(request.channelId)
  if (channel === undefined) return Status.notFound
  metrics?.requested(request.channelId)
  const status = await new Delivering(parts, channel, request, stream, call).run()
  metrics?.completed(request.channelId, status)
  return status
}

/** One seek being served. */
class Delivering<C extends DeliverChannel> {
  readonly #parts: DeliverParts<C>
  readonly #channel: C
  readonly #request: SeekRequest
  readonly #stream: Stream
  readonly #call: CallInfo
  readonly #session: Session

  constructor(parts: DeliverParts<C>, channel: C, request: SeekRequest, stream: Stream, call: CallInfo) {
    this.#parts = parts
    this.#channel = channel
    this.#request = request
    this.#stream = stream
    this.#call = call
    this.#session = new Session(request.channelId, request.signed, parts.check)
  }

  async run(): Promise<number> {
    const seek = decodeRequest(() => SeekInfo.decode(this.#request.data))
    if (isFault(seek)) return Status.badRequest
    const errored = seek.errorResponse === BEST_EFFORT ? undefined : this.#channel.errored
    if (errored?.aborted) return Status.serviceUnavailable
    if (!this.#mayRead()) return Status.forbidden
    const { height, firstBlock = 0n } = this.#channel
    const range = seekRange(seek, { height, firstBlock })
    if (range === 'bad-request') return Status.badRequest
    if (range === 'not-found') return Status.notFound
    const { signal } = this.#call
    const either = errored === undefined ? signal : AbortSignal.any([signal, errored])
    const blocks = this.#channel.commits(range.first, { signal: either })[Symbol.asyncIterator]()
    try {
      return await this.#follow(blocks, seek, range.first, range.last)
    } finally {
      await blocks.return?.()
    }
  }

  async #follow(blocks: AsyncIterator<{ readonly block: Block }>, seek: SeekInfo, first: bigint, last: bigint): Promise<number> {
    for (let number = first; ; number++) {
      if (seek.behavior === FAIL_IF_NOT_READY && number >= this.#channel.height) return Status.notFound
      const block = await this.#next(blocks)
      if (block === undefined) return Status.serviceUnavailable
      if (!this.#mayRead()) return Status.forbidden
      const isCut = seek.contentType === HEADER_WITH_SIG_BYTES && !isConfigBlock(block)
      await this.#send(await this.#answer(block, isCut))
      this.#parts.metrics?.sent(this.#request.channelId)
      if (block.header.number === last) return Status.success
    }
  }

  /** @returns Undefined where the channel cannot go on. @throws The call's reason where it is over. */
  async #next(blocks: AsyncIterator<{ readonly block: Block }>): Promise<Block | undefined> {
    try {
      const next = await blocks.next()
      if (next.done !== true) return next.value.block
    } catch (error) {
      this.#parts.log?.error('[channel: %s] error reading blocks: %s', this.#request.channelId, error)
    }
    this.#call.signal.throwIfAborted()
    return
  }

  async #answer(block: Block, isCut: boolean): Promise<Partial<DeliverResponse>> {
    const { signed } = this.#request
    return (await this.#parts.respond({ block, isCut, channel: this.#channel, signed })) ?? { status: Status.badRequest }
  }

  async #send(response: Partial<DeliverResponse>): Promise<void> {
    if (!this.#stream.send(responseOf(response))) await this.#stream.drained()
    this.#call.signal.throwIfAborted()
  }

  #mayRead(): boolean {
    const fault = this.#session.evaluate(this.#channel.bundle.config.sequence, this.#parts.clock.now())
    if (fault !== undefined)
      this.#parts.log?.('[channel: %s] %s is not authorized: %s', this.#request.channelId, this.#call.remote, fault.detail)
    return fault === undefined
  }
}

function responseOf({ status, block, filteredBlock, blockAndPrivateData }: Partial<DeliverResponse>): DeliverResponse {
  return { status, block, filteredBlock, blockAndPrivateData }
}
