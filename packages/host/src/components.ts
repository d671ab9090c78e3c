import type { HostComponents } from '@kumiko/interface'
import { KumikoError } from '@kumiko/interface'
import { Libp2pPeerStore } from './libp2p-peer-store.ts'
import { OwnRecord } from './own-record.ts'

/** Components that a Host may do without: reading one that is not there gives undefined. */
const OPTIONAL: ReadonlySet<string> = new Set(['connectionProtector', 'metrics', 'dns'])
const REQUIRED = [
  'peerId',
  'privateKey',
  'nodeInfo',
  'logger',
  'events',
  'addressManager',
  'peerStore',
  'upgrader',
  'randomWalk',
  'registrar',
  'transportManager',
  'connectionGater',
  'contentRouting',
  'peerRouting',
  'datastore',
  'identity',
  'capabilities',
  'connectionManager',
  'admission',
  'dialer',
  'clock',
  'random',
] as const satisfies readonly (keyof HostComponents)[]

/**
 * The components of one Host while it is put together. Parts are handed `view` at once; each component shows in it when it is provided, and
 * reading one too early says so instead of giving undefined.
 */
export class Components {
  readonly view: HostComponents
  /** The same for what is plugged in, which may be libp2p's own: the peer store in it shows no `/rlpx` addresses. */
  readonly pluggedView: HostComponents
  readonly #members = new Map<string, unknown>()
  #pluggedPeerStore: Libp2pPeerStore | undefined

  constructor() {
    const members = Object.fromEntries([...REQUIRED, ...OPTIONAL].map((name) => [name, this.#member(name)]))
    const peerStore = { ...this.#member('peerStore'), get: () => this.#pluggedPeerStore ?? this.view.peerStore }
    // Every name of the type is defined above, and provided before createHost returns.
    this.view = Object.defineProperties({}, members) as HostComponents
    this.pluggedView = Object.defineProperties({}, { ...members, peerStore }) as HostComponents
  }

  provide<K extends keyof HostComponents>(name: K, component: HostComponents[K]): void {
    this.#members.set(name, component)
    if (name === 'peerStore') this.#pluggedPeerStore = new Libp2pPeerStore(this.view.peerStore, this.view.peerId, new OwnRecord(this.view))
  }

  /** There is none: whoever reads it is told why, as in js-libp2p. Who copies all components does not read it. */
  lack(name: keyof HostComponents, why: KumikoError): void {
    const get = (): never => {
      throw why
    }
    for (const view of [this.view, this.pluggedView]) Object.defineProperty(view, name, { get, enumerable: false })
  }

  /** Puts a service beside the components. @throws KumikoError `host/reserved-service`. */
  provideService(name: string, service: unknown): void {
    if (name in this.view) throw reserved(name)
    for (const view of [this.view, this.pluggedView]) Object.defineProperty(view, name, { value: service, enumerable: true })
  }

  #member(name: string): PropertyDescriptor {
    return {
      enumerable: true,
      configurable: true,
      get: () => {
        if (!this.#members.has(name) && !OPTIONAL.has(name)) throw tooEarly(name)
        return this.#members.get(name)
      },
    }
  }
}

function reserved(name: string): KumikoError {
  return new KumikoError(
    'host/reserved-service',
    `No service can be called ${name}: rename it, or use the option ${name} to replace the part`,
    {
      context: { service: name },
    },
  )
}

function tooEarly(name: string): KumikoError {
  return new KumikoError(
    'host/component-too-early',
    `Component ${name} is not there yet: read components in start(), not when a part is made`,
    {
      context: { component: name },
    },
  )
}
