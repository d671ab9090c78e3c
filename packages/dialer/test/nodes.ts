import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import type { Candidate } from '../src/candidate.ts'

/** How many peers there are for tests. */
const COUNT = 64

const peers: readonly PeerId[] = await Promise.all(
  Array.from({ length: COUNT }, async (_, i) => peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(i)))),
)

/** The peer with a number from 0 to 63; 0 is ourselves. */
export function peer(number: number): PeerId {
  const found = peers[number]
  if (found === undefined) throw new Error(`no peer ${number}`)
  return found
}

/** A node with one address in 10.0.0.0/8 that tells its number, or with the ones given. */
export function node(number: number, addresses: readonly string[] = [`/ip4/10.0.0.${number}/tcp/30303`]): Candidate {
  return { peerId: peer(number), addresses: addresses.map((address) => multiaddr(address)) }
}

/** The number of a peer. */
export function numberOf(peerId: PeerId | string): number {
  return peers.findIndex((other) => other.toString() === peerId.toString())
}
