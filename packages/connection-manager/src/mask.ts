import { formatIp, type IpNetwork } from '@kumiko/identity'
import { KumikoError } from '@kumiko/interface'
import { CODE_IP4, CODE_IP6, CODE_IPCIDR, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { networkIp } from './bans.ts'
import { networkOf } from './target.ts'

/**
 * The network that a mask names: `/ip4/10.0.0.0/ipcidr/8`, `/ip6/fd00::1` (a network of one), or `10.0.0.0/8`.
 *
 * @throws KumikoError `connection-manager/bad-mask`.
 */
export function networkOfMask(mask: string | Multiaddr): IpNetwork {
  try {
    return networkOf(typeof mask === 'string' && !mask.startsWith('/') ? mask : netText(mask))
  } catch (cause) {
    throw new KumikoError(
      'connection-manager/bad-mask',
      `bad mask "${`${mask}`.slice(0, 200)}": want /ip4/10.0.0.0/ipcidr/8 or 10.0.0.0/8`,
      {
        context: { mask: `${mask}` },
        cause,
      },
    )
  }
}

/** A network as a mask, in the one form that equal networks share. */
export function maskOf(network: IpNetwork): string {
  const { length } = network.ip
  return `/ip${length === 4 ? 4 : 6}/${formatIp(networkIp(network))}/ipcidr/${network.prefixBits}`
}

/** @throws Error for what is no mask. */
function netText(mask: string | Multiaddr): string {
  const [ip, cidr, ...rest] = multiaddr(mask).getComponents()
  const isIp = ip?.code === CODE_IP4 || ip?.code === CODE_IP6
  if (!isIp || rest.length > 0 || (cidr !== undefined && cidr.code !== CODE_IPCIDR)) throw new Error('it is no IP network')
  return cidr?.value === undefined ? `${ip.value}` : `${ip.value}/${cidr.value}`
}
