import { fileURLToPath } from 'node:url'
import type { ChildLife } from './foreign-child.ts'
import { ForeignLibp2pPeer, startLibp2pChild } from './go-libp2p-peer.ts'
import { type Libp2pPeerOptions, libp2pArguments } from './libp2p-arguments.ts'

/** Starts js-libp2p 3.x on 127.0.0.1, in a process of its own. */
export async function startJsLibp2pPeer(options: Libp2pPeerOptions = {}, life?: ChildLife): Promise<ForeignLibp2pPeer> {
  return await startScript(new URL('./js-libp2p-process.ts', import.meta.url), options, life)
}

/** Starts js-libp2p 2.10 likewise: TCP and noise only, with a DHT; no gossipsub, no relay. */
export async function startJsLibp2p2Peer(options: Libp2pPeerOptions = {}, life?: ChildLife): Promise<ForeignLibp2pPeer> {
  return await startScript(new URL('../../libp2p-v2/src/process.ts', import.meta.url), options, life)
}

async function startScript(script: URL, options: Libp2pPeerOptions, life?: ChildLife): Promise<ForeignLibp2pPeer> {
  return new ForeignLibp2pPeer(...(await startLibp2pChild(process.execPath, [fileURLToPath(script), ...libp2pArguments(options)], life)))
}
