import { fileURLToPath } from 'node:url'
import { startProcess } from './foreign-child.ts'
import { ForeignPeer, type ForeignPeerOptions, peerArguments } from './foreign-peer.ts'

/**
 * `@ethereumjs/devp2p` in a child process. Its ways: it takes an inbound peer's identity from Hello, sends disconnects as a bare byte and
 * uncompressed, keeps the socket for 2 s after it has disconnected, and knows single-byte message codes only (below 0x80).
 */
export type EjsPeer = ForeignPeer

/** Starts an `@ethereumjs/devp2p` peer on 127.0.0.1, with TCP_NODELAY. */
export async function startEjsPeer(options: ForeignPeerOptions = {}): Promise<EjsPeer> {
  const child = fileURLToPath(new URL('./ejs-process.ts', import.meta.url))
  const { process: started, enode } = await startProcess(process.execPath, [child, ...peerArguments(options)])
  return new ForeignPeer(started, enode)
}
