import { curve, encodeRlp, nodeFromEnr, nodeFromParts, nodeIdOf, parseIp, signEnr } from '@kumiko/identity'
import { isFault, type Millis, type NodeRecord, type UdpEndpoint } from '@kumiko/interface'
import type { ExchangeEffect } from '../src/effect.ts'
import { Exchange, type ExchangeOptions } from '../src/exchange.ts'
import { decodePacket, encodePacket, hashOf, type Packet } from '../src/packet.ts'

/** A time of today, on a whole second. */
export const T0: Millis = 1_800_000_000_000
export const PORT = 30303

/** A secret key that is the same each time. @param index - From 1. */
export function secretKey(index: number): Uint8Array {
  const key = new Uint8Array(32)
  new DataView(key.buffer).setUint32(28, index)
  return key
}

/** A node with a record. */
export function recordOf(key: Uint8Array, ip: string, seq = 1n): NodeRecord {
  return nodeFromEnr(signEnr(key, seq, { ip: encodeRlp(parseIp(ip)!), udp: encodeRlp(PORT), tcp: encodeRlp(PORT) }))
}

/** The other end of an exchange under test, as packets. */
export class Remote {
  readonly key: Uint8Array
  readonly from: UdpEndpoint

  constructor(index: number, ip = `6.0.${index >> 8}.${index & 0xff}`, port = PORT) {
    this.key = secretKey(1000 + index)
    this.from = { ip, port }
  }

  get publicKey(): Uint8Array {
    return curve.publicKey(this.key)
  }

  get nodeId(): string {
    return nodeIdOf(this.publicKey)
  }

  get node(): NodeRecord {
    const { ip, port } = this.from
    return nodeFromParts({ publicKey: curve.compress(this.publicKey), endpoints: [{ host: ip, udp: port, tcp: PORT }] })
  }

  say(packet: Packet): Uint8Array {
    return encodePacket(packet, this.key)
  }

  ping(now: Millis, enrSeq?: bigint): Uint8Array {
    const from = { ip: '192.0.2.1', udp: 1, tcp: PORT }
    return this.say({ type: 'ping', version: 4, from, to: { ip: '192.0.2.2', udp: 2, tcp: 3 }, expiration: at(now), enrSeq })
  }

  pong(pingHash: Uint8Array, now: Millis, enrSeq?: bigint): Uint8Array {
    return this.say({ type: 'pong', to: { ip: '5.5.5.5', udp: PORT, tcp: 0 }, pingHash, expiration: at(now), enrSeq })
  }

  findnode(now: Millis, target: Uint8Array = this.publicKey): Uint8Array {
    return this.say({ type: 'findnode', target, expiration: at(now) })
  }

  enrRequest(now: Millis): Uint8Array {
    return this.say({ type: 'enrrequest', expiration: at(now) })
  }

  neighbors(now: Millis, nodes: readonly Remote[]): Uint8Array {
    const told = nodes.map(({ publicKey, from: { ip, port } }) => ({ ip, udp: port, tcp: PORT, publicKey }))
    return this.say({ type: 'neighbors', nodes: told, expiration: at(now) })
  }

  /** Proves to an exchange where it is, and takes the exchange's proof. */
  bond(exchange: Exchange, now: Millis): ExchangeEffect[] {
    const effects = receive(exchange, this.ping(now), this.from, now)
    return receive(exchange, this.pong(hashOf(sent(effects, 'ping').bytes), now), this.from, now)
  }
}

export const SELF = { key: secretKey(1), ip: '5.5.5.5' }

/** The exchange under test. */
export function exchangeOf(options: Partial<ExchangeOptions> = {}): Exchange {
  const local = recordOf(SELF.key, SELF.ip)
  return new Exchange({ secretKey: SELF.key, nodeId: local.nodeId, local: () => local, closest: () => [], ...options })
}

/** What an exchange does with a packet of its protocol. */
export function receive(exchange: Exchange, bytes: Uint8Array, from: UdpEndpoint, now: Millis): ExchangeEffect[] {
  const effects = exchange.receive(bytes, from, now)
  if (effects === undefined) throw new Error('not taken for a packet')
  return effects
}

/** A packet that was sent. */
export interface Sent<T extends Packet['type']> {
  readonly bytes: Uint8Array
  readonly packet: Extract<Packet, { type: T }>
  readonly to: UdpEndpoint
}

/** The only packet of a type among effects. */
export function sent<T extends Packet['type']>(effects: readonly ExchangeEffect[], type: T): Sent<T> {
  const found = allSent(effects, type)
  if (found.length !== 1) throw new Error(`${found.length} packets of type ${type}, not one`)
  return found[0]!
}

/** All packets of a type among effects. */
export function allSent<T extends Packet['type']>(effects: readonly ExchangeEffect[], type: T): Sent<T>[] {
  return effects.flatMap((effect) => {
    if (effect.do !== 'send' || effect.type !== type) return []
    const packet = decodePacket(effect.packet)
    if (isFault(packet)) throw new Error(packet.fault)
    return [{ bytes: effect.packet, packet: packet as Extract<Packet, { type: T }>, to: effect.to }]
  })
}

/** Effects in short: types of packets, names of faults, and what else there is. */
export function brief(effects: readonly ExchangeEffect[]): string[] {
  return effects.map((effect) => {
    if (effect.do === 'send') return `send ${effect.type}`
    if (effect.do === 'received') return `received ${effect.type}`
    if (effect.do === 'fault') return effect.fault.fault
    if (effect.do === 'settle') return `settle ${effect.request} ${effect.answer?.type}`
    return effect.do
  })
}

/** In seconds, some time from now. */
export function at(now: Millis): number {
  return Math.floor(now / 1000) + 20
}
