import { BoundedMap } from '@kumiko/interface'
import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** Addresses remembered at most; the oldest goes first. */
const REACHED_MAX = 1024

/**
 * Where addresses that name no peer have led. A connection's address is not always the one that was asked for: names are looked up, and the
 * peer is put at its end.
 */
export class Reached {
  /** The address of the connection, by the address that was asked for. */
  readonly #places = new BoundedMap<string, string>(REACHED_MAX)

  add(asked: readonly Multiaddr[], { remoteAddr }: Connection): void {
    for (const address of asked) this.#places.set(address.toString(), remoteAddr.toString())
  }

  /** The one of these connections that any of the addresses has led to, or is the address of. */
  find(asked: readonly Multiaddr[], open: readonly Connection[]): Connection | undefined {
    const texts = new Set(asked.flatMap((address) => [address.toString(), this.#places.get(address.toString())]))
    return open.find(({ remoteAddr }) => texts.has(remoteAddr.toString()))
  }
}
