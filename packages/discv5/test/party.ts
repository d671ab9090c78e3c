import { curve, encodeRlp, nodeFromEnr, nodeIdOf, parseIp, signEnr } from '@kumiko/identity'
import type { NodeRecord, UdpEndpoint } from '@kumiko/interface'
import { type Seeded, seeded } from '@kumiko/testkit'
import { Exchange, type ExchangeEffect, type ExchangeOptions } from '../src/exchange.ts'
import type { RequestBody } from '../src/message.ts'

/** A node's record at an endpoint. */
export function recordAt(secretKey: Uint8Array, { ip, port }: UdpEndpoint, seq = 1n): NodeRecord {
  const bytes = parseIp(ip) ?? new Uint8Array(4)
  return nodeFromEnr(signEnr(secretKey, seq, { [bytes.length === 4 ? 'ip' : 'ip6']: encodeRlp(bytes), udp: encodeRlp(port) }))
}

/** Ids of both, so that a test may pick a distance. */
export function nodeIdFor(secretKey: Uint8Array): string {
  return nodeIdOf(curve.publicKey(secretKey))
}

/** What a {@link Party} may do otherwise than by default. */
export interface PartyOptions extends Partial<ExchangeOptions> {
  readonly endpoint?: UdpEndpoint
  readonly seed?: number
}

/** One node: a machine, its key and where it is. Knows nobody. */
export class Party {
  readonly seeded: Seeded
  readonly secretKey: Uint8Array
  readonly endpoint: UdpEndpoint
  record: NodeRecord
  readonly exchange: Exchange
  readonly options: ExchangeOptions

  constructor({ endpoint = { ip: '127.0.0.1', port: 30303 }, seed = 1, ...options }: PartyOptions = {}) {
    this.seeded = seeded(seed)
    this.endpoint = endpoint
    this.secretKey = options.secretKey ?? this.seeded.bytes(32)
    this.record = recordAt(this.secretKey, endpoint)
    this.options = {
      secretKey: this.secretKey,
      nodeId: this.record.nodeId,
      record: () => this.record,
      randomBytes: this.seeded.bytes,
      nodeOf: () => undefined,
      nodesAt: () => [],
      endpointOf: (node) => node.endpoints[0],
      ...options,
    }
    this.exchange = new Exchange(this.options)
  }

  /** @throws Error where the machine has no room. */
  ask(other: Party, body: RequestBody, now = 0): ExchangeEffect[] {
    const request = this.exchange.request(other.record, other.endpoint, body, now)
    if (request === undefined) throw new Error('no room')
    return request.effects
  }

  /** @throws Error where a packet is not of discovery v5. */
  take(packet: Uint8Array, from: UdpEndpoint, now = 0): ExchangeEffect[] {
    const effects = this.exchange.receive(packet, from, now)
    if (effects === undefined) throw new Error('not ours')
    return effects
  }
}

/** Two nodes that know nobody. */
export function pairOf(a: PartyOptions = {}, b: PartyOptions = {}): { a: Party; b: Party } {
  return {
    a: new Party({ endpoint: { ip: '127.0.0.1', port: 30301 }, seed: 1, ...a }),
    b: new Party({ endpoint: { ip: '127.0.0.1', port: 30302 }, seed: 2, ...b }),
  }
}

/** The packets among effects. */
export function packetsOf(effects: readonly ExchangeEffect[]): Uint8Array[] {
  return effects.flatMap((effect) => (effect.do === 'send' ? [effect.packet] : []))
}

/** What is left: what a node is told. */
export function toldOf(effects: readonly ExchangeEffect[]): ExchangeEffect[] {
  return effects.filter((effect) => effect.do !== 'send')
}

/** The names of faults among effects. */
export function faultsOf(effects: readonly ExchangeEffect[]): string[] {
  return effects.flatMap((effect) => (effect.do === 'fault' ? [effect.fault.fault] : []))
}

/**
 * Carries packets to and fro until none is left.
 *
 * @param effects - Of `a`: what it sends to `b`.
 * @returns What both were told, in order.
 * @throws Error where there is no end.
 */
export function converse(a: Party, b: Party, effects: readonly ExchangeEffect[], now = 0): { a: ExchangeEffect[]; b: ExchangeEffect[] } {
  const told = { a: toldOf(effects), b: [] as ExchangeEffect[] }
  let [toB, toA]: [Uint8Array[], Uint8Array[]] = [packetsOf(effects), []]
  for (let round = 0; toA.length + toB.length > 0; round++) {
    if (round > 20) throw new Error('no end')
    const atB = toB.flatMap((packet) => b.take(packet, a.endpoint, now))
    const atA = toA.flatMap((packet) => a.take(packet, b.endpoint, now))
    told.a.push(...toldOf(atA))
    told.b.push(...toldOf(atB))
    toA = packetsOf(atB)
    toB = packetsOf(atA)
  }
  return told
}
