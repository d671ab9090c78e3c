import { withoutPeer, withPeer } from '@kumiko/identity'
import { BoundedMap, type Millis } from '@kumiko/interface'
import type { Connection, Peer, PeerStore } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { type PeerKey, peerKey } from './candidate.ts'

/** When a peer was last dialed with success, in Unix ms as text: js-libp2p's name, which circuit relay's discovery reads. */
const LAST_SUCCESS = 'last-dial-success'

/** The address that led to it, as bytes. */
const LAST_ADDRESS = 'kumiko:last-dial-address'

/** What has not changed is written again after so long. */
const REWRITE_MS: Millis = 600_000

/** Peers whose last writing is remembered; the oldest goes first. */
const WRITTEN_MAX = 1024

/** The address that led to a peer last, as its entry in the peer store says. Undefined where there is none that can be read. */
export function lastGoodOf({
  id,
  metadata,
}: Pick<Peer, 'id' | 'metadata'>): { readonly address: Multiaddr; readonly at: Millis } | undefined {
  const [bytes, text] = [metadata.get(LAST_ADDRESS), metadata.get(LAST_SUCCESS)]
  const at = text === undefined ? Number.NaN : Number(new TextDecoder().decode(text))
  if (bytes === undefined || !Number.isFinite(at)) return undefined
  try {
    return { address: withPeer(multiaddr(bytes), id), at }
  } catch {
    return undefined
  }
}

/** Writes into the peer store where peers were reached, so that it is known after a restart. */
export class DialRecord {
  readonly #peerStore: Pick<PeerStore, 'merge'>
  readonly #written = new BoundedMap<PeerKey, { readonly address: string; readonly at: Millis }>(WRITTEN_MAX)

  constructor(peerStore: Pick<PeerStore, 'merge'>) {
    this.#peerStore = peerStore
  }

  /** @param address - Which led there. @throws whatever the peer store throws. */
  async succeeded({ remotePeer, remoteAddr }: Connection, address: Multiaddr, now: Millis): Promise<void> {
    const [peer, text] = [peerKey(remotePeer), address.toString()]
    const written = this.#written.get(peer)
    if (written?.address === text && now - written.at < REWRITE_MS) return
    this.#written.set(peer, { address: text, at: now })
    const metadata = { [LAST_SUCCESS]: new TextEncoder().encode(String(Math.floor(now))), [LAST_ADDRESS]: address.bytes }
    // The store would keep an address twice that is given with the peer's id once and without it once.
    await this.#peerStore.merge(remotePeer, { multiaddrs: [withoutPeer(remoteAddr)], metadata })
  }
}
