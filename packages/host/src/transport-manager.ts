import type { Clock, Millis } from '@kumiko/interface'
import { deadline, KumikoError } from '@kumiko/interface'
import type {
  AbortOptions,
  ComponentLogger,
  Connection,
  Libp2pEvents,
  Listener,
  Logger,
  Transport,
  TypedEventTarget,
  Upgrader,
} from '@libp2p/interface'
import { FaultTolerance } from '@libp2p/interface'
import type { AddressManager, TransportManager as Libp2pTransportManager } from '@libp2p/interface-internal'
import type { Multiaddr } from '@multiformats/multiaddr'
import { CustomProgressEvent, type ProgressOptions } from 'progress-events'

/** A dial of one address takes at most this long, unless the caller's signal says otherwise. As in js-libp2p. */
const DIAL_MS: Millis = 10_000

/** What the transport manager needs. */
export interface TransportManagerComponents {
  readonly addressManager: AddressManager
  readonly upgrader: Upgrader
  readonly events: TypedEventTarget<Libp2pEvents>
  readonly logger: ComponentLogger
  readonly clock: Clock
}

/** How listening may fail. */
export interface TransportManagerOptions {
  /** `NO_FATAL` (1): go on with those addresses that can be listened on, be it none. Default `FATAL_ALL` (0): all, or the start fails. */
  readonly faultTolerance?: FaultTolerance
}

/** The transports, and the listeners made by them. Listens once every part has started. */
export class TransportManager implements Libp2pTransportManager {
  readonly #components: TransportManagerComponents
  readonly #isTolerant: boolean
  readonly #log: Logger
  readonly #transports = new Map<string, Transport>()
  /** Open listeners, and the transport that made each. As many as there are listen addresses. */
  readonly #listeners = new Map<Listener, string>()

  constructor(components: TransportManagerComponents, { faultTolerance = FaultTolerance.FATAL_ALL }: TransportManagerOptions = {}) {
    this.#components = components
    this.#isTolerant = faultTolerance === FaultTolerance.NO_FATAL
    this.#log = components.logger.forComponent('kumiko:transports')
  }

  start(): void {}

  /** @throws KumikoError `host/listen-failed` or `host/no-transport`, naming the address. */
  async afterStart(): Promise<void> {
    await this.listen(this.#components.addressManager.getListenAddrs())
  }

  async stop(): Promise<void> {
    await this.#close([...this.#listeners.keys()])
  }

  /** @throws KumikoError `host/duplicate-transport`. */
  add(transport: Transport): void {
    const name = transport[Symbol.toStringTag]
    if (this.#transports.has(name)) throw duplicate(name)
    this.#transports.set(name, transport)
  }

  async remove(key: string): Promise<void> {
    this.#transports.delete(key)
    await this.#close([...this.#listeners].filter(([, name]) => name === key).map(([listener]) => listener))
  }

  async removeAll(): Promise<void> {
    this.#transports.clear()
    await this.stop()
  }

  getTransports(): Transport[] {
    return [...this.#transports.values()]
  }

  getListeners(): Listener[] {
    return [...this.#listeners.keys()]
  }

  getAddrs(): Multiaddr[] {
    return this.getListeners().flatMap((listener) => listener.getAddrs())
  }

  dialTransportForMultiaddr(address: Multiaddr): Transport | undefined {
    return this.getTransports().find((transport) => transport.dialFilter([address]).length > 0)
  }

  listenTransportForMultiaddr(address: Multiaddr): Transport | undefined {
    return this.getTransports().find((transport) => transport.listenFilter([address]).length > 0)
  }

  /** @throws KumikoError `host/no-transport`, or what ended the dial. */
  async dial(address: Multiaddr, options: AbortOptions & ProgressOptions = {}): Promise<Connection> {
    const transport = this.dialTransportForMultiaddr(address)
    if (transport === undefined) throw this.#noTransport(address, 'dial')
    options.onProgress?.(new CustomProgressEvent('transport-manager:selected-transport', transport[Symbol.toStringTag]))
    const timeout = options.signal === undefined ? deadline(this.#components.clock, DIAL_MS) : undefined
    const signal = options.signal ?? timeout ?? new AbortController().signal
    try {
      return await transport.dial(address, { ...options, signal, upgrader: this.#components.upgrader })
    } finally {
      timeout?.clear()
    }
  }

  /**
   * Listens on all of the addresses, or on none, unless faults are tolerated. IPv6 addresses are passed over where the machine has no IPv6 and
   * the others can be listened on.
   *
   * @throws KumikoError `host/listen-failed` or `host/no-transport`.
   */
  async listen(addresses: Multiaddr[]): Promise<void> {
    const begun: Begun[] = []
    const outcomes = await Promise.allSettled(addresses.map((address) => this.#listenOn(address, begun)))
    const failures = outcomes.flatMap((outcome, index): Failure[] => {
      const address = addresses[index]
      return outcome.status === 'rejected' && address !== undefined ? [{ address, error: outcome.reason }] : []
    })
    // A stop does not wait for a start that was given up, which may come up after it.
    const late = begun.filter(
      ({ address, listener }) => !this.#listeners.has(listener) && failures.every((failure) => failure.address !== address),
    )
    await this.#close(late.map(({ listener }) => listener))
    const hasOthers = failures.length < addresses.length
    const fatal = failures.find((failure) => !this.#isTolerant && !(hasOthers && isForWantOfIp6(failure)))
    for (const { address, listener } of begun) if (failures.some((failure) => failure.address === address)) this.#listeners.delete(listener)
    for (const { error } of failures) this.#log.error('%e', error)
    if (fatal === undefined) return
    await this.#close(begun.map(({ listener }) => listener))
    throw fatal.error
  }

  async #listenOn(address: Multiaddr, begun: Begun[]): Promise<void> {
    const transport = this.listenTransportForMultiaddr(address)
    if (transport === undefined) throw this.#noTransport(address, 'listen on')
    const listener = this.#createListener(address, transport)
    begun.push({ address, listener })
    try {
      await listener.listen(address)
    } catch (error) {
      throw listenFailed(address, error)
    }
  }

  #createListener(address: Multiaddr, transport: Transport): Listener {
    const { events, upgrader } = this.#components
    const listener = transport.createListener({ upgrader })
    this.#listeners.set(listener, transport[Symbol.toStringTag])
    listener.addEventListener('listening', () => events.safeDispatchEvent('transport:listening', { detail: listener }))
    listener.addEventListener('close', () => {
      if (this.#listeners.delete(listener)) events.safeDispatchEvent('transport:close', { detail: listener })
    })
    listener.addEventListener('error', (event) => this.#log.error('listener on %a failed - %e', address, event.detail))
    return listener
  }

  async #close(listeners: readonly Listener[]): Promise<void> {
    const outcomes = await Promise.allSettled(listeners.map((listener) => listener.close()))
    for (const listener of listeners) {
      if (this.#listeners.delete(listener)) this.#components.events.safeDispatchEvent('transport:close', { detail: listener })
    }
    for (const outcome of outcomes) if (outcome.status === 'rejected') this.#log.error('could not close a listener - %e', outcome.reason)
  }

  #noTransport(address: Multiaddr, verb: string): KumikoError {
    const have = [...this.#transports.keys()].join(', ') || 'none'
    return new KumikoError('host/no-transport', `No transport can ${verb} ${address}: add one to transports (there: ${have})`, {
      context: { address: address.toString() },
    })
  }
}

interface Begun {
  readonly address: Multiaddr
  readonly listener: Listener
}

interface Failure {
  readonly address: Multiaddr
  readonly error: unknown
}

/** What systems say that have no IPv6. */
const LACKING: ReadonlySet<string | undefined> = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EPROTONOSUPPORT', 'EINVAL'])

function isForWantOfIp6({ address, error }: Failure): boolean {
  return address.getComponents()[0]?.name === 'ip6' && LACKING.has(errnoOf(error))
}

const MENDS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use: choose another port, or 0',
  EACCES: 'the port is not ours to take: choose one above 1023, or grant the right to bind it',
  EADDRNOTAVAIL: 'this machine has no such address: listen on one that it has, or on 0.0.0.0',
}

function listenFailed(address: Multiaddr, cause: unknown): KumikoError {
  const errno = errnoOf(cause)
  const why = (errno === undefined ? undefined : MENDS[errno]) ?? (cause instanceof Error ? cause.message : String(cause))
  return new KumikoError('host/listen-failed', `Cannot listen on ${address}: ${errno === undefined ? '' : `${errno}, `}${why}`, {
    cause,
    context: { address: address.toString(), errno },
  })
}

/** The system's word, which a transport may have wrapped into an error of its own. Chains of causes are short. */
function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  return 'code' in error && /^E[A-Z0-9]+$/.test(String(error.code)) ? String(error.code) : errnoOf(error.cause)
}

function duplicate(name: string): KumikoError {
  return new KumikoError('host/duplicate-transport', `Transport ${name} is given twice: remove one from transports`, {
    context: { transport: name },
  })
}
