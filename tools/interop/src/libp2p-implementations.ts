import type { ChildLife } from './foreign-child.ts'
import { withoutGoLibp2p } from './go-build.ts'
import { type ForeignLibp2pPeer, startGoLibp2pPeer } from './go-libp2p-peer.ts'
import { startJsLibp2p2Peer, startJsLibp2pPeer } from './js-libp2p-peer.ts'
import type { Libp2pPeerOptions } from './libp2p-arguments.ts'
import { loadQuic } from './quic.ts'

/** A transport by its protocol in a multiaddr. */
export type Libp2pTransport = 'tcp' | 'ws' | 'quic-v1'

/** libp2p as others wrote it. */
export interface Implementation {
  readonly name: string
  readonly transports: readonly Libp2pTransport[]
  /** What a case with it prepares. @returns Why it is to be skipped, else nothing. */
  prepare(): Promise<string | undefined>
  start(options?: Libp2pPeerOptions, life?: ChildLife): Promise<ForeignLibp2pPeer>
}

/** go-libp2p 0.51. */
export const GO: Implementation = {
  name: 'go-libp2p',
  transports: ['tcp', 'ws', 'quic-v1'],
  prepare: withoutGoLibp2p,
  start: async (options, life) => {
    const peer = await startGoLibp2pPeer(options, life)
    if (peer === undefined) throw new Error('no Go: prepare tells')
    return peer
  },
}

/** js-libp2p 3.x. */
export const JS3: Implementation = {
  name: 'js-libp2p 3',
  transports: ['tcp', 'ws', 'quic-v1'],
  prepare: async () => undefined,
  start: startJsLibp2pPeer,
}

/** js-libp2p 2.10. */
export const JS2: Implementation = {
  name: 'js-libp2p 2.10',
  transports: ['tcp'],
  prepare: async () => undefined,
  start: startJsLibp2p2Peer,
}

/** Any address on loopback of a transport. */
export function listenAddress(transport: Libp2pTransport): string {
  return { tcp: '/ip4/127.0.0.1/tcp/0', ws: '/ip4/127.0.0.1/tcp/0/ws', 'quic-v1': '/ip4/127.0.0.1/udp/0/quic-v1' }[transport]
}

/** @returns Why a case of that transport is to be skipped on this machine, else nothing. */
export async function withoutTransport(transport: Libp2pTransport): Promise<string | undefined> {
  return transport === 'quic-v1' && (await loadQuic()) === undefined ? '@chainsafe/libp2p-quic does not load on this machine' : undefined
}
