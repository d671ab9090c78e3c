import {
  BoundedMap,
  type Clock,
  type Dialer,
  type Fault,
  KumikoError,
  type NodeRecord,
  type NodeSource,
  optionalComponent,
  type Part,
  type Random,
  sleep,
  systemClock,
} from '@kumiko/interface'
import {
  type AbortOptions,
  type ComponentLogger,
  type Logger,
  type PeerDiscovery,
  type PeerDiscoveryEvents,
  peerDiscoverySymbol,
  type Startable,
} from '@libp2p/interface'
import { TypedEventEmitter } from 'main-event'
import { DnsClient, type DnsClientOptions } from './client.ts'
import { readTreeUrl } from './tree.ts'

/** Options of {@link dnsDiscovery}. */
export interface DnsDiscoveryOptions extends DnsClientOptions {
  /** `enrtree://…`, at most 64. */
  readonly trees: readonly string[]
}

/** What DNS discovery needs; the last three where there are any. */
export interface DnsDiscoveryComponents {
  readonly logger: ComponentLogger
  readonly clock?: Clock
  readonly random?: Random
  readonly dialer?: Dialer
}

/** DNS discovery at a glance. */
export interface DnsDiscoveryStatus {
  /** Walks under way. */
  readonly walks: number
  /** Lookups since the start. */
  readonly lookups: number
  /** Entries kept; at most `cacheMax`. */
  readonly cached: number
  /** Faults since the start, by name. */
  readonly faults: Readonly<Record<string, number>>
}

/** Finds nodes in DNS trees. */
export interface DnsDiscovery extends NodeSource, PeerDiscovery, Startable {
  readonly [peerDiscoverySymbol]: PeerDiscovery
  status(): DnsDiscoveryStatus
}

/** As many as a walk follows. */
const TREES_MAX = 64

/** Nodes told of as peers are remembered, so that they are told of once a record; the oldest are forgotten. */
const TOLD_MAX = 10_000

/** After an error of the walk itself. */
const RETRY_MS = 60_000

/**
 * Finds nodes in DNS trees (EIP-1459): a node source, and a libp2p peer discovery. Where the node has a dialer of ours, nodes are looked for as
 * the dialer takes them; elsewhere, as in vanilla js-libp2p, the trees are walked through once at each check of their roots. Either way each node that has an
 * address is told as `peer`, once for each of its records.
 *
 * @throws KumikoError `dns-discovery/bad-option`, `dns-discovery/bad-url`.
 */
export function dnsDiscovery(options: DnsDiscoveryOptions): Part<DnsDiscovery, DnsDiscoveryComponents> {
  if (options.trees.length > TREES_MAX) {
    throw new KumikoError('dns-discovery/bad-option', `trees: ${TREES_MAX} at most, not ${options.trees.length}`, {
      context: { option: 'trees' },
    })
  }
  for (const tree of options.trees) readTreeUrl(tree)
  new DnsClient(options)
  return (components) => new TreeDiscovery(components, options)
}

class TreeDiscovery extends TypedEventEmitter<PeerDiscoveryEvents> implements DnsDiscovery {
  readonly name = 'dns'
  readonly #components: DnsDiscoveryComponents
  readonly #options: DnsDiscoveryOptions
  readonly #log: Logger
  /** Set while it runs. */
  #running: { readonly client: DnsClient; readonly controller: AbortController; readonly clock: Clock } | undefined
  #crawl: Promise<void> | undefined
  #walks = 0
  readonly #faults: Record<string, number> = {}
  /** Sequence number of each record told of, by node id. */
  readonly #told = new BoundedMap<string, bigint>(TOLD_MAX)

  constructor(components: DnsDiscoveryComponents, options: DnsDiscoveryOptions) {
    super()
    this.#components = components
    this.#options = options
    this.#log = components.logger.forComponent('kumiko:dns-discovery')
  }

  get [peerDiscoverySymbol](): PeerDiscovery {
    return this
  }

  get [Symbol.toStringTag](): string {
    return '@kumiko/dns-discovery'
  }

  start(): void {
    if (this.#running !== undefined) return
    const clock = this.#options.clock ?? optionalComponent(this.#components, 'clock') ?? systemClock
    const random = this.#options.random ?? optionalComponent(this.#components, 'random') ?? Math.random
    const onFault = (fault: Fault): void => this.#count(fault)
    const client = new DnsClient({ ...this.#options, clock, random, onFault })
    this.#running = { client, controller: new AbortController(), clock }
  }

  afterStart(): void {
    if (optionalComponent(this.#components, 'dialer') === undefined) this.#crawl ??= this.#tellAll()
  }

  async stop(): Promise<void> {
    this.#running?.controller.abort(new KumikoError('dns-discovery/stopped', 'DNS discovery was stopped'))
    this.#running = undefined
    await this.#crawl
    this.#crawl = undefined
    this.#told.clear()
  }

  status(): DnsDiscoveryStatus {
    const { lookups = 0, cached = 0 } = this.#running?.client ?? {}
    return { walks: this.#walks, lookups, cached, faults: { ...this.#faults } }
  }

  /** Ends at once while it is not running. */
  nodes({ signal }: AbortOptions = {}): AsyncIterable<NodeRecord> {
    return { [Symbol.asyncIterator]: () => this.#iterate(signal, true) }
  }

  /** `return()` takes effect also while a node is being looked for. */
  #iterate(signal: AbortSignal | undefined, repeats: boolean): AsyncIterator<NodeRecord> {
    const controller = new AbortController()
    const nodes = this.#walk(controller, signal, repeats)
    return {
      next: async () => await nodes.next(),
      return: async () => {
        controller.abort()
        return await nodes.return(undefined)
      },
    }
  }

  async *#walk(controller: AbortController, signal: AbortSignal | undefined, repeats: boolean): AsyncGenerator<NodeRecord, undefined> {
    const running = this.#running
    if (running === undefined) return
    const abort = (): void => controller.abort()
    const signals = [running.controller.signal, ...(signal === undefined ? [] : [signal])]
    for (const each of signals) each.addEventListener('abort', abort, { once: true })
    if (signals.some(({ aborted }) => aborted)) abort()
    this.#walks += 1
    try {
      for await (const node of running.client.walk(this.#options.trees, { signal: controller.signal, repeats })) {
        this.#tell(node)
        yield node
        if (controller.signal.aborted) return
      }
    } finally {
      this.#walks -= 1
      for (const each of signals) each.removeEventListener('abort', abort)
    }
  }

  /** Walks for the sake of those who listen for `peer`. */
  async #tellAll(): Promise<void> {
    const running = this.#running
    while (running !== undefined && !running.controller.signal.aborted) {
      try {
        const nodes = this.#iterate(undefined, false)
        while ((await nodes.next()).done !== true);
      } catch (error) {
        this.#log.error('the walk ended, to be begun again in %d ms - %e', RETRY_MS, error)
        await sleep(running.clock, RETRY_MS, running.controller.signal).catch(() => {})
      }
    }
  }

  #tell(node: NodeRecord): void {
    const multiaddrs = [...node.addresses]
    if (multiaddrs.length === 0 || this.#told.get(node.nodeId) === node.seq) return
    this.#told.set(node.nodeId, node.seq)
    this.safeDispatchEvent('peer', { detail: { id: node.peerId, multiaddrs } })
  }

  #count(fault: Fault): void {
    this.#faults[fault.fault] = (this.#faults[fault.fault] ?? 0) + 1
    this.#log('%s: %s', fault.fault, fault.detail)
    this.#options.onFault?.(fault)
  }
}
