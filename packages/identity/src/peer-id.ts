import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromPublicKey, peerIdFromString } from '@libp2p/peer-id'

/**
 * libp2p's name for a key. Costs two decompressions of the point on the portable curve: compute it when it is asked for.
 *
 * @param publicKey - Compressed, 33 bytes; must be valid.
 */
export function peerIdOf(publicKey: Uint8Array): PeerId {
  return peerIdFromPublicKey(publicKeyFromRaw(publicKey))
}

/** The compressed key that a PeerId names, 33 bytes; undefined where it names a key of another kind, or only its hash. */
export function publicKeyOf(peerId: PeerId): Uint8Array | undefined {
  return peerId.publicKey?.type === 'secp256k1' ? peerId.publicKey.raw : undefined
}

/** As {@link publicKeyOf}, from the PeerId's text; undefined for any text that is no PeerId of a secp256k1 key. */
export function publicKeyOfText(peerId: string): Uint8Array | undefined {
  try {
    return publicKeyOf(peerIdFromString(peerId))
  } catch {
    return undefined
  }
}
