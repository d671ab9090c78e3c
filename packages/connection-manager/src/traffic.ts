import type { CapabilityId, CapabilityTraffic, Traffic, TrafficMeter } from '@kumiko/interface'

/** Capabilities counted apart; those beyond share one entry. */
const CAPABILITIES_MAX = 256
/** The entry for capabilities beyond the bound. */
const OTHERS = 'others'

/** What a meter's owner is told of each message, where somebody listens. */
export type MessageListener = (way: 'received' | 'sent', capability: CapabilityId, code: number, sizeBytes: number) => void

interface Counters {
  bytesReceived: number
  bytesSent: number
  messagesReceived: number
  messagesSent: number
}

/** A sum of counters, by capability too. */
class Tally {
  readonly wire: Counters = zero()
  readonly capabilities: Map<string, Counters> = new Map<string, Counters>()

  /** The counters of a capability. */
  of(name: string): Counters {
    const known = this.capabilities.get(name)
    if (known !== undefined) return known
    if (this.capabilities.size >= CAPABILITIES_MAX && name !== OTHERS) return this.of(OTHERS)
    const counters = zero()
    this.capabilities.set(name, counters)
    return counters
  }

  add(other: Tally): void {
    sum(this.wire, other.wire)
    for (const [name, counters] of other.capabilities) sum(this.of(name), counters)
  }

  traffic(): Traffic {
    const capabilities: Record<string, CapabilityTraffic> = {}
    for (const [name, counters] of this.capabilities) capabilities[name] = { ...counters }
    return { ...this.wire, capabilities }
  }
}

/** Counts one connection. A message costs two additions and no memory: sums are made when they are asked for. */
export class Meter implements TrafficMeter {
  readonly tally: Tally = new Tally()
  /** Told of each message; undefined costs nothing. */
  listener: MessageListener | undefined
  /** The counters by the capability's object, since a channel always hands in the same one. The last one first. */
  readonly #counters = new Map<CapabilityId, Counters>()
  #last: CapabilityId | undefined
  #lastCounters: Counters = this.tally.wire

  message(way: 'received' | 'sent', capability: CapabilityId, code: number, sizeBytes: number): void {
    const counters = capability === this.#last ? this.#lastCounters : this.#find(capability)
    const { wire } = this.tally
    if (way === 'received') {
      counters.messagesReceived++
      counters.bytesReceived += sizeBytes
      wire.messagesReceived++
    } else {
      counters.messagesSent++
      counters.bytesSent += sizeBytes
      wire.messagesSent++
    }
    this.listener?.(way, capability, code, sizeBytes)
  }

  bytes(way: 'received' | 'sent', sizeBytes: number): void {
    if (way === 'sent') this.tally.wire.bytesSent += sizeBytes
    else this.tally.wire.bytesReceived += sizeBytes
  }

  #find(capability: CapabilityId): Counters {
    let counters = this.#counters.get(capability)
    if (counters === undefined) {
      counters = this.tally.of(`${capability.name}/${capability.version}`)
      if (this.#counters.size >= CAPABILITIES_MAX) this.#counters.clear()
      this.#counters.set(capability, counters)
    }
    this.#last = capability
    this.#lastCounters = counters
    return counters
  }
}

/** Sums meters by peer and in all. Holds a peer only while it has a meter. */
export class TrafficBook {
  /** Of meters that are closed. */
  readonly #ended = new Tally()
  readonly #open = new Set<Meter>()
  readonly #peers = new Map<string, { readonly ended: Tally; readonly open: Set<Meter> }>()
  readonly #peerOf = new Map<Meter, string>()

  /** Meters a new connection. */
  open(): Meter {
    const meter = new Meter()
    this.#open.add(meter)
    return meter
  }

  /** Counts a meter as a peer's, with all that it has counted. The first peer named stays. */
  attribute(meter: Meter, peerId: string): void {
    if (!this.#open.has(meter) || this.#peerOf.has(meter)) return
    const peer = this.#peers.get(peerId) ?? { ended: new Tally(), open: new Set() }
    this.#peers.set(peerId, peer)
    peer.open.add(meter)
    this.#peerOf.set(meter, peerId)
  }

  /** The connection has ended; its counts stay in the sums. Idempotent; counts that come later are lost. */
  close(meter: Meter): void {
    if (!this.#open.delete(meter)) return
    this.#ended.add(meter.tally)
    const peerId = this.#peerOf.get(meter)
    const peer = peerId === undefined ? undefined : this.#peers.get(peerId)
    this.#peerOf.delete(meter)
    if (peerId === undefined || peer === undefined) return
    peer.open.delete(meter)
    peer.ended.add(meter.tally)
    if (peer.open.size === 0) this.#peers.delete(peerId)
  }

  /** What passed over all connections since the start, those with no proven peer among them. */
  total(): Traffic {
    return sumOf(this.#ended, this.#open)
  }

  /** What passed over a peer's connections since it has had any. */
  peer(peerId: string): Traffic {
    const peer = this.#peers.get(peerId)
    return peer === undefined ? new Tally().traffic() : sumOf(peer.ended, peer.open)
  }
}

function sumOf(ended: Tally, open: Iterable<Meter>): Traffic {
  const tally = new Tally()
  tally.add(ended)
  for (const meter of open) tally.add(meter.tally)
  return tally.traffic()
}

function zero(): Counters {
  return { bytesReceived: 0, bytesSent: 0, messagesReceived: 0, messagesSent: 0 }
}

function sum(into: Counters, from: Counters): void {
  into.bytesReceived += from.bytesReceived
  into.bytesSent += from.bytesSent
  into.messagesReceived += from.messagesReceived
  into.messagesSent += from.messagesSent
}
