import type { EventHandler, Libp2p, Libp2pEvents, PeerId, ServiceMap } from '@libp2p/interface'
import { memory } from '@libp2p/memory'
import { noise } from '@libp2p/noise'
import { yamux } from '@libp2p/yamux'
import type { Multiaddr } from '@multiformats/multiaddr'
import { multiaddr } from '@multiformats/multiaddr'
import type { Libp2pOptions } from 'libp2p'
import { pause, until } from './check.ts'

export type { Libp2pOptions }

/** Makes a node with js-libp2p's options. */
export type CreateNode = <S extends ServiceMap = ServiceMap>(options: Libp2pOptions<S>) => Promise<Libp2p<S>>

/** What a check's nodes are handed, by the names of js-libp2p. */
export type Components = Parameters<NonNullable<Libp2pOptions['transports']>[number]>[0]

let places = 0

/** Where a check makes its nodes. They are stopped when it ends. */
export class Stage {
  readonly #create: CreateNode
  readonly #nodes: Pick<Libp2p, 'stop' | 'getConnections'>[] = []

  constructor(create: CreateNode) {
    this.#create = create
  }

  /** A node with the memory transport, noise and yamux, where the options do not say otherwise. It listens only where they say so. */
  async node<S extends ServiceMap = ServiceMap>(options: Libp2pOptions<S> = {}): Promise<Libp2p<S>> {
    const node = await this.#create<S>({
      transports: [memory()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      ...options,
    })
    this.#nodes.push(node)
    return node
  }

  /** The same, and it listens on an address in memory. */
  async listener<S extends ServiceMap = ServiceMap>(options: Libp2pOptions<S> = {}): Promise<Libp2p<S>> {
    return await this.node<S>({ ...options, addresses: { listen: [this.place()], ...options.addresses } })
  }

  /** An address in memory that nobody has. */
  place(): string {
    places += 1
    return `/memory/place-${places}`
  }

  async close(): Promise<void> {
    for (const node of this.#nodes) for (const connection of node.getConnections()) connection.abort(new Error('the check is over'))
    await Promise.allSettled(this.#nodes.map(async (node) => await node.stop()))
  }
}

/** A node's only address. */
export function addressOf(node: Libp2p): Multiaddr {
  const [address] = node.getMultiaddrs()
  if (address === undefined) throw new Error('the node has no address')
  return address
}

/** An address without the peer at its end. */
export function placeOf(node: Libp2p): Multiaddr {
  return multiaddr(
    addressOf(node)
      .toString()
      .replace(/\/p2p\/[^/]+$/, ''),
  )
}

/** The types of events as they come, from now on. */
export function eventsOf(node: Libp2p, ...types: (keyof Libp2pEvents)[]): string[] {
  const seen: string[] = []
  for (const type of types) node.addEventListener(type, () => void seen.push(type))
  return seen
}

/** The details of one event as they come, from now on. */
export function detailsOf<K extends keyof Libp2pEvents>(node: Libp2p, type: K): Libp2pEvents[K]['detail'][] {
  const seen: Libp2pEvents[K]['detail'][] = []
  const listener: EventHandler<Libp2pEvents[K]> = (event: Libp2pEvents[K]) => void seen.push(event.detail)
  node.addEventListener(type, listener)
  return seen
}

/** Waits until both are connected, as each sees it. */
export async function connected(a: Libp2p, b: Libp2p): Promise<void> {
  await until('both are connected', () => a.getConnections(b.peerId).length > 0 && b.getConnections(a.peerId).length > 0)
}

/** Waits until neither has a connection to the other. */
export async function apart(a: Libp2p, b: Libp2p): Promise<void> {
  await until('both are apart', () => a.getConnections(b.peerId).length === 0 && b.getConnections(a.peerId).length === 0)
}

/** Gives what should not come the time to come. */
export async function settle(): Promise<void> {
  await pause(SETTLE_MS)
}

/** Writes a peer id as the role it has in a check. */
export function roleOf(peer: PeerId | undefined, roles: Readonly<Record<string, { readonly peerId: PeerId }>>): string {
  const found = Object.entries(roles).find(([, node]) => peer !== undefined && node.peerId.equals(peer))
  return found?.[0] ?? String(peer)
}

/** A service that hands out the components of its node. */
export function peek(components: Components): { readonly components: Components } {
  return { components }
}

/** Bytes of a text. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** The text of bytes. */
export function text(data: Uint8Array | { subarray(): Uint8Array }): string {
  return new TextDecoder().decode(data.subarray())
}

const SETTLE_MS = 40

/** Starts a node; rejects also where it throws at once. */
export async function starting(node: Libp2p): Promise<void> {
  await node.start()
}
