import { curve, peerIdOf, registerRlpx } from '@kumiko/identity'
import { type AdmissionLimits, type Attempt, isRefusal, type Refusal, type Stack } from '@kumiko/interface'
import { type VirtualClock, virtualClock } from '@kumiko/testkit'
import type { MessageStreamDirection, PeerId } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { type AdmissionTicket, ConnectionAdmission } from '../src/admission.ts'
import { Bans } from '../src/bans.ts'
import { FailureBook } from '../src/failure-book.ts'
import { filterList } from '../src/filters.ts'
import { InboundPace, type InboundRate } from '../src/inbound-pace.ts'
import { type SlotPolicy, Slots } from '../src/slots.ts'
import { StreamPlaces } from '../src/stream-places.ts'
import { TrafficBook } from '../src/traffic.ts'

const peers = new Map<number, PeerId>()

/** The peer with secret key `n + 1`. */
export function peer(n: number): PeerId {
  const peerId = peers.get(n) ?? makePeer(n)
  peers.set(n, peerId)
  return peerId
}

function makePeer(n: number): PeerId {
  const secretKey = new Uint8Array(32)
  new DataView(secretKey.buffer).setUint32(28, n + 1)
  return peerIdOf(curve.compress(curve.publicKey(secretKey)))
}

/** Who we are in these tests. */
export const SELF: PeerId = peer(9_999)

/** The address of a peer's socket. */
export function addressOf(ip: string, stack: Stack = 'rlpx', port = 30303): Multiaddr {
  registerRlpx()
  return multiaddr(`/${ip.includes(':') ? 'ip6' : 'ip4'}/${ip}/tcp/${port}${stack === 'rlpx' ? '/rlpx' : ''}`)
}

/** A policy that a test changes as it goes. */
export interface TestPolicy extends SlotPolicy {
  maxPeers: number
  maxPendingPeers: number
  maxDialed: number
  limits: AdmissionLimits
  readonly trusted: Set<string>
  readonly static: Set<string>
}

export function testPolicy(settings: Partial<Pick<TestPolicy, 'maxPeers' | 'maxPendingPeers' | 'maxDialed' | 'limits'>> = {}): TestPolicy {
  const trusted = new Set<string>()
  const statics = new Set<string>()
  return {
    self: SELF,
    maxPeers: 50,
    maxPendingPeers: 50,
    maxDialed: 0,
    limits: {},
    trusted,
    static: statics,
    isRoomMade: false,
    isTrusted: (peerId) => trusted.has(peerId.toString()),
    isStatic: (peerId) => statics.has(peerId.toString()),
    ...settings,
  }
}

/** One connection that a test makes. */
export interface Round {
  readonly direction?: MessageStreamDirection
  readonly stack?: Stack
  readonly ip?: string
  /** Who is there. */
  readonly peer: number
  /** Outbound: who was meant, if another; `undefined`: nobody in particular. */
  readonly meant?: number | undefined
  readonly protocols?: readonly string[]
}

/** Admission with all its parts in reach. */
export class Bench {
  readonly policy: TestPolicy
  readonly clock: VirtualClock = virtualClock()
  readonly slots: Slots
  readonly streams = new StreamPlaces()
  readonly filters = filterList()
  readonly bans = new Bans()
  readonly traffic = new TrafficBook()
  readonly failures = new FailureBook()
  /** Whom the dialer was told not to dial, since they are connecting to us. */
  readonly awaited: string[] = []
  readonly admission: ConnectionAdmission

  constructor(settings: Parameters<typeof testPolicy>[0] = {}, isLanThrottled = false, rate: InboundRate = {}) {
    this.policy = testPolicy(settings)
    this.slots = new Slots(this.policy)
    const { clock, slots, streams, filters, bans, traffic } = this
    this.admission = new ConnectionAdmission({
      clock,
      slots,
      streams,
      filters,
      bans,
      traffic,
      failures: this.failures,
      pace: new InboundPace({ throttleMs: 30_000, rate, isLanThrottled }),
      awaitInbound: (peerId) => {
        this.awaited.push(peerId.toString())
        return () => this.awaited.splice(this.awaited.indexOf(peerId.toString()), 1)
      },
      makeRoom: () => false,
    })
  }

  begin(round: Round): AdmissionTicket | Refusal {
    const { direction = 'inbound', stack = 'rlpx', ip = `10.1.${round.peer >> 8}.${round.peer & 255}` } = round
    const meant = 'meant' in round ? round.meant : round.peer
    const attempt: Attempt = {
      direction,
      stack,
      address: addressOf(ip, stack),
      ...(direction === 'inbound' || meant === undefined ? {} : { peerId: peer(meant) }),
    }
    return this.admission.begin(attempt)
  }

  /** Takes a connection through both checkpoints; a refused one is released. */
  connect(round: Round): AdmissionTicket | Refusal {
    const ticket = this.begin(round)
    if (isRefusal(ticket)) return ticket
    const protocols = round.protocols ?? ['/eth/69']
    const refusal = ticket.encrypted(peer(round.peer)) ?? ticket.upgraded(protocols)
    if (refusal === undefined) return ticket
    ticket.release()
    return refusal
  }

  /** As {@link connect}; tells what came of it: `admitted`, or `reason: what`. */
  outcome(round: Round): string {
    return outcomeOf(this.connect(round))
  }
}

/** `admitted`, or the refusal's `reason: what`. */
export function outcomeOf(answer: AdmissionTicket | Refusal | undefined): string {
  return isRefusal(answer) ? `${answer.reason}: ${answer.code.replace('connection-manager/', '')}` : 'admitted'
}

/** The ticket, where none may be refused. */
export function taken(answer: AdmissionTicket | Refusal): AdmissionTicket {
  if (isRefusal(answer)) throw new Error(`refused: ${answer.code}`)
  return answer
}
