import { KumikoError } from '@kumiko/interface'
import type { ContentRouting, Logger, PeerId, PeerInfo, PeerRouting, PeerStore, Provider, RoutingOptions } from '@libp2p/interface'
import { NotFoundError, NotStartedError } from '@libp2p/interface'
import { PeerSet } from '@libp2p/peer-collections'
import { storedForm } from './stored-form.ts'

/** What both facades need. */
export interface RoutingComponents {
  readonly peerId: PeerId
  readonly peerStore: PeerStore
}

/** Asks every peer router at once; what they find is kept in the peer store. */
export class PeerRouters implements PeerRouting {
  readonly #components: RoutingComponents
  readonly #log: Logger
  readonly #routers: Partial<PeerRouting>[] = []

  constructor(components: RoutingComponents, log: Logger) {
    this.#components = components
    this.#log = log
  }

  add(router: Partial<PeerRouting>): void {
    this.#routers.push(router)
  }

  /**
   * The first answer wins and ends the others' search.
   *
   * @throws `NotFoundError` · KumikoError `host/no-peer-router`, `host/sought-self`.
   */
  async findPeer(peerId: PeerId, options: RoutingOptions = {}): Promise<PeerInfo> {
    if (peerId.equals(this.#components.peerId)) throw soughtSelf()
    const finders = this.#routers.flatMap((router) => (router.findPeer === undefined ? [] : [router.findPeer.bind(router)]))
    if (finders.length === 0) throw noPeerRouter('findPeer')
    const found = await first(finders, (find, signal) => find(peerId, { ...options, signal }), options.signal)
    await store(this.#components.peerStore, found, this.#log)
    return found
  }

  /**
   * Peers of all routers as they come, each once. One of which no address is known is looked for, and left out where it is not found.
   *
   * @throws KumikoError `host/no-peer-router`.
   */
  async *getClosestPeers(key: Uint8Array, options: RoutingOptions = {}): AsyncGenerator<PeerInfo> {
    const searches = this.#routers.flatMap((router) => router.getClosestPeers?.(key, options) ?? [])
    if (searches.length === 0) throw noPeerRouter('getClosestPeers')
    const located = searches.map((search) => this.#located(search, options))
    yield* kept(merge(located, this.#log), this.#components, this.#log)
  }

  async *#located(peers: AsyncIterable<PeerInfo>, options: RoutingOptions): AsyncGenerator<PeerInfo> {
    for await (const peer of peers) {
      const found = peer.multiaddrs.length > 0 ? peer : await this.#locate(peer.id, options)
      if (found !== undefined) yield found
    }
  }

  async #locate(peerId: PeerId, options: RoutingOptions): Promise<PeerInfo | undefined> {
    try {
      return await this.findPeer(peerId, { ...options, useCache: false })
    } catch (error) {
      options.signal?.throwIfAborted()
      this.#log('could not find where %p is - %e', peerId, error)
      return undefined
    }
  }
}

/** Asks every content router; provides and puts through all of them. */
export class ContentRouters implements ContentRouting {
  readonly #components: RoutingComponents
  readonly #log: Logger
  readonly #routers: Partial<ContentRouting>[] = []
  #isStarted = false

  constructor(components: RoutingComponents, log: Logger) {
    this.#components = components
    this.#log = log
  }

  start(): void {
    this.#isStarted = true
  }

  stop(): void {
    this.#isStarted = false
  }

  add(router: Partial<ContentRouting>): void {
    this.#routers.push(router)
  }

  /** @throws KumikoError `host/no-content-router`; what a router threw. */
  async provide(...[cid, options]: Parameters<ContentRouting['provide']>): Promise<void> {
    await this.#all('provide', (router) => router.provide?.(cid, options))
  }

  /** @throws KumikoError `host/no-content-router`; what a router threw. */
  async cancelReprovide(...[cid, options]: Parameters<ContentRouting['cancelReprovide']>): Promise<void> {
    await this.#all('cancelReprovide', (router) => router.cancelReprovide?.(cid, options))
  }

  /** Providers of all routers as they come, each once. @throws KumikoError `host/no-content-router`. */
  async *findProviders(...[cid, options]: Parameters<ContentRouting['findProviders']>): AsyncGenerator<Provider> {
    const searches = this.#routers.flatMap((router) => router.findProviders?.(cid, options) ?? [])
    if (searches.length === 0) throw noContentRouter('findProviders')
    yield* kept(merge(searches, this.#log), this.#components, this.#log)
  }

  /** @throws `NotStartedError` · KumikoError `host/no-content-router`; what a router threw. */
  async put(key: Uint8Array, value: Uint8Array, options?: RoutingOptions): Promise<void> {
    this.#checkStarted()
    await this.#all('put', (router) => router.put?.(key, value, options))
  }

  /** The first answer wins. @throws `NotStartedError`, `NotFoundError` · KumikoError `host/no-content-router`. */
  async get(key: Uint8Array, options: RoutingOptions = {}): Promise<Uint8Array> {
    this.#checkStarted()
    const getters = this.#routers.flatMap((router) => (router.get === undefined ? [] : [router.get.bind(router)]))
    if (getters.length === 0) throw noContentRouter('get')
    return await first(getters, (get, signal) => get(key, { ...options, signal }), options.signal)
  }

  #checkStarted(): void {
    if (!this.#isStarted) throw new NotStartedError('Content routing is not started')
  }

  async #all(method: keyof ContentRouting, call: (router: Partial<ContentRouting>) => Promise<void> | undefined): Promise<void> {
    const able = this.#routers.filter((router) => router[method] !== undefined)
    if (able.length === 0) throw noContentRouter(method)
    await Promise.all(able.map(call))
  }
}

/** The first to succeed; the others are told to stop. */
async function first<F, T>(finders: readonly F[], call: (find: F, signal: AbortSignal) => Promise<T>, outer?: AbortSignal): Promise<T> {
  const done = new AbortController()
  const signal = outer === undefined ? done.signal : AbortSignal.any([outer, done.signal])
  try {
    return await Promise.any(finders.map((find) => call(find, signal)))
  } catch (cause) {
    outer?.throwIfAborted()
    throw Object.assign(new NotFoundError('No router found it'), { cause })
  } finally {
    done.abort()
  }
}

/** Items of all sources as they come. A source that fails ends early; when all fail, the first error is thrown. */
async function* merge<T>(sources: readonly AsyncIterable<T>[], log: Logger): AsyncGenerator<T> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]())
  const pending = new Map(iterators.map((iterator) => [iterator, step(iterator)]))
  const errors: unknown[] = []
  try {
    while (pending.size > 0) {
      const { iterator, result, error } = await Promise.race(pending.values())
      if (error !== undefined) {
        log('a router failed - %e', error)
        errors.push(error)
      }
      if (result === undefined || result.done === true) pending.delete(iterator)
      else {
        pending.set(iterator, step(iterator))
        yield result.value
      }
    }
    if (errors.length === sources.length) throw errors[0]
  } finally {
    for (const iterator of pending.keys()) iterator.return?.()?.catch((error: unknown) => log('a router failed to end - %e', error))
  }
}

interface Step<T> {
  readonly iterator: AsyncIterator<T>
  readonly result?: IteratorResult<T>
  readonly error?: unknown
}

async function step<T>(iterator: AsyncIterator<T>): Promise<Step<T>> {
  try {
    return { iterator, result: await iterator.next() }
  } catch (error) {
    return { iterator, error: error ?? new Error('A router threw nothing') }
  }
}

/** Each peer once, kept in the peer store, ourselves left out. Holds the ids of one search. */
async function* kept<T extends PeerInfo>(peers: AsyncIterable<T>, components: RoutingComponents, log: Logger): AsyncGenerator<T> {
  const seen = new PeerSet()
  for await (const peer of peers) {
    if (seen.has(peer.id) || peer.id.equals(components.peerId)) continue
    seen.add(peer.id)
    await store(components.peerStore, peer, log)
    yield peer
  }
}

async function store(peerStore: PeerStore, { id, multiaddrs }: PeerInfo, log: Logger): Promise<void> {
  if (multiaddrs.length === 0) return
  try {
    await peerStore.merge(id, { multiaddrs: multiaddrs.map((address) => storedForm(address, id)) })
  } catch (error) {
    log('could not store a found peer - %e', error)
  }
}

function noPeerRouter(method: string): KumikoError {
  return noRouter('host/no-peer-router', 'peerRouters', method)
}

function noContentRouter(method: string): KumikoError {
  return noRouter('host/no-content-router', 'contentRouters', method)
}

function noRouter(code: string, option: string, method: string): KumikoError {
  return new KumikoError(code, `Nothing here can ${method}: add a router to ${option}, or a service that is one (a DHT)`, {
    context: { option, method },
  })
}

function soughtSelf(): KumikoError {
  return new KumikoError('host/sought-self', 'The peer sought is ourselves: our addresses are those of getMultiaddrs()')
}
