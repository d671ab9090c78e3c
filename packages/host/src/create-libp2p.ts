import type { ConnectionManager, Host, HostComponents, Part } from '@kumiko/interface'
import type { Libp2p, ServiceMap } from '@libp2p/interface'
import { type ConnectionManagerInit, connectionParts } from './connection-settings.ts'
import { createHost } from './create-host.ts'
import type { HostOptions } from './options.ts'

/** Makes each service of components that hold the others, too. */
export type ServiceFactoryMap<Services extends ServiceMap = ServiceMap> = {
  readonly [K in keyof Services]: Part<Services[K], HostComponents & Services>
}

/** What a node is made of: js-libp2p's options, and a Host's. */
export interface Libp2pInit<Services extends ServiceMap = ServiceMap> extends Omit<HostOptions<Services>, 'connectionManager' | 'start'> {
  /** js-libp2p's settings, or a part in place of its connection manager. */
  readonly connectionManager?: ConnectionManagerInit | Part<ConnectionManager>
}

/** Options of {@link createLibp2p}. */
export interface Libp2pOptions<Services extends ServiceMap = ServiceMap> extends Libp2pInit<Services> {
  /** Start before `createLibp2p` resolves. Default true. */
  readonly start?: boolean
}

/**
 * Makes a Host as js-libp2p's `createLibp2p` makes a node: for code that imports it from `libp2p`. It takes the same options, and starts unless told
 * otherwise. A key that is not given is a fresh one on secp256k1, where js-libp2p's is Ed25519, so that RLPx parts work.
 *
 * @throws KumikoError, as `createHost`.
 */
export async function createLibp2p<Services extends ServiceMap = ServiceMap>(
  options: Libp2pOptions<Services> = {},
): Promise<Host<Services>> {
  const { connectionManager = {}, start = true, ...rest } = options
  const isPart = typeof connectionManager === 'function'
  const parts = connectionParts(isPart ? {} : connectionManager, rest.dialer)
  const managing = isPart ? { connectionManager } : {}
  return await createHost<Services>({ ...rest, ...parts, ...managing, timeouts: { ...parts.timeouts, ...rest.timeouts }, start })
}

/** What makes a node of js-libp2p's, of whichever version. */
const METHODS = ['dial', 'dialProtocol', 'hangUp', 'handle', 'unhandle', 'getMultiaddrs', 'getProtocols']

/** Tells whether a value is a node, of ours or of js-libp2p's. */
export function isLibp2p<Services extends ServiceMap = ServiceMap>(value: unknown): value is Libp2p<Services> {
  if (typeof value !== 'object' || value === null) return false
  return METHODS.every((method) => typeof Reflect.get(value, method) === 'function')
}
