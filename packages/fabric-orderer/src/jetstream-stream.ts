import { randomUUID } from 'node:crypto'
import {
  AckPolicy,
  type ConsumerInfo,
  type ConsumerMessages,
  DeliverPolicy,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  type StreamInfo,
} from '@nats-io/jetstream'
import { AHEAD_MAX } from './agreement.ts'
import type { LogBounds } from './ordered-log.ts'
import type { CopiedMessage, ReplicatedStream, StreamCopy, StreamServer, StreamState } from './replicated-stream.ts'

const NANOS = 1_000_000

/** A consumer whose reader is gone goes after so long, in ms. */
const INACTIVE_MS = 10_000

const EXPIRES_MS = 5000
const HEARTBEAT_MS = 1000

/** A stream of JetStream: each copy is read by a consumer of one replica, which the server that has it serves from its own files. */
export class JetStreamStream implements ReplicatedStream {
  readonly name: string
  readonly #manager: JetStreamManager
  readonly #client: JetStreamClient

  constructor(name: string, manager: JetStreamManager, client: JetStreamClient) {
    this.name = name
    this.#manager = manager
    this.#client = client
  }

  async state(): Promise<StreamState | undefined> {
    try {
      const info = await this.#manager.streams.info(this.name)
      return { replicas: info.config.num_replicas, ...boundsOf(info), servers: serversOf(info) }
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
    return
  }

  async open(from: bigint): Promise<StreamCopy> {
    // Named here: where its server does not answer, it is made for all that, and has to be deleted.
    const name = `kumiko_${randomUUID()}`
    try {
      const consumer = await this.#manager.consumers.add(this.name, {
        name,
        ack_policy: AckPolicy.None,
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: Number(from),
        num_replicas: 1,
        mem_storage: true,
        inactive_threshold: INACTIVE_MS * NANOS,
      })
      if (consumer.cluster?.leader === '') throw new Error('the consumer has no server')
      return new JetStreamCopy(consumer, this.#client, () => this.#delete(name))
    } catch (error) {
      this.#delete(name)
      throw error
    }
  }

  /** What is not deleted goes after {@link INACTIVE_MS}, if its server is there. */
  #delete(consumer: string): void {
    this.#manager.consumers.delete(this.name, consumer).catch(() => undefined)
  }
}

class JetStreamCopy implements StreamCopy {
  readonly server: string
  readonly #consumer: ConsumerInfo
  readonly #client: JetStreamClient
  readonly #delete: () => void
  #messages: ConsumerMessages | undefined
  #isClosed = false

  constructor(consumer: ConsumerInfo, client: JetStreamClient, remove: () => void) {
    // Without a cluster there is one server, which has no name.
    this.server = consumer.cluster?.leader ?? ''
    this.#consumer = consumer
    this.#client = client
    this.#delete = remove
  }

  async *messages(): AsyncGenerator<CopiedMessage, void, undefined> {
    const messages = await this.#client.consumers.getConsumerFromInfo(this.#consumer).consume({
      max_messages: AHEAD_MAX,
      expires: EXPIRES_MS,
      idle_heartbeat: HEARTBEAT_MS,
      abort_on_missing_resource: true,
    })
    this.#messages = messages
    if (this.#isClosed) messages.stop()
    for await (const { seq, info, data } of messages) yield { sequence: BigInt(seq), delivery: info.deliverySequence, bytes: bytesOf(data) }
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#messages?.stop()
    this.#delete()
  }
}

/** Those that are not known to be away; one without a name where there is no cluster. */
function serversOf({ cluster }: StreamInfo): readonly StreamServer[] {
  if (cluster === undefined) return [{ name: '', isCurrent: true }]
  const { leader, replicas = [] } = cluster
  const followers = replicas.filter(({ offline }) => offline !== true).map(({ name, current }) => ({ name, isCurrent: current }))
  return leader === undefined || leader === '' ? followers : [{ name: leader, isCurrent: true }, ...followers]
}

/** Which entries the leader of a stream has. */
export function boundsOf({ state }: StreamInfo): LogBounds {
  // Of a stream that is new, NATS tells that it begins at 0.
  return { first: BigInt(Math.max(1, state.first_seq)), last: BigInt(state.last_seq) }
}

/** Is there no such stream? */
export function isNotFound(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.status === 404
}

/** Not a Buffer, whose `slice` shares. */
function bytesOf({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length)
}
