import { type IpNetwork, parseNetList, parseNode, peerIdAt, registerRlpx } from '@kumiko/identity'
import { type DialTo, KumikoError } from '@kumiko/interface'
import { isPeerId, type PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { isMultiaddr, multiaddr } from '@multiformats/multiaddr'

/**
 * Whom a target names.
 *
 * @throws KumikoError `connection-manager/bad-target` where it names no peer.
 */
export function peerOf(target: DialTo): PeerId {
  try {
    const peerId = tryPeerOf(target)
    if (peerId !== undefined) return peerId
  } catch (cause) {
    throw badTarget(target, 'want a peer id, an enode URL, an ENR, or a multiaddr that ends in /p2p/…', cause)
  }
  throw badTarget(target, 'it names no peer: want a multiaddr that ends in /p2p/…')
}

/**
 * One IP network from its text; an address alone is a network of one.
 *
 * @throws KumikoError `connection-manager/bad-target`.
 */
export function networkOf(text: string): IpNetwork {
  try {
    const [network, ...rest] = parseNetList(text).networks
    if (network !== undefined && rest.length === 0) return network
  } catch (cause) {
    throw badTarget(text, 'want a network, as in 10.0.0.0/8', cause)
  }
  throw badTarget(text, 'want one network, as in 10.0.0.0/8')
}

function tryPeerOf(target: DialTo): PeerId | undefined {
  if (typeof target === 'string') return peerOfText(target.trim())
  if (isPeerId(target)) return target
  if (isMultiaddr(target)) return peerIdAt(target)
  if ('nodeId' in target) return target.peerId
  return target.map(peerIdAt).find((peerId) => peerId !== undefined)
}

function peerOfText(text: string): PeerId | undefined {
  if (!text.startsWith('/')) return text.includes(':') ? parseNode(text).peerId : peerIdFromString(text)
  registerRlpx()
  return peerIdAt(multiaddr(text))
}

function badTarget(target: DialTo, why: string, cause?: unknown): KumikoError {
  const text = (typeof target === 'string' ? target : 'nodeId' in target ? target.nodeId : String(target)).slice(0, 200)
  return new KumikoError('connection-manager/bad-target', `bad target "${text}": ${why}`, { context: { target: text }, cause })
}
