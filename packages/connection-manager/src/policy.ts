import { type AdmissionLimits, checkOptionNames, type DialTo, KumikoError } from '@kumiko/interface'
import type { PeerId } from '@libp2p/interface'
import { type ConnectionManagerNeeds, dialerOf } from './needs.ts'
import type { SlotPolicy } from './slots.ts'
import { peerOf } from './target.ts'

const LIMITS: Readonly<Record<keyof AdmissionLimits, true>> = {
  total: true,
  inbound: true,
  outbound: true,
  rlpx: true,
  libp2p: true,
  perIp: true,
  perSubnet: true,
  perPeer: true,
  perProtocol: true,
}

/** What the operator wants, as it stands now. */
export class Policy implements SlotPolicy {
  readonly limits: AdmissionLimits
  readonly maxPendingPeers: number
  readonly isRoomMade: boolean
  readonly #components: ConnectionManagerNeeds
  /** Named by our caller one by one, hence as many as it likes. */
  readonly #trusted = new Set<string>()
  #maxPeers = 0

  /** @throws KumikoError `connection-manager/bad-option`. */
  constructor(components: ConnectionManagerNeeds, maxPeers: number, maxPendingPeers: number, limits: AdmissionLimits, isRoomMade: boolean) {
    this.#components = components
    this.maxPeers = maxPeers
    this.isRoomMade = isRoomMade
    this.maxPendingPeers = count('maxPendingPeers', maxPendingPeers)
    checkOptionNames('connection-manager/bad-option', 'connectionManager.limits', limits, LIMITS)
    const { perProtocol = {}, ...plain } = limits
    for (const [name, limit] of Object.entries(plain)) if (limit !== undefined) count(`limits.${name}`, limit)
    for (const [protocol, limit] of Object.entries(perProtocol)) count(`limits.perProtocol["${protocol}"]`, limit)
    this.limits = { ...limits }
  }

  get self(): PeerId {
    return this.#components.peerId
  }

  get maxPeers(): number {
    return this.#maxPeers
  }

  /** @throws KumikoError `connection-manager/bad-option`. */
  set maxPeers(maxPeers: number) {
    this.#maxPeers = count('maxPeers', maxPeers)
  }

  get maxDialed(): number {
    const dialRatio = dialerOf(this.#components)?.dialRatio ?? 0
    return dialRatio > 0 ? Math.max(1, Math.floor(this.#maxPeers / dialRatio)) : 0
  }

  isTrusted(peer: PeerId): boolean {
    return this.#trusted.has(peer.toString())
  }

  isStatic(peer: PeerId): boolean {
    return dialerOf(this.#components)?.isStatic(peer) ?? false
  }

  /** @throws KumikoError `connection-manager/bad-target`. */
  trust(peer: DialTo): void {
    this.#trusted.add(peerOf(peer).toString())
  }

  /** Tells whether the peer was trusted. @throws KumikoError `connection-manager/bad-target`. */
  distrust(peer: DialTo): boolean {
    return this.#trusted.delete(peerOf(peer).toString())
  }
}

function count(option: string, value: number): number {
  if (value >= 0 && (Number.isSafeInteger(value) || value === Number.POSITIVE_INFINITY)) return value
  throw new KumikoError('connection-manager/bad-option', `${option} is ${value}: want a whole number, 0 or more, or Infinity`, {
    context: { option, value },
  })
}
