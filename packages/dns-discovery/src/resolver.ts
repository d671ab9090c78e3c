import { Resolver } from 'node:dns/promises'
import type { AbortOptions } from '@libp2p/interface'

/**
 * Looks the TXT records of a name up.
 *
 * @returns The strings of each record; no record where there is no such name.
 * @throws Whatever goes wrong.
 */
export type ResolveTxt = (name: string, options?: AbortOptions) => Promise<string[][]>

/**
 * Looks names up by Node's `dns`, one query at a time a channel, so that each can be given up by its signal.
 *
 * @param servers - `address:port`, as for `Resolver.setServers`. Default: the system's.
 */
export function dnsResolver(servers?: readonly string[]): ResolveTxt {
  return async (name, { signal } = {}) => {
    signal?.throwIfAborted()
    const resolver = new Resolver()
    if (servers !== undefined) resolver.setServers(servers)
    const cancel = (): void => resolver.cancel()
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      return await resolver.resolveTxt(name)
    } catch (error) {
      if (isAbsence(error)) return []
      throw error
    } finally {
      signal?.removeEventListener('abort', cancel)
    }
  }
}

function isAbsence(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOTFOUND' || error.code === 'ENODATA')
}
