import { dnsNameOf, type Lookup, type ResolvedAddress, resolveAddress, withPeer } from '@kumiko/identity'
import { type Clock, type HostComponents, KumikoError, type Millis } from '@kumiko/interface'
import type { AbortOptions, Connection, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { type Candidate, type PeerKey, peerKey } from './candidate.ts'
import { type Connect, raceAddresses } from './connect.ts'
import type { RaceOptions } from './race.ts'
import { rankAddresses } from './rank.ts'
import type { AddressRefusal, DialRules } from './rules.ts'
import type { DialGoal, SharedDial } from './shared-dial.ts'
import { within } from './within.ts'

/** Asks for a node's record anew. Undefined: not found. */
export type Resolve = (node: Candidate, options: AbortOptions) => Promise<Candidate | undefined>

/** A name that is not found in time leaves the peer's other addresses theirs. */
const LOOKUP_TIMEOUT_MS: Millis = 5000

/** What a runner is made of. */
export interface DialRunnerOptions {
  readonly components: Pick<HostComponents, 'peerId' | 'peerStore' | 'peerRouting'>
  readonly clock: Clock
  readonly rules: DialRules
  readonly connect: Connect
  readonly resolve: Resolve | undefined
  readonly lookup: Lookup
  /** `timeoutMs` also bounds each of the other steps of a dial: looking addresses up, and resolving. */
  readonly race: RaceOptions
  /** Told of work that may outlive its dial. It never fails. */
  readonly track: (work: Promise<void>) => void
  /** Told when a record was asked for. @param found - Undefined where nothing was found. */
  readonly onResolved: (peer: PeerKey, found: Candidate | undefined) => void
}

/** Runs dials, each from the goal to the connection. Every step is bounded in time, so that its slot comes back. */
export class DialRunner {
  readonly #options: DialRunnerOptions

  constructor(options: DialRunnerOptions) {
    this.#options = options
  }

  /**
   * Connects. As go-ethereum does: where the known addresses do not serve, the record is asked for and the dial made anew.
   *
   * @throws KumikoError `dialer/…`, or the reason of the dial's signal.
   */
  async connect(dial: SharedDial): Promise<Connection> {
    try {
      return await this.#try(dial, dial.goal.addresses)
    } catch (error) {
      const found = dial.signal.aborted ? undefined : await this.#resolve(dial)
      if (found === undefined) throw error
      return await this.#try(dial, found.addresses)
    }
  }

  async #resolve(dial: SharedDial): Promise<Candidate | undefined> {
    const { resolve, onResolved } = this.#options
    const { peerId, addresses } = dial.goal
    if (resolve === undefined || peerId === undefined || !dial.manner.mayResolve) return undefined
    const found = await this.#within(dial, (signal) => resolve({ peerId, addresses }, { signal })).catch(() => undefined)
    const node = found?.peerId.equals(peerId) === true ? found : undefined
    onResolved(peerKey(peerId), node)
    return node
  }

  async #try(dial: SharedDial, given: readonly Multiaddr[]): Promise<Connection> {
    const { clock, race, connect, components, track } = this.#options
    const { peerId } = dial.goal
    const { initiator, onProgress } = dial.manner
    const addresses = await this.#within(dial, (signal) => this.#usable(dial, given, signal))
    const manner = {
      ...(peerId === undefined ? {} : { peerId }),
      ...(initiator === undefined ? {} : { initiator }),
      ...(onProgress === undefined ? {} : { onProgress }),
    }
    const one = async (address: Multiaddr, signal: AbortSignal): Promise<Connection> =>
      checkPeer(await connect(address, { ...manner, signal }), peerId, components.peerId)
    const { connection, settled } = raceAddresses(addresses, one, { ...race, clock, signal: dial.signal })
    track(settled)
    return await connection
  }

  /** The addresses to try, best first; at least one. @throws KumikoError `dialer/denied`, `dialer/banned`, `dialer/no-addresses`. */
  async #usable({ goal, manner }: SharedDial, given: readonly Multiaddr[], signal: AbortSignal): Promise<Multiaddr[]> {
    const { peerId } = goal
    const { rules } = this.#options
    const refusal = peerId === undefined ? undefined : await rules.refusePeer(peerId)
    if (refusal !== undefined) throw new KumikoError(`dialer/${refusal}`, `peer ${peerId} is not to be dialed: ${refusal}`)
    const known = given.length > 0 || peerId === undefined ? given : await this.#lookUp(peerId, manner.maySearch, signal)
    const judged = await Promise.all(rankAddresses(known).map((address) => this.#judge(address, goal, signal)))
    const usable = judged.flat().flatMap(({ address, why }) => (why === undefined ? [address] : []))
    if (usable.length === 0) throw noAddresses(judged.flat().map(addressRefused))
    return rankAddresses(usable).map((address) => (peerId === undefined ? address : withPeer(address, peerId)))
  }

  /** What the rules say of an address. A name is looked up, and they are asked again of each IP: it may lead anywhere. */
  async #judge(address: Multiaddr, { peerId, stack }: DialGoal, signal: AbortSignal): Promise<JudgedAddress[]> {
    const { rules, lookup, clock } = this.#options
    const why = await rules.refuseAddress(address, peerId, stack)
    if (why !== undefined || dnsNameOf(address) === undefined) return [{ address, why }]
    const look = async (inTime: AbortSignal): Promise<ResolvedAddress[]> => await resolveAddress(address, lookup, { signal: inTime })
    const resolved = await within({ clock, timeoutMs: LOOKUP_TIMEOUT_MS, signal }, look).catch(() => [])
    if (resolved.length === 0) return [{ address, why: 'unresolved' }]
    const judged = await Promise.all(
      resolved.map(async (each) => ({ address: each.address, why: await rules.refuseAddress(each.place, peerId, stack) })),
    )
    // Dialed by its name, it may lead to any of its IPs.
    return judged.some((each) => each.address === address && each.why !== undefined)
      ? judged.filter((each) => each.why !== undefined)
      : judged
  }

  /** What the peer store knows, or, for a dial that was asked for, what peer routing finds. */
  async #lookUp(peerId: PeerId, maySearch: boolean, signal: AbortSignal): Promise<readonly Multiaddr[]> {
    const { peerStore, peerRouting } = this.#options.components
    const stored = await peerStore.get(peerId, { signal }).catch(() => undefined)
    const addresses = stored?.addresses.map(({ multiaddr }) => multiaddr) ?? []
    if (addresses.length > 0 || !maySearch) return addresses
    const found = await peerRouting.findPeer(peerId, { signal }).catch(() => undefined)
    return found?.multiaddrs ?? []
  }

  async #within<T>(dial: SharedDial, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, race } = this.#options
    return await within({ clock, timeoutMs: race.timeoutMs, signal: dial.signal }, work)
  }
}

/** An address and why it is not tried, if it is not. */
interface JudgedAddress {
  readonly address: Multiaddr
  readonly why: AddressRefusal | undefined
}

function addressRefused({ address, why }: JudgedAddress): KumikoError {
  return new KumikoError('dialer/address-refused', `${address}: ${why}`, { context: { address: address.toString(), why } })
}

/** @throws KumikoError `dialer/wrong-peer` or `dialer/self`; the connection is aborted then. */
function checkPeer(connection: Connection, wanted: PeerId | undefined, self: PeerId): Connection {
  const { remotePeer } = connection
  if ((wanted === undefined || remotePeer.equals(wanted)) && !remotePeer.equals(self)) return connection
  const error = remotePeer.equals(self)
    ? new KumikoError('dialer/self', 'we are at the other end ourselves')
    : new KumikoError('dialer/wrong-peer', `${remotePeer} answered instead of ${wanted}`)
  connection.abort(error)
  throw error
}

function noAddresses(errors: readonly KumikoError[]): KumikoError {
  const why = errors.length === 0 ? 'none is known' : errors.map(({ message }) => message).join('; ')
  return new KumikoError('dialer/no-addresses', `no address to dial: ${why}`, { cause: new AggregateError(errors, why) })
}
