import { Resolver } from 'node:dns/promises'
import type { AbortOptions } from '@libp2p/interface'

/** Looks the TXT records of a name up; the strings of each. @throws where there is none. */
export type ResolveTxt = (name: string, options?: AbortOptions) => Promise<readonly (readonly string[])[]>

/** As much of `@multiformats/dns` as is used, js-libp2p's component `dns`. */
export interface DnsQueries {
  query(
    name: string,
    options: { readonly types: number; readonly signal?: AbortSignal },
  ): Promise<{ readonly Answer: readonly DnsAnswer[] }>
}

/** A record in the answer to a query. */
export interface DnsAnswer {
  readonly type: number
  readonly data: string
}

/** The record type TXT. @see RFC 1035 § 3.2.2 */
const TXT = 16

/** Looks names up by the system's resolver. Gives up when its signal aborts. */
export const systemTxt: ResolveTxt = async (name, { signal } = {}) => {
  signal?.throwIfAborted()
  const resolver = new Resolver()
  const cancel = (): void => resolver.cancel()
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    return await resolver.resolveTxt(name)
  } finally {
    signal?.removeEventListener('abort', cancel)
  }
}

/** Looks names up by js-libp2p's component `dns`. */
export function txtOf(dns: DnsQueries): ResolveTxt {
  return async (name, { signal } = {}) => {
    const { Answer } = await dns.query(name, { types: TXT, ...(signal === undefined ? {} : { signal }) })
    return Answer.filter(({ type }) => type === TXT).map(({ data }) => [data])
  }
}
