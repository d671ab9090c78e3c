import { peerIdAt } from '@kumiko/identity'
import { KumikoError } from '@kumiko/interface'
import type { AbortOptions, Connection, Logger, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { CustomProgressEvent } from 'progress-events'
import { AddressFinder, type AddressFinderOptions } from './address-finder.ts'
import { type Candidate, type PeerKey, peerKey } from './candidate.ts'
import { type Connect, type ConnectOptions, raceAddresses } from './connect.ts'
import type { DialRecord } from './dial-record.ts'
import type { RaceOptions } from './race.ts'
import type { ScheduledAddress } from './rank.ts'
import type { SharedDial } from './shared-dial.ts'
import { within } from './within.ts'

/** Asks for a node's record anew. Undefined: not found. */
export type Resolve = (node: Candidate, options: AbortOptions) => Promise<Candidate | undefined>

/** What a runner is made of. */
export interface DialRunnerOptions extends AddressFinderOptions {
  readonly self: PeerId
  readonly log: Logger
  readonly connect: Connect
  readonly resolve: Resolve | undefined
  readonly record: DialRecord
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
  readonly #finder: AddressFinder

  constructor(options: DialRunnerOptions) {
    this.#options = options
    this.#finder = new AddressFinder(options)
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
    const { clock, race, track } = this.#options
    const found = await this.#within(dial, (signal) => this.#finder.find(dial, given, signal))
    dial.addresses = []
    const told = (addresses: readonly ScheduledAddress[]): readonly ScheduledAddress[] => {
      dial.addresses = [...dial.addresses, ...addresses.map(({ multiaddr }) => multiaddr)]
      if (addresses.length > 0) dial.progress.tell(new CustomProgressEvent('dial-queue:calculated-addresses', [...addresses]))
      return addresses
    }
    const one = async (address: Multiaddr, signal: AbortSignal): Promise<Connection> => await this.#connect(dial, address, signal)
    const later = found.later?.then(told)
    const { connection, settled } = raceAddresses(told(found.addresses), one, { ...race, clock, signal: dial.signal, later })
    track(settled)
    return await connection.finally(found.cancel)
  }

  /** Tries one address, and remembers what came of it. */
  async #connect({ goal, manner, progress }: SharedDial, address: Multiaddr, signal: AbortSignal): Promise<Connection> {
    const { connect, self, clock, history } = this.#options
    const peerId = goal.peerId ?? peerIdAt(address)
    const options: ConnectOptions = {
      signal,
      onProgress: progress.tell,
      ...(peerId === undefined ? {} : { peerId }),
      ...(manner.initiator === undefined ? {} : { initiator: manner.initiator }),
    }
    try {
      const connection = checkPeer(await connect(address, options), peerId, self)
      if (!signal.aborted) this.#succeeded(connection, address)
      return connection
    } catch (error) {
      if (!signal.aborted || TIMEOUTS.has(codeOf(signal.reason))) history.failed(address.toString(), clock.now())
      throw error
    }
  }

  #succeeded(connection: Connection, address: Multiaddr): void {
    const { history, record, clock, track, log } = this.#options
    history.succeeded(address.toString(), clock.now())
    const written = record.succeeded(connection, address, clock.now())
    track(
      written.catch((error: unknown) => log.error('the peer store did not take where %p was reached - %e', connection.remotePeer, error)),
    )
  }

  async #within<T>(dial: SharedDial, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, race } = this.#options
    return await within({ clock, timeoutMs: race.timeoutMs, signal: dial.signal }, work)
  }
}

/** An address that was given up for these reasons has failed; for others, it may be a good one. */
const TIMEOUTS: ReadonlySet<string | undefined> = new Set(['dialer/address-timeout', 'dialer/timeout'])

function codeOf(reason: unknown): string | undefined {
  return reason instanceof KumikoError ? reason.code : undefined
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
