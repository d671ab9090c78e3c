import { type Lookup, peerIdAt, type ResolvedAddress, resolveAddress, withPeer } from '@kumiko/identity'
import { type Clock, isRefusal, KumikoError, type Millis, type Refusal, raceAbort } from '@kumiko/interface'
import { type AbortOptions, type Connection, isPeerId, type PeerId, type PeerRouting, type PeerStore } from '@libp2p/interface'
import type { OpenConnectionOptions, TransportManager } from '@libp2p/interface-internal'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { AdmissionTicket } from './admission.ts'
import { within } from './closing.ts'

/** One address gets so long. */
const ADDRESS_TIMEOUT_MS: Millis = 6_000
/** So many addresses of a peer are tried. */
const ADDRESSES_MAX = 25

/** What dialing without a dialer needs. */
export interface PlainDialNeeds {
  readonly clock: Clock
  readonly peerStore: PeerStore
  readonly peerRouting: PeerRouting
  readonly transportManager: TransportManager
  isDialable(address: Multiaddr): Promise<boolean>
  /** Looks DNS names up, so that bans and filters hold for where they lead. */
  readonly lookup: Lookup
  /** Takes a ticket for the connection that follows. */
  expect(address: Multiaddr, peerId: PeerId | undefined): AdmissionTicket | Refusal
  /** The connection is there, or will not come. */
  unexpect(ticket: AdmissionTicket): void
}

/**
 * Dials a peer's addresses one after another: what a node without a dialer of ours can do. Nothing is raced or joined.
 *
 * @throws KumikoError `connection-manager/dial-failed`, with the errors of the addresses as cause, or the signal's reason.
 */
export async function plainDial(
  needs: PlainDialNeeds,
  target: PeerId | Multiaddr | readonly Multiaddr[],
  options: OpenConnectionOptions,
): Promise<Connection> {
  const peerId = isPeerId(target)
    ? target
    : [target]
        .flat()
        .map(peerIdAt)
        .find((found) => found !== undefined)
  const addresses = isPeerId(target) ? await addressesOf(needs, target, options) : [target].flat()
  const errors: unknown[] = []
  for (const address of addresses.slice(0, ADDRESSES_MAX)) {
    options.signal?.throwIfAborted()
    for (const dialable of await dialableAt(needs, address, options.signal)) {
      try {
        return await dialOne(needs, peerId === undefined ? dialable : withPeer(dialable, peerId), peerId, options)
      } catch (error) {
        errors.push(error)
      }
    }
  }
  options.signal?.throwIfAborted()
  const whom = String(peerId ?? addresses[0])
  const why = addresses.length === 0 ? 'no address is known' : errors.length === 0 ? 'no address can be dialed' : 'every address failed'
  throw new KumikoError('connection-manager/dial-failed', `could not dial ${whom}: ${why}`, {
    context: { peer: whom },
    cause: errors.length === 1 ? errors[0] : new AggregateError(errors),
  })
}

/** What to dial for an address: none where a rule forbids it. A name is looked up, and the rules are asked of its IPs, too: it may lead anywhere. */
async function dialableAt(needs: PlainDialNeeds, address: Multiaddr, signal: AbortSignal | undefined): Promise<Multiaddr[]> {
  if (!(await needs.isDialable(address))) return []
  const look = async (inTime: AbortSignal): Promise<ResolvedAddress[]> =>
    await raceAbort(resolveAddress(address, needs.lookup, { signal: inTime }), inTime)
  const dialable = new Map<string, Multiaddr>()
  for (const resolved of await within(needs.clock, ADDRESS_TIMEOUT_MS, look, signal).catch(() => [])) {
    if (await needs.isDialable(resolved.place)) dialable.set(resolved.address.toString(), resolved.address)
    else if (resolved.address === address) return []
  }
  return [...dialable.values()]
}

async function dialOne(
  needs: PlainDialNeeds,
  address: Multiaddr,
  peerId: PeerId | undefined,
  options: OpenConnectionOptions,
): Promise<Connection> {
  const ticket = needs.expect(address, peerId)
  if (isRefusal(ticket)) throw new KumikoError(ticket.code, ticket.detail, { context: { reason: ticket.reason } })
  try {
    const dial = (signal: AbortSignal): Promise<Connection> => needs.transportManager.dial(address, { ...options, signal })
    const connection = await within(needs.clock, ADDRESS_TIMEOUT_MS, dial, options.signal)
    if (connection.status === 'open') return connection
    throw new KumikoError('connection-manager/refused', `the connection to ${address} was ended as it opened`)
  } finally {
    needs.unexpect(ticket)
  }
}

async function addressesOf({ peerStore, peerRouting }: PlainDialNeeds, peerId: PeerId, options: AbortOptions): Promise<Multiaddr[]> {
  const known = (await peerStore.getInfo(peerId, options).catch(() => undefined))?.multiaddrs ?? []
  if (known.length > 0) return known
  return (await peerRouting.findPeer(peerId, options).catch(() => undefined))?.multiaddrs ?? []
}
