import { raceAbort } from '@kumiko/interface'
import {
  AckPolicy,
  type ConsumerInfo,
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamClient,
  type JetStreamManager,
} from '@nats-io/jetstream'

/** Where a reader of one server brings what it reads. */
export interface ReplicaListener {
  /** @returns Undefined where there is room for an entry; else a promise of a time to ask again. */
  room(sequence: bigint): Promise<void> | undefined
  /** @param bytes - Undefined where the server has later entries, and not this one. */
  hear(server: string, sequence: bigint, bytes: Uint8Array | undefined): void
}

const NANOS = 1_000_000

/** A consumer whose reader is gone goes after so long, in ms. */
const INACTIVE_MS = 10_000

/** Entries that NATS sends before they are asked for. */
const MESSAGES_AHEAD = 32

const EXPIRES_MS = 5000
const HEARTBEAT_MS = 1000

/** Makes a consumer that one of the servers that keep the stream serves from its own files: which one, NATS chooses by chance. */
export async function replicaConsumer(manager: JetStreamManager, stream: string, from: bigint): Promise<ConsumerInfo> {
  return await manager.consumers.add(stream, {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: Number(from),
    num_replicas: 1,
    mem_storage: true,
    inactive_threshold: INACTIVE_MS * NANOS,
  })
}

/** The server that serves a consumer; empty where there is no cluster. */
export function serverOf({ cluster }: ConsumerInfo): string {
  return cluster?.leader ?? ''
}

/** Reads a stream as one of its servers has it, until that fails, leaves an entry out, or is stopped. */
export class ReplicaReader {
  readonly #consumer: ConsumerInfo
  readonly #listener: ReplicaListener
  readonly #stop = new AbortController()
  #messages: ConsumerMessages | undefined

  constructor(consumer: ConsumerInfo, listener: ReplicaListener) {
    this.#consumer = consumer
    this.#listener = listener
  }

  /** @param from - As the consumer was made with. @throws What NATS does not do. */
  async read(client: JetStreamClient, from: bigint): Promise<void> {
    const messages = await client.consumers.getConsumerFromInfo(this.#consumer).consume({
      max_messages: MESSAGES_AHEAD,
      expires: EXPIRES_MS,
      idle_heartbeat: HEARTBEAT_MS,
      abort_on_missing_resource: true,
    })
    this.#messages = messages
    if (this.#stop.signal.aborted) messages.stop()
    try {
      await this.#hear(messages, from)
    } finally {
      await messages.close()
    }
  }

  /** {@link read} returns soon. */
  stop(): void {
    this.#stop.abort(new Error('the reader is stopped'))
    this.#messages?.stop()
  }

  async #hear(messages: ConsumerMessages, from: bigint): Promise<void> {
    const [server, { signal }] = [serverOf(this.#consumer), this.#stop]
    let expected: bigint | undefined
    for await (const { seq, data } of messages) {
      const sequence = BigInt(seq)
      // A server that is behind begins before what was asked for. What is left out later may have been lost on its way.
      if (expected !== undefined && sequence !== expected) return
      for (let missing = from; expected === undefined && missing < sequence; missing++) {
        if (this.#listener.room(missing) !== undefined) return
        this.#listener.hear(server, missing, undefined)
      }
      await this.#room(sequence)
      if (signal.aborted) return
      this.#listener.hear(server, sequence, bytesOf(data))
      expected = sequence + 1n
    }
  }

  async #room(sequence: bigint): Promise<void> {
    for (let wait = this.#listener.room(sequence); wait !== undefined; wait = this.#listener.room(sequence)) {
      await raceAbort(wait, this.#stop.signal).catch(() => undefined)
      if (this.#stop.signal.aborted) return
    }
  }
}

/** Not a Buffer, whose `slice` shares. */
function bytesOf({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length)
}
