import {
  Alarm,
  type Clock,
  type Fault,
  type IpFamily,
  KumikoError,
  type LocalRecord,
  type NodeRecord,
  raceAbort,
  type UdpEndpoint,
  type UdpPort,
  type UdpSocket,
} from '@kumiko/interface'
import type { Reply } from './calls.ts'
import { Exchange, type ExchangeEffect, type ExchangeOptions, type TalkQuery } from './exchange.ts'
import type { RequestBody } from './message.ts'

/** What answers a request of one type. */
export type ReplyTo<T extends RequestBody['type']> = Extract<Reply, { type: { ping: 'pong'; findnode: 'nodes'; talkreq: 'talkresp' }[T] }>

/** What a wire is made of. */
export interface WireOptions extends Omit<ExchangeOptions, 'record' | 'secretKey' | 'nodeId'> {
  readonly udp: UdpSocket
  readonly clock: Clock
  readonly identity: { readonly secretKey: Uint8Array; readonly nodeId: string; readonly record: LocalRecord }
  /** A node has proved who it is. */
  readonly onMet: (node: NodeRecord, from: UdpEndpoint) => void
  /** Answers a TALKREQ. Must not reject. */
  readonly onTalk: (query: TalkQuery) => Promise<Uint8Array>
  readonly onFault: (fault: Fault, from: UdpEndpoint) => void
}

/** Packets since the start. */
export interface WireCounts {
  /** Of discovery v5. */
  readonly received: number
  readonly sent: number
}

/** Joins an exchange, a UDP socket and a clock. */
export class Wire {
  readonly #options: WireOptions
  readonly #exchange: Exchange
  /** By call; at most as many as the exchange has. */
  readonly #waiting = new Map<number, (reply: Reply | undefined) => void>()
  readonly #counts = { received: 0, sent: 0 }
  #port: UdpPort | undefined
  readonly #alarm: Alarm

  constructor(options: WireOptions) {
    this.#options = options
    const { secretKey, nodeId, record } = options.identity
    this.#exchange = new Exchange({ ...options, secretKey, nodeId, record: () => record.node })
    this.#alarm = new Alarm(options.clock, () => this.#perform(this.#exchange.expire(options.clock.now())))
  }

  get counts(): WireCounts {
    return { ...this.#counts }
  }

  get sizes(): Exchange['sizes'] {
    return this.#exchange.sizes
  }

  /** @throws KumikoError `udp/listen-failed`. */
  async open(): Promise<void> {
    this.#port = await this.#options.udp.open((packet, from) => this.#receive(packet, from))
  }

  /** As {@link UdpPort.local}; undefined while not open. */
  local(family: IpFamily): UdpEndpoint | undefined {
    return this.#port?.local(family)
  }

  /**
   * Asks a node.
   *
   * @returns Undefined where it does not answer, and when the wire is closed.
   * @throws The signal's reason · KumikoError `discv5/too-many-requests`.
   */
  async ask<T extends RequestBody['type']>(
    node: NodeRecord,
    to: UdpEndpoint,
    body: Extract<RequestBody, { type: T }>,
    signal?: AbortSignal,
  ): Promise<ReplyTo<T> | undefined> {
    signal?.throwIfAborted()
    if (this.#port === undefined) return undefined
    const now = this.#options.clock.now()
    const request = this.#exchange.request(node, to, body, now)
    if (request === undefined) {
      throw new KumikoError(
        'discv5/too-many-requests',
        `too many requests wait for an answer of ${node.nodeId}, or of all nodes: wait for some`,
      )
    }
    const { promise, resolve } = Promise.withResolvers<Reply | undefined>()
    this.#waiting.set(request.call, resolve)
    this.#options.identity.record.contact(to.ip, now)
    this.#perform(request.effects)
    // Each type of request has one type of answer, which the exchange sees to.
    return (await raceAbort(promise, signal)) as ReplyTo<T> | undefined
  }

  /** Nothing is sent or told of any more; whoever waits for an answer has none. Idempotent. */
  async close(): Promise<void> {
    const port = this.#port
    this.#port = undefined
    this.#alarm.cancel()
    for (const resolve of this.#waiting.values()) resolve(undefined)
    this.#waiting.clear()
    await port?.close()
  }

  #receive(packet: Uint8Array, from: UdpEndpoint): boolean {
    if (this.#port === undefined) return false
    const effects = this.#exchange.receive(packet, from, this.#options.clock.now())
    if (effects === undefined) return false
    this.#counts.received++
    this.#perform(effects)
    return true
  }

  #perform(effects: readonly ExchangeEffect[]): void {
    for (const effect of effects) this.#do(effect)
    if (this.#port !== undefined) this.#alarm.set(this.#exchange.deadline)
  }

  #do(effect: ExchangeEffect): void {
    switch (effect.do) {
      case 'send':
        this.#counts.sent++
        this.#port?.send(effect.packet, effect.to)
        return
      case 'ended':
        this.#settle(effect.call, effect.reply)
        return
      case 'met':
        this.#options.onMet(effect.node, effect.from)
        return
      case 'talk':
        void this.#talk(effect.query)
        return
      case 'seen':
        this.#options.identity.record.statement(effect.by, effect, this.#options.clock.now())
        return
      case 'fault':
        this.#options.onFault(effect.fault, effect.from)
    }
  }

  #settle(call: number, reply: Reply | undefined): void {
    const resolve = this.#waiting.get(call)
    this.#waiting.delete(call)
    resolve?.(reply)
  }

  async #talk(query: TalkQuery): Promise<void> {
    const answer = await this.#options.onTalk(query)
    if (this.#port !== undefined) this.#perform(this.#exchange.talkResponse(query, answer))
  }
}
