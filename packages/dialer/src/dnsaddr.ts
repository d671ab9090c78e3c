import { peerIdAt, withoutPeer } from '@kumiko/identity'
import { CODE_P2P, type Component, type Multiaddr, multiaddr } from '@multiformats/multiaddr'

/** The TXT records of a name, each as one text. Must not throw: a name that is not found has none. */
export type QueryTxt = (name: string) => Promise<readonly string[]>

/** Records that are taken in all; those behind are passed over. As in js-libp2p. */
export const DNSADDR_RECORDS_MAX = 32

/** Names behind one another: `a` leads to `b`, `b` to `c`. As in js-libp2p. */
export const DNSADDR_DEPTH_MAX = 3

/** Names that are asked for in all, so that one zone does not have us query hundreds of others. */
export const DNSADDR_QUERIES_MAX = 16

/** A record that is longer is none. */
const RECORD_LENGTH_MAX = 2048

const PREFIX = 'dnsaddr='

/** The name in `/dnsaddr/<name>/…`. Undefined where an address begins otherwise. */
export function dnsaddrNameOf(address: Multiaddr): string | undefined {
  const [first] = address.getComponents()
  return first?.name === 'dnsaddr' ? first.value : undefined
}

/**
 * Reads a TXT record.
 *
 * @param record - May stand in quotation marks, as DNS over HTTPS gives it.
 * @returns Undefined where it is not `dnsaddr=` and a multiaddr. Never throws.
 * @see https://github.com/multiformats/multiaddr/blob/master/protocols/DNSADDR.md
 */
export function readDnsaddr(record: string): Multiaddr | undefined {
  if (record.length > RECORD_LENGTH_MAX) return undefined
  const text = record.replaceAll(/["']/g, '').trim()
  if (!text.startsWith(`${PREFIX}/`)) return undefined
  try {
    const address = multiaddr(text.slice(PREFIX.length))
    return address.getComponents().length > 0 ? address : undefined
  } catch {
    return undefined
  }
}

/**
 * Looks up where a `/dnsaddr` address leads: the records at `_dnsaddr.<name>`, and those that they lead to. Where it names a peer, only that
 * peer's are taken; what stands behind the peer (`/p2p-circuit/…`) is put behind each.
 *
 * @returns Distinct addresses, none of them `/dnsaddr`, at most {@link DNSADDR_RECORDS_MAX}; none where it leads nowhere.
 */
export async function resolveDnsaddr(address: Multiaddr, query: QueryTxt): Promise<Multiaddr[]> {
  const search = new Search()
  let open = [address]
  for (let depth = 0; depth < DNSADDR_DEPTH_MAX && open.length > 0; depth++) {
    const found = await Promise.all(search.take(open).map(async (each) => follow(each, await query(`_dnsaddr.${dnsaddrNameOf(each)}`))))
    open = search.add(found.flat())
  }
  return search.found
}

/** What was asked for and found so far. */
class Search {
  readonly #found = new Map<string, Multiaddr>()
  readonly #asked = new Set<string>()
  #records = 0

  get found(): Multiaddr[] {
    return [...this.#found.values()]
  }

  /** Those that are to be asked for. */
  take(addresses: readonly Multiaddr[]): Multiaddr[] {
    const fresh = addresses.filter((address) => !this.#asked.has(address.toString())).slice(0, DNSADDR_QUERIES_MAX - this.#asked.size)
    for (const address of fresh) this.#asked.add(address.toString())
    return fresh
  }

  /** Returns those that lead on. */
  add(addresses: readonly Multiaddr[]): Multiaddr[] {
    const taken = addresses.slice(0, DNSADDR_RECORDS_MAX - this.#records)
    this.#records += taken.length
    for (const address of taken) if (dnsaddrNameOf(address) === undefined) this.#found.set(address.toString(), address)
    return taken.filter((address) => dnsaddrNameOf(address) !== undefined)
  }
}

/** Where the records of one name lead. */
function follow(address: Multiaddr, records: readonly string[]): Multiaddr[] {
  const { head, peerId, tail } = partsOf(address)
  const found = records.map(readDnsaddr).filter((each) => each !== undefined)
  const fitting = found.filter((each) => fits(each, head, peerId))
  return fitting.map((each) => (tail.length === 0 ? each : multiaddr([...each.getComponents(), ...tail])))
}

function fits(address: Multiaddr, head: string, peerId: string | undefined): boolean {
  if (peerId !== undefined && peerIdAt(address)?.toString() !== peerId) return false
  return dnsaddrNameOf(address) !== undefined || withoutPeer(address).toString().endsWith(head)
}

/** `/dnsaddr/<name><head>/p2p/<peerId><tail>`. */
function partsOf(address: Multiaddr): { head: string; peerId: string | undefined; tail: Component[] } {
  const [, ...rest] = address.getComponents()
  const at = rest.findIndex(({ code }) => code === CODE_P2P)
  const head = at < 0 ? rest : rest.slice(0, at)
  return {
    head: head.length === 0 ? '' : multiaddr(head).toString(),
    peerId: at < 0 ? undefined : rest[at]?.value,
    tail: at < 0 ? [] : rest.slice(at + 1),
  }
}
