import { dnsaddrNameOf, resolveDnsaddr, systemTxt, txtOf } from '@kumiko/dialer'
import type { MultiaddrResolver } from '@libp2p/interface'

/** Looks up where `/dnsaddr` addresses lead, as js-libp2p's does. A name that is not found leads nowhere. */
export const dnsaddrResolver: MultiaddrResolver = {
  canResolve: (address) => dnsaddrNameOf(address) !== undefined,
  async resolve(address, { dns, signal }) {
    const query = dns === undefined ? systemTxt : txtOf(dns)
    return await resolveDnsaddr(address, async (name) => {
      const records = await query(name, signal === undefined ? {} : { signal }).catch(() => [])
      signal?.throwIfAborted()
      return records.map((strings) => strings.join(''))
    })
  },
}
