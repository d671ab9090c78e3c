import { parseNode, registerRlpx } from '@kumiko/identity'
import { type DialTo, KumikoError, type NodeRecord } from '@kumiko/interface'
import { type DialTarget, isPeerId } from '@libp2p/interface'
import { isMultiaddr, multiaddr } from '@multiformats/multiaddr'

/**
 * Whom to dial in libp2p's own words: nodes and texts become their addresses, or the peer where no address is known.
 *
 * @throws KumikoError `host/bad-target` for a text that is neither an enode URL, an ENR nor a multiaddr.
 */
export function dialTargetOf(target: DialTo): DialTarget {
  if (typeof target === 'string') return targetOfText(target.trim())
  if (isPeerId(target) || isMultiaddr(target) || !('nodeId' in target)) return target
  return targetOfNode(target)
}

function targetOfText(text: string): DialTarget {
  registerRlpx()
  try {
    return text.startsWith('/') ? multiaddr(text) : targetOfNode(parseNode(text))
  } catch (cause) {
    const shown = text.slice(0, 200)
    throw new KumikoError('host/bad-target', `cannot dial "${shown}": want enode://…, enr:… or a multiaddr`, {
      context: { target: shown },
      cause,
    })
  }
}

function targetOfNode({ addresses, peerId }: NodeRecord): DialTarget {
  return addresses.length > 0 ? [...addresses] : peerId
}
