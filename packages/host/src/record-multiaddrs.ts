import { ipScope, isRelayed } from '@kumiko/identity'
import type { Cancel, Clock, LocalRecord, Millis } from '@kumiko/interface'
import type { Libp2pEvents, TypedEventTarget } from '@libp2p/interface'
import type { AddressManager } from '@libp2p/interface-internal'
import { CODE_IP4, CODE_IP6, type Multiaddr } from '@multiformats/multiaddr'

/** What is needed to tell of libp2p addresses. */
export interface RecordMultiaddrsComponents {
  readonly identity: { readonly record: LocalRecord }
  readonly addressManager: AddressManager
  readonly events: TypedEventTarget<Libp2pEvents>
  readonly clock: Clock
}

/** Each change is a record that is asked for, signed and stored anew: a few may come at once, as at the start, then so many a minute. */
const CHANGES_MAX = 8
const CHANGES_WINDOW_MS: Millis = 60_000

const EVENTS = ['transport:listening', 'transport:close', 'self:peer:update'] as const

/** Keeps the libp2p addresses in our node record in step with those that identify tells. */
export class RecordMultiaddrs {
  readonly #components: RecordMultiaddrsComponents
  /** When the record was changed; at most {@link CHANGES_MAX}. */
  #changes: Millis[] = []
  #told = ''
  #isStarted = false
  #cancel: Cancel = () => {}
  readonly #changed = (): void => this.#update()

  constructor(components: RecordMultiaddrsComponents) {
    this.#components = components
  }

  start(): void {
    this.#isStarted = true
    for (const event of EVENTS) this.#components.events.addEventListener(event, this.#changed)
  }

  /** Who is about to go leaves its record as it is. */
  beforeStop(): void {
    this.#isStarted = false
    this.#cancel()
    for (const event of EVENTS) this.#components.events.removeEventListener(event, this.#changed)
  }

  stop(): void {}

  #update(): void {
    this.#cancel()
    if (!this.#isStarted) return
    const { addressManager, identity, clock } = this.#components
    const addresses = farthest(addressManager.getAddresses())
    const told = addresses.join(' ')
    if (told === this.#told) return
    const now = clock.now()
    this.#changes = this.#changes.filter((at) => at > now - CHANGES_WINDOW_MS)
    const [oldest] = this.#changes
    if (oldest !== undefined && this.#changes.length >= CHANGES_MAX) {
      this.#cancel = clock.at(oldest + CHANGES_WINDOW_MS, this.#changed)
      return
    }
    this.#changes.push(now)
    this.#told = told
    identity.record.setMultiaddrs(addresses)
  }
}

/** Those that reach farthest: a private address is told where no public one is known. Direct ones first, then the shorter ones. */
function farthest(addresses: readonly Multiaddr[]): Multiaddr[] {
  const reach = Math.max(...addresses.map(reachOf))
  return addresses
    .filter((address) => reachOf(address) === reach)
    .sort((a, b) => Number(isRelayed(a)) - Number(isRelayed(b)) || a.bytes.length - b.bytes.length)
}

/** As `ipScope` says; a name reaches as far as a public address, a relay as far as its own one. */
function reachOf(address: Multiaddr): number {
  const [host] = address.getComponents()
  return host?.value !== undefined && (host.code === CODE_IP4 || host.code === CODE_IP6) ? ipScope(host.value) : 4
}
