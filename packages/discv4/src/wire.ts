import {
  Alarm,
  type Clock,
  type Fault,
  type IpFamily,
  type LocalRecord,
  type NodeRecord,
  raceAbort,
  type UdpEndpoint,
  type UdpPort,
  type UdpSocket,
} from '@kumiko/interface'
import type { Answer, Ask, ExchangeEffect } from './effect.ts'
import { Exchange, type ExchangeOptions, type ExchangeSizes } from './exchange.ts'
import type { PacketType } from './packet.ts'

/** What is asked, and what answers it. */
interface Answers {
  readonly ping: 'pong'
  readonly findnode: 'neighbors'
  readonly enrrequest: 'enrresponse'
}

/** What answers a question of one type. */
export type AnswerTo<T extends Ask['type']> = Extract<Answer, { type: Answers[T] }>

/** Packets by type. */
export type PacketCounts = Readonly<Record<PacketType, number>>

/** What a wire is made of. */
export interface WireOptions extends Omit<ExchangeOptions, 'local' | 'secretKey'> {
  readonly udp: UdpSocket
  readonly clock: Clock
  readonly identity: { readonly secretKey: Uint8Array; readonly record: LocalRecord }
  /** A node came by itself, about a second ago. */
  readonly onMet: (met: Extract<ExchangeEffect, { do: 'met' }>) => void
  readonly onFault: (fault: Fault, from: UdpEndpoint) => void
  /** So many questions in a row were not answered. */
  readonly onSilence: (count: number) => void
}

/** Joins an exchange, a UDP socket and a clock. */
export class Wire {
  readonly #options: WireOptions
  readonly #exchange: Exchange
  readonly #received = noPackets()
  readonly #sent = noPackets()
  /** By request; at most as many as the exchange has open. */
  readonly #waiting = new Map<number, (answer: Answer | undefined) => void>()
  #port: UdpPort | undefined
  #requests = 0
  #silence = 0
  readonly #alarm: Alarm

  constructor(options: WireOptions) {
    this.#options = options
    const { secretKey, record } = options.identity
    this.#exchange = new Exchange({ ...options, secretKey, local: () => record.node })
    this.#alarm = new Alarm(options.clock, () => this.#perform(this.#exchange.expire(options.clock.now())))
  }

  get received(): PacketCounts {
    return { ...this.#received }
  }

  get sent(): PacketCounts {
    return { ...this.#sent }
  }

  get sizes(): ExchangeSizes {
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
   * @returns Undefined where it does not answer as it should, and when the wire is closed.
   * @throws The signal's reason.
   */
  async ask<T extends Ask['type']>(
    { nodeId }: NodeRecord,
    to: UdpEndpoint,
    ask: Extract<Ask, { type: T }>,
    signal?: AbortSignal,
  ): Promise<AnswerTo<T> | undefined> {
    signal?.throwIfAborted()
    if (this.#port === undefined) return undefined
    const { promise, resolve } = Promise.withResolvers<Answer | undefined>()
    const request = this.#requests++
    this.#waiting.set(request, resolve)
    this.#perform(this.#exchange.ask({ request, nodeId, to, ask }, this.#options.clock.now()))
    // Each type of question has one type of answer: see Requests.
    return (await raceAbort(promise, signal)) as AnswerTo<T> | undefined
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
    if (effects !== undefined) this.#perform(effects)
    return effects !== undefined
  }

  #perform(effects: readonly ExchangeEffect[]): void {
    for (const effect of effects) this.#do(effect)
    if (this.#port !== undefined) this.#alarm.set(this.#exchange.deadline)
  }

  #do(effect: ExchangeEffect): void {
    switch (effect.do) {
      case 'send':
        this.#sent[effect.type]++
        this.#port?.send(effect.packet, effect.to)
        return
      case 'received':
        this.#received[effect.type]++
        return
      case 'settle':
        this.#settle(effect.request, effect.answer)
        return
      case 'met':
        this.#options.onMet(effect)
        return
      case 'statement':
        this.#options.identity.record.statement(effect.from, effect.endpoint, this.#options.clock.now())
        return
      case 'contact':
        this.#options.identity.record.contact(effect.to, this.#options.clock.now())
        return
      case 'fault':
        this.#options.onFault(effect.fault, effect.from)
    }
  }

  #settle(request: number, answer: Answer | undefined): void {
    const resolve = this.#waiting.get(request)
    this.#waiting.delete(request)
    this.#silence = answer === undefined ? this.#silence + 1 : 0
    if (this.#silence > 0) this.#options.onSilence(this.#silence)
    resolve?.(answer)
  }
}

function noPackets(): Record<PacketType, number> {
  return { ping: 0, pong: 0, findnode: 0, neighbors: 0, enrrequest: 0, enrresponse: 0 }
}
