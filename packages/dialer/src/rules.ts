import type { NetList } from '@kumiko/identity'
import { dnsNameOf, ipOf, peerIdAt, stackOf, withoutPeer, withPeer } from '@kumiko/identity'
import type { ConnectionManager, DialRefusal, HostComponents, Refusal, Stack } from '@kumiko/interface'
import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Candidate } from './candidate.ts'

/** Why one address of a peer is not tried. */
export type AddressRefusal = 'wrong-stack' | 'wrong-peer' | 'own' | 'undialable' | 'net-restricted' | 'banned' | 'denied' | 'unresolved'

/** What the rules are taken from. */
export interface RulesOptions {
  readonly components: Pick<HostComponents, 'connectionGater' | 'transportManager' | 'addressManager'> & {
    readonly connectionManager: Partial<Pick<ConnectionManager, 'filters' | 'isBanned' | 'dialRefusal'>>
  }
  /** Where dials may go; undefined: anywhere. A relay is in no network; of a name it is not known before it is looked up. */
  readonly netRestrict: NetList | undefined
  /** False: the connector is not ours, so that only it knows what it can dial. */
  readonly isTransportNeeded: boolean
}

/** Who may be dialed, and where. Everything is asked anew each time, since rules change while we run. */
export class DialRules {
  readonly #components: RulesOptions['components']
  readonly #netRestrict: NetList | undefined
  readonly #isTransportNeeded: boolean

  constructor({ components, netRestrict, isTransportNeeded }: RulesOptions) {
    this.#components = components
    this.#netRestrict = netRestrict
    this.#isTransportNeeded = isTransportNeeded
  }

  /** What can be told of a candidate at once: bans, and whether all of its addresses are outside of the nets that are allowed. */
  screen({ peerId, addresses }: Candidate): DialRefusal | undefined {
    if (this.#isBanned(peerId)) return 'banned'
    const refusals = addresses.map((address) => this.#refuseByNet(address, peerId))
    return refusals.every((refusal) => refusal !== undefined) ? refusals[0] : undefined
  }

  /** Tells whether an address can be dialed at all. */
  hasTransport(address: Multiaddr, peerId: PeerId | undefined): boolean {
    if (!this.#isTransportNeeded) return true
    // RLPx dials nobody whose key is not in the address, and the peer store keeps addresses without it.
    const full = peerId === undefined ? address : withPeer(address, peerId)
    return this.#components.transportManager.dialTransportForMultiaddr(full) !== undefined
  }

  /** Tells why a peer is not dialed at all. */
  async refusePeer(peerId: PeerId): Promise<'banned' | 'denied' | undefined> {
    if (this.#isBanned(peerId)) return 'banned'
    return (await this.#components.connectionGater.denyDialPeer?.(peerId)) === true ? 'denied' : undefined
  }

  /** Tells why a connection of this stack would be refused, whatever its address. */
  refuseRoom(peerId: PeerId, stack: Stack): Refusal | undefined {
    return this.#components.connectionManager.dialRefusal?.(peerId, stack)
  }

  /** Tells why an address is not tried. @param peerId - Whom it is to lead to, where that is known. */
  async refuseAddress(address: Multiaddr, peerId: PeerId | undefined, stack: Stack | undefined): Promise<AddressRefusal | undefined> {
    const refusal = this.#refuseByForm(address, peerId, stack) ?? this.#refuseByNet(address, peerId)
    if (refusal !== undefined) return refusal
    const gater = this.#components.connectionGater
    if ((await gater.denyDialMultiaddr?.(address)) === true) return 'denied'
    return peerId !== undefined && (await gater.filterMultiaddrForPeer?.(peerId, address)) === false ? 'denied' : undefined
  }

  #refuseByForm(address: Multiaddr, peerId: PeerId | undefined, stack: Stack | undefined): AddressRefusal | undefined {
    if (stack !== undefined && stackOf(address) !== stack) return 'wrong-stack'
    const named = peerIdAt(address)
    if (peerId !== undefined && named !== undefined && !named.equals(peerId)) return 'wrong-peer'
    if (this.#isOwn(address)) return 'own'
    return this.hasTransport(address, peerId) ? undefined : 'undialable'
  }

  #refuseByNet(address: Multiaddr, peerId: PeerId | undefined): 'net-restricted' | 'banned' | undefined {
    const ip = ipOf(address)
    const isInside =
      this.#netRestrict === undefined || (ip === undefined ? dnsNameOf(address) !== undefined : this.#netRestrict.contains(ip))
    if (!isInside) return 'net-restricted'
    const { filters } = this.#components.connectionManager
    const known = { ...(ip === undefined ? {} : { ip }), ...(peerId === undefined ? {} : { peerId }) }
    const verdict = filters?.decide({ stage: 'dial', direction: 'outbound', stack: stackOf(address), address, ...known })
    if (verdict === 'deny') return 'net-restricted'
    return this.#isBanned(address) ? 'banned' : undefined
  }

  #isBanned(target: PeerId | Multiaddr): boolean {
    return this.#components.connectionManager.isBanned?.(target) ?? false
  }

  #isOwn(address: Multiaddr): boolean {
    const place = withoutPeer(address).toString()
    const own = [...this.#components.transportManager.getAddrs(), ...this.#components.addressManager.getAddresses()]
    return own.some((other) => withoutPeer(other).toString() === place)
  }
}
