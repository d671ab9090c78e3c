import { parseNode, peerIdAt, registerRlpx } from '@kumiko/identity'
import type { DialTo } from '@kumiko/interface'
import { KumikoError } from '@kumiko/interface'
import { isPeerId, type PeerId } from '@libp2p/interface'
import { isMultiaddr, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Candidate } from './candidate.ts'

/** Whom to dial, read from any of the forms of `DialTo`. */
export interface Target {
  /** Undefined where only addresses are known that name no peer. */
  readonly peerId?: PeerId
  /** Empty where only the peer is known. */
  readonly addresses: readonly Multiaddr[]
}

/**
 * Reads whom to dial: a PeerId, multiaddrs of one peer, a node, or the text of an enode URL, an ENR or a multiaddr. A multiaddr that is
 * only `/p2p/…` stands for the PeerId.
 *
 * @throws KumikoError `dialer/bad-target`.
 */
export function readTarget(target: DialTo): Target {
  try {
    if (typeof target === 'string') return readText(target.trim())
    if (isPeerId(target)) return { peerId: target, addresses: [] }
    if (isMultiaddr(target)) return readAddresses([target])
    if ('addresses' in target) return { peerId: target.peerId, addresses: target.addresses }
    return readAddresses(target)
  } catch (cause) {
    throw badTarget(cause instanceof Error ? cause.message : 'not a PeerId, multiaddr, enode URL or ENR', cause)
  }
}

/** Reads a node to be kept connected. @throws KumikoError `dialer/bad-target`, also where no peer is named. */
export function readCandidate(target: DialTo): Candidate {
  const { peerId, addresses } = readTarget(target)
  if (peerId === undefined) throw badTarget('the address must end in /p2p/… to say which peer it is')
  return { peerId, addresses }
}

function readText(text: string): Target {
  registerRlpx()
  if (text.startsWith('/')) return readAddresses([multiaddr(text)])
  const { peerId, addresses } = parseNode(text)
  return { peerId, addresses }
}

function readAddresses(addresses: readonly Multiaddr[]): Target {
  if (addresses.length === 0) throw badTarget('the list of addresses is empty')
  const peers = addresses.map(peerIdAt).filter((peerId) => peerId !== undefined)
  const peerId = peers[0]
  if (peerId === undefined) return { addresses }
  if (!peers.every((other) => other.equals(peerId))) throw badTarget('the addresses are of different peers')
  return { peerId, addresses: addresses.filter((address) => address.getComponents().length > 1) }
}

function badTarget(why: string, cause?: unknown): KumikoError {
  return cause instanceof KumikoError && cause.code === 'dialer/bad-target'
    ? cause
    : new KumikoError('dialer/bad-target', `cannot dial that: ${why}`, { cause })
}
