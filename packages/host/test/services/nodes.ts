import { createHost, type HostOptions } from '@kumiko/host'
import type { Host } from '@kumiko/interface'
import type { Libp2p, Libp2pEvents, ServiceMap } from '@libp2p/interface'
import { createLibp2p, type Libp2pOptions } from 'libp2p'
import { afterEach, expect } from 'vitest'
import { libp2pParts } from '../nodes.ts'

/** Against whom a module is tested: our own Host, and the node of js-libp2p. */
export const KINDS = ['Host', 'libp2p'] as const

/** One of {@link KINDS}. */
export type Kind = (typeof KINDS)[number]

const running: { stop(): void | Promise<void> }[] = []

afterEach(async () => {
  // One by one, the last first: who stops while its relay does waits for it.
  for (const node of running.splice(0).reverse()) await node.stop()
  await expect.poll(() => process.getActiveResourcesInfo().filter((type) => /TCP|UDP/.test(type))).toEqual([])
})

/** A started Host on loopback: TCP, noise and yamux, unless said otherwise. Stopped after the test, which then finds no socket left open. */
export async function startHost<Services extends ServiceMap = ServiceMap>(options: HostOptions<Services> = {}): Promise<Host<Services>> {
  const host = await createHost<Services>({ ...libp2pParts(), ...options, start: true })
  running.push(host)
  return host
}

/** The same of either kind, of options that both take. */
export async function start<Services extends ServiceMap = ServiceMap>(
  kind: Kind,
  options: HostOptions<Services> = {},
): Promise<Libp2p<Services>> {
  if (kind === 'Host') return await startHost(options)
  // Typed for our components, which are more than js-libp2p's: the modules that tests pass need js-libp2p's only.
  const node = await createLibp2p({ ...libp2pParts(), ...options } as unknown as Libp2pOptions<Services>)
  running.push(node)
  return node
}

/** Resolves with the detail of the first such event that fits. Subscribe before what causes it. */
export function heard<Type extends keyof Libp2pEvents>(
  node: Pick<Libp2p, 'addEventListener'>,
  type: Type,
  fits: (detail: Libp2pEvents[Type]['detail']) => boolean = () => true,
): Promise<Libp2pEvents[Type]['detail']> {
  const { promise, resolve } = Promise.withResolvers<Libp2pEvents[Type]['detail']>()
  node.addEventListener(type, ({ detail }) => {
    if (fits(detail)) resolve(detail)
  })
  return promise
}

/** Connects one node to another, and waits until both know the other by identify. */
export async function connect(from: Libp2p, to: Libp2p): Promise<void> {
  const both = [
    heard(from, 'peer:identify', ({ peerId }) => peerId.equals(to.peerId)),
    heard(to, 'peer:identify', ({ peerId }) => peerId.equals(from.peerId)),
  ]
  await from.dial(to.getMultiaddrs())
  await Promise.all(both)
}
