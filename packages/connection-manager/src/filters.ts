import { type IpNetwork, NetList, parseNetList } from '@kumiko/identity'
import type { Cancel, ConnectionFilter, DialTo, FilterList, FilterPoint } from '@kumiko/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { AddressFilterSet } from './address-filters.ts'
import { networkOfMask } from './mask.ts'
import { networkOf, peerOf } from './target.ts'

/**
 * Makes a list of rules. It may be edited at any time, by a rule that is being asked, too; the same rule may stand in it once only.
 *
 * @param filters - The first rules, in order.
 * @param onThrow - Told of a rule that threw; its word counts as `deny`.
 * @param masks - Rules on networks: what they deny is denied before all others are asked, what they accept is accepted behind them.
 */
export function filterList(
  filters: readonly ConnectionFilter[] = [],
  onThrow: (error: unknown) => void = () => {},
  masks?: AddressFilterSet,
): FilterList {
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
      const masked = masks?.match(at.ip)
      if (masked === 'deny') return 'deny'
      for (const rule of [...rules]) {
        const verdict = ask(rule, at)
        // Whatever else a rule says, such as a promise, it has not accepted.
        if (verdict !== undefined) return verdict === 'accept' ? 'accept' : 'deny'
      }
      if (masked === 'accept') return 'accept'
      return masked === undefined && masks?.defaultAction === 'deny' ? 'deny' : list.defaultVerdict
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
  return netFilter(networkOf(network), 'accept')
}

/** Denies one network, without a word on others. @throws KumikoError `connection-manager/bad-target`. */
export function denyNet(network: string): ConnectionFilter {
  return netFilter(networkOf(network), 'deny')
}

/**
 * A verdict on the network that a multiaddr mask names: `/ip4/10.0.0.0/ipcidr/8`. Without `ipcidr` it is the one address.
 *
 * @throws KumikoError `connection-manager/bad-mask`.
 */
export function maskFilter(mask: string | Multiaddr, verdict: 'accept' | 'deny'): ConnectionFilter {
  return netFilter(networkOfMask(mask), verdict)
}

/**
 * Accepts addresses that a protocol is in, without a word on others: `p2p-circuit` (relays), `memory`, `dns4`. Where the default denies, nothing
 * else lets in what has no IP.
 */
export function allowAddresses(protocol: string): ConnectionFilter {
  return ({ address }) => (address.getComponents().some(({ name }) => name === protocol) ? 'accept' : undefined)
}

/** Denies one peer, from the moment we know or mean it. @throws KumikoError `connection-manager/bad-target`. */
export function denyPeer(peer: DialTo): ConnectionFilter {
  const denied = peerOf(peer)
  return ({ peerId }) => (peerId !== undefined && denied.equals(peerId) ? 'deny' : undefined)
}

function netFilter(network: IpNetwork, verdict: 'accept' | 'deny'): ConnectionFilter {
  const list = new NetList([network])
  return (at) => (at.ip !== undefined && list.contains(at.ip) ? verdict : undefined)
}
