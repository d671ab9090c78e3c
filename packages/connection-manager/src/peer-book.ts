import type { ConnectedPeer, Millis } from '@kumiko/interface'
import type { Connection, PeerId } from '@libp2p/interface'
import { PeerMap } from '@libp2p/peer-collections'
import type { AdmissionTicket } from './admission.ts'

/** What else is known of a peer. */
export type PeerFacts = Pick<ConnectedPeer, 'isTrusted' | 'isStatic' | 'traffic'>

interface Entry {
  readonly peerId: PeerId
  readonly since: Millis
  /** Oldest first. */
  readonly held: { readonly connection: Connection; readonly ticket: AdmissionTicket; readonly since: Millis }[]
}

/** Open connections by peer, each with its ticket. Bounded by admission: what holds no ticket is not in it. */
export class PeerBook {
  /** Connections by peer, as libp2p wants them. */
  readonly connections: PeerMap<Connection[]> = new PeerMap<Connection[]>()
  readonly #entries = new Map<string, Entry>()

  /** @returns True where it is the peer's first. */
  add(connection: Connection, ticket: AdmissionTicket, now: Millis): boolean {
    const peerId = connection.remotePeer
    const entry = this.#entries.get(peerId.toString()) ?? { peerId, since: now, held: [] }
    entry.held.push({ connection, ticket, since: now })
    this.#entries.set(peerId.toString(), entry)
    this.#publish(entry)
    return entry.held.length === 1
  }

  /** @returns Its ticket, and whether it was the peer's last; undefined where it is not here. */
  remove(connection: Connection): { readonly ticket: AdmissionTicket; readonly isLast: boolean } | undefined {
    const entry = this.#entries.get(connection.remotePeer.toString())
    const index = entry?.held.findIndex((held) => held.connection === connection) ?? -1
    const [held] = entry === undefined || index < 0 ? [] : entry.held.splice(index, 1)
    if (entry === undefined || held === undefined) return undefined
    if (entry.held.length === 0) this.#entries.delete(entry.peerId.toString())
    this.#publish(entry)
    return { ticket: held.ticket, isLast: entry.held.length === 0 }
  }

  /** All connections, or one peer's, oldest first. A copy. */
  list(peerId?: PeerId): Connection[] {
    const entries = peerId === undefined ? this.#entries.values().toArray() : [this.#entries.get(peerId.toString())]
    return entries.flatMap((entry) => entry?.held.map(({ connection }) => connection) ?? [])
  }

  /** The ticket of a connection. */
  ticketOf(connection: Connection): AdmissionTicket | undefined {
    return this.#entries.get(connection.remotePeer.toString())?.held.find((held) => held.connection === connection)?.ticket
  }

  /** Peers, oldest first. */
  peers(factsOf: (peerId: PeerId) => PeerFacts): ConnectedPeer[] {
    return [...this.#entries.values()].map(({ peerId, since, held }) => ({
      peerId,
      since,
      connections: held.map(({ connection, ticket, since: openedAt }) => ({
        stack: ticket.attempt.stack,
        direction: connection.direction,
        address: connection.remoteAddr,
        protocols: ticket.protocols,
        since: openedAt,
        openStreams: connection.streams.length,
      })),
      ...factsOf(peerId),
    }))
  }

  #publish({ peerId, held }: Entry): void {
    if (held.length === 0) this.connections.delete(peerId)
    else
      this.connections.set(
        peerId,
        held.map(({ connection }) => connection),
      )
  }
}
