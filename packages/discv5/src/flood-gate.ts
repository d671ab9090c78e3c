import { isLan, parseIp } from '@kumiko/identity'
import type { Millis, NodeId, UdpEndpoint } from '@kumiko/interface'
import { networkOf, RateLimit } from '@kumiko/kademlia'

/** How much work others may make us do, a second; twice as much at once. `Infinity`: no limit. */
export interface FloodLimits {
  /** Packets that need a handshake, of an address (IPv6: /64), except in private networks. Default 100. */
  readonly perAddress?: number
  /** Messages of a node that we did not ask for; outside of private networks, of all nodes at an address: ids cost nothing. Default 500. */
  readonly perNode?: number
}

/** Handshakes of the world that may fail, a second, of all addresses together: each takes 0.2 ms, and whoever sends them need not be where it says. */
const FAILURES_MAX = 1000

/** Decides whose packets are worth an answer. Remembers some thousand addresses and nodes. */
export class FloodGate {
  readonly #strangers: RateLimit
  readonly #requests: RateLimit
  readonly #failures = new RateLimit(FAILURES_MAX)

  constructor({ perAddress = 100, perNode = 500 }: FloodLimits) {
    this.#strangers = new RateLimit(perAddress)
    this.#requests = new RateLimit(perNode)
  }

  /** A packet needs a handshake. */
  letsStranger({ ip }: UdpEndpoint, now: Millis): boolean {
    const network = publicNetworkOf(ip)
    return network === undefined || this.#strangers.take(network, now)
  }

  /** Our WHOAREYOU is answered. While too many such answers are wrong, none is looked at. */
  letsHandshake({ ip }: UdpEndpoint, now: Millis): boolean {
    return !this.#failures.isSpent('', now) || publicNetworkOf(ip) === undefined
  }

  /** The answer was wrong. */
  failed({ ip }: UdpEndpoint, now: Millis): void {
    if (publicNetworkOf(ip) !== undefined) this.#failures.take('', now)
  }

  /** A node sent a message that is no answer. */
  letsRequest(id: NodeId, from: UdpEndpoint, now: Millis): boolean {
    return this.#requests.take(senderOf(id, from), now)
  }

  /** Tells whether a node's messages are not even worth reading. */
  isShut(id: NodeId, from: UdpEndpoint, now: Millis): boolean {
    return this.#requests.isSpent(senderOf(id, from), now)
  }
}

/** What counts as one address out in the world; undefined in private networks, where nobody counts. */
export function publicNetworkOf(ip: string): string | undefined {
  const bytes = parseIp(ip)
  return bytes !== undefined && isLan(bytes) ? undefined : networkOf(ip)
}

/** Whom a node counts as: its address out in the world, since ids cost nothing; itself in private networks. */
export function senderOf(id: NodeId, { ip }: UdpEndpoint): string {
  return publicNetworkOf(ip) ?? id
}
