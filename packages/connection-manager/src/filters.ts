import { formatIp, parseNetList } from '@kumiko/identity'
import { type Cancel, type ConnectionFilter, type DialTo, type FilterList, type FilterPoint, KumikoError } from '@kumiko/interface'
import { CODE_IP4, CODE_IP6, CODE_IPCIDR, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { networkOf, peerOf } from './target.ts'

/**
 * Makes a list of rules. It may be edited at any time, by a rule that is being asked, too; the same rule may stand in it once only.
 *
 * @param filters - The first rules, in order.
 * @param onThrow - Told of a rule that threw; its word counts as `deny`.
 */
export function filterList(filters: readonly ConnectionFilter[] = [], onThrow: (error: unknown) => void = () => {}): FilterList {
  const rules = new Set(filters)
  const ask = (rule: ConnectionFilter, at: FilterPoint): ReturnType<ConnectionFilter> => {
    try {
      return rule(at)
    } catch (error) {
      onThrow(error)
      return 'deny'
    }
  }
  const list: FilterList = {
    defaultVerdict: 'accept',
    add(filter): Cancel {
      rules.add(filter)
      return () => rules.delete(filter)
    },
    remove: (filter) => rules.delete(filter),
    list: () => [...rules],
    decide(at) {
      for (const rule of [...rules]) {
        const verdict = ask(rule, at)
        // Whatever else a rule says, such as a promise, it has not accepted.
        if (verdict !== undefined) return verdict === 'accept' ? 'accept' : 'deny'
      }
      return list.defaultVerdict
    },
  }
  return list
}

/**
 * geth's `netRestrict`: only these networks. It has no opinion on what lies inside, and denies all else: other addresses, and names and relays
 * too, since nobody can tell where they lead.
 *
 * @throws KumikoError `identity/bad-netlist`.
 */
export function netRestrict(networks: readonly string[]): ConnectionFilter {
  const list = parseNetList(networks.join(','))
  return ({ ip }) => (ip !== undefined && list.contains(ip) ? undefined : 'deny')
}

/** Accepts one network, without a word on others. @throws KumikoError `connection-manager/bad-target`. */
export function allowNet(network: string): ConnectionFilter {
  return netFilter(network, 'accept')
}

/** Denies one network, without a word on others. @throws KumikoError `connection-manager/bad-target`. */
export function denyNet(network: string): ConnectionFilter {
  return netFilter(network, 'deny')
}

/**
 * A verdict on the network that a multiaddr mask names: `/ip4/10.0.0.0/ipcidr/8`. Without `ipcidr` it is the one address.
 *
 * @throws KumikoError `connection-manager/bad-mask`.
 */
export function maskFilter(mask: string | Multiaddr, verdict: 'accept' | 'deny'): ConnectionFilter {
  return netFilter(networkOfMask(mask), verdict)
}

/** Denies one peer, from the moment we know or mean it. @throws KumikoError `connection-manager/bad-target`. */
export function denyPeer(peer: DialTo): ConnectionFilter {
  const denied = peerOf(peer)
  return ({ peerId }) => (peerId !== undefined && denied.equals(peerId) ? 'deny' : undefined)
}

function netFilter(network: string, verdict: 'accept' | 'deny'): ConnectionFilter {
  const { ip, prefixBits } = networkOf(network)
  const list = parseNetList(`${formatIp(ip)}/${prefixBits}`)
  return (at) => (at.ip !== undefined && list.contains(at.ip) ? verdict : undefined)
}

function networkOfMask(mask: string | Multiaddr): string {
  try {
    const [ip, cidr, ...rest] = multiaddr(mask).getComponents()
    const isIp = ip?.code === CODE_IP4 || ip?.code === CODE_IP6
    const isCidr = cidr === undefined || cidr.code === CODE_IPCIDR
    if (isIp && isCidr && rest.length === 0) return cidr?.value === undefined ? `${ip.value}` : `${ip.value}/${cidr.value}`
  } catch (cause) {
    throw badMask(mask, cause)
  }
  throw badMask(mask)
}

function badMask(mask: string | Multiaddr, cause?: unknown): KumikoError {
  return new KumikoError('connection-manager/bad-mask', `bad mask "${mask}": want /ip4/10.0.0.0/ipcidr/8`, {
    context: { mask: `${mask}` },
    cause,
  })
}
