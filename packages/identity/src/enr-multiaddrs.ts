import { type EnrEntries, isFault } from '@kumiko/interface'
import type { PeerId } from '@libp2p/interface'
import { CODE_DNS, CODE_DNS4, CODE_DNS6, CODE_DNSADDR, CODE_IP4, CODE_IP6, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { peerIdAt, stackOf, withoutPeer, withPeer } from './address.ts'
import { isDnsName } from './enode.ts'
import { ENR_SIZE_MAX_BYTES, enrSizeBytes } from './enr.ts'
import { ipScope } from './net.ts'
import { decodeRlp, encodeRlp, isRlpBytes } from './rlp.ts'

/**
 * Where a node is reached by libp2p: addresses one behind the other, each with its length in front, 2 bytes big endian, and without the
 * node's own PeerId.
 *
 * @see 31/WAKU2-ENR § multiaddrs ENR key
 */
export const MULTIADDRS_KEY = 'multiaddrs'

/** Of one record no more are read or written. */
const ADDRESSES_MAX = 16

/**
 * Reads the entry. What is no address of libp2p's is passed over: unknown protocols, RLPx, other peers, hosts that are nowhere; and what
 * is left where a length lies. Never throws.
 *
 * @param entry - RLP, as it lies in the record.
 * @param peerId - Whose record it is, where that is known.
 * @returns At most 16; with `peerId` each ends in `/p2p/…`.
 */
export function readEnrMultiaddrs(entry: Uint8Array | undefined, peerId?: PeerId): Multiaddr[] {
  const packed = entry === undefined ? undefined : decodeRlp(entry)
  if (isFault(packed) || !isRlpBytes(packed)) return []
  const found = new Map<string, Multiaddr>()
  for (const bytes of piecesOf(packed)) {
    const address = addressOf(bytes, peerId)
    if (address !== undefined) found.set(address.toString(), address)
    if (found.size === ADDRESSES_MAX) break
  }
  return [...found.values()]
}

/**
 * As many addresses as the record has room for beside its other entries, the first ones first; one that is too long leaves its place to
 * those behind it.
 *
 * @param addresses - As they come from {@link tellableMultiaddrs}.
 * @returns No entry where none fits.
 */
export function fitEnrMultiaddrs(addresses: readonly Multiaddr[], others: EnrEntries): EnrEntries {
  let fitting: EnrEntries = {}
  let packed = new Uint8Array()
  for (const { bytes } of addresses) {
    const longer = new Uint8Array([...packed, bytes.length >> 8, bytes.length & 0xff, ...bytes])
    const entry = { [MULTIADDRS_KEY]: encodeRlp(longer) }
    if (enrSizeBytes({ ...others, ...entry }) > ENR_SIZE_MAX_BYTES) continue
    packed = longer
    fitting = entry
  }
  return fitting
}

/** What may be told of our own addresses: libp2p's, each once, without our PeerId, the first 16. */
export function tellableMultiaddrs(addresses: readonly Multiaddr[], self: PeerId): Multiaddr[] {
  const told = new Map<string, Multiaddr>()
  for (const address of addresses) {
    const named = peerIdAt(address)
    const plain = named === undefined ? address : withoutPeer(address)
    if (isUsable(plain) && (named === undefined || named.equals(self))) told.set(plain.toString(), plain)
    if (told.size === ADDRESSES_MAX) break
  }
  return [...told.values()]
}

/** Up to the first length that lies. Bounded by the record's 300 bytes. */
function* piecesOf(packed: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at + 2 <= packed.length; ) {
    const length = ((packed[at] ?? 0) << 8) | (packed[at + 1] ?? 0)
    const end = at + 2 + length
    if (end > packed.length) return
    yield packed.subarray(at + 2, end)
    at = end
  }
}

function addressOf(bytes: Uint8Array, peerId: PeerId | undefined): Multiaddr | undefined {
  try {
    const address = multiaddr(bytes)
    const named = peerIdAt(address)
    const isWhole = multiaddr(address.toString()).equals(address)
    if (!isWhole || !isUsable(address)) return undefined
    if (peerId === undefined) return address
    return named === undefined || named.equals(peerId) ? withPeer(address, peerId) : undefined
  } catch {
    return undefined
  }
}

/** Whether libp2p can be led to a host by it. What is not printable has no place in a log. */
function isUsable(address: Multiaddr): boolean {
  const [first, second] = address.getComponents()
  if (first?.value === undefined || stackOf(address) !== 'libp2p' || !/^[\x21-\x7e]+$/.test(address.toString())) return false
  if (first.code === CODE_IP4 || first.code === CODE_IP6) return second !== undefined && ipScope(first.value) > 0
  return NAMES.has(first.code) && isDnsName(first.value)
}

const NAMES: ReadonlySet<number> = new Set([CODE_DNS, CODE_DNS4, CODE_DNS6, CODE_DNSADDR])
