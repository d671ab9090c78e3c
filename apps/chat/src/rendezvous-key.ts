import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import { create } from 'multiformats/hashes/digest'

/** @see multicodec: raw, sha2-256 */
const RAW = 0x55
const SHA2_256 = 0x12

/** What whoever meets at `rendezvous` provides in the DHT: as go-libp2p's routing discovery makes it of a namespace. */
export function rendezvousKey(rendezvous: string): CID {
  return CID.createV1(RAW, create(SHA2_256, createHash('sha256').update(rendezvous).digest()))
}
