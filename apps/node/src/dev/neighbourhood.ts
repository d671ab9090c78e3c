import { connectionManager } from '@kumiko/connection-manager'
import { dialer } from '@kumiko/dialer'
import { createHost } from '@kumiko/host'
import { createIdentity } from '@kumiko/identity'
import type { Host, Identity, Millis, Peer } from '@kumiko/interface'
import { rlpx } from '@kumiko/rlpx'
import { echo } from '../capabilities/echo.ts'
import { pingPong } from '../capabilities/ping-pong.ts'
import type { DevEvent } from './progress.ts'

/** A started Host of the neighbourhood. */
export interface DevNode {
  /** `node-1`. */
  readonly name: string
  readonly host: Host
  /** The last round trip of a ping, by the peer's name. At most as many as there are nodes. */
  readonly pingMs: ReadonlyMap<string, Millis>
}

/** Nodes on loopback sockets in this process, each of which knows all others. */
export interface Neighbourhood extends AsyncDisposable {
  readonly nodes: readonly DevNode[]
}

/** What a neighbourhood is made of. */
export interface NeighbourhoodOptions {
  /** 2–64. */
  readonly names: readonly string[]
  /** Of the first node; the others take the next ones. 0: each takes a free one. */
  readonly port: number
  readonly onEvent: (event: DevEvent) => void
}

const PING_INTERVAL_MS: Millis = 1_000

/** Handshakes under way in this one process: with many more, they wait for each other longer than a remote waits for Hello. */
const DIALS_MAX = 64

/** Starts all nodes, or none. Every node keeps all others connected; of the dials that cross, one stays. @throws What a Host throws. */
export async function startNeighbourhood({ names, port, onEvent }: NeighbourhoodOptions): Promise<Neighbourhood> {
  const identities = await Promise.all(names.map(() => createIdentity()))
  const known = new Map(identities.flatMap(({ nodeId, peerId }, i) => [nodeId, peerId.toString()].map((id) => [id, names[i] ?? id])))
  const nameOf = (id: { toString(): string }): string => known.get(id.toString()) ?? id.toString()
  const nodes = await Promise.all(
    names.map((name, i) =>
      makeNode({ name, identity: identities[i], port: port === 0 ? 0 : port + i, peersMax: names.length, nameOf, onEvent }),
    ),
  )
  const stop = async (): Promise<void> => void (await Promise.all(nodes.map(({ host }) => host.stop())))
  try {
    await allOf(nodes.map(async ({ host }) => host.start()))
  } catch (error) {
    await stop()
    throw error
  }
  for (const { name, host } of nodes) onEvent({ event: 'listening', node: name, enode: host.identity.enode })
  for (const { host } of nodes) {
    for (const other of nodes) if (other.host !== host) host.dialer.addStatic(other.host.identity.enode)
  }
  return { nodes, [Symbol.asyncDispose]: stop }
}

interface NodeInit extends Pick<NeighbourhoodOptions, 'port' | 'onEvent'> {
  readonly name: string
  readonly identity: Identity | undefined
  readonly peersMax: number
  readonly nameOf: (id: { toString(): string }) => string
}

async function makeNode({ name, identity, port, peersMax, nameOf, onEvent }: NodeInit): Promise<DevNode> {
  const pingMs = new Map<string, Millis>()
  const answered = (capability: 'echo' | 'pingpong') => (peer: Peer, roundTripMs: Millis) => {
    if (capability === 'pingpong') pingMs.set(nameOf(peer.nodeId), roundTripMs)
    onEvent({ event: 'answered', node: name, peer: nameOf(peer.nodeId), capability, roundTripMs })
  }
  const greeting = new TextEncoder().encode(`hello from ${name}`)
  const host = await createHost({
    ...(identity === undefined ? {} : { identity }),
    addresses: { listen: [`/ip4/127.0.0.1/tcp/${port}/rlpx`] },
    transports: [
      rlpx({
        capabilities: [
          echo({ greeting, onReply: answered('echo') }),
          pingPong({ intervalMs: PING_INTERVAL_MS, onPong: answered('pingpong') }),
        ],
      }),
    ],
    dialer: dialer({ maxActiveDials: Math.max(1, Math.floor(DIALS_MAX / peersMax)) }),
    // Room for all others, whoever dials whom.
    connectionManager: connectionManager({ maxPeers: 2 * peersMax, maxPendingPeers: 2 * peersMax }),
  })
  host.connectionManager.subscribe((event) => {
    const peer = nameOf(event.peerId)
    if (event.type === 'add') onEvent({ event: 'connected', node: name, peer, direction: event.direction })
    if (event.type !== 'drop') return
    pingMs.delete(peer)
    onEvent({ event: 'disconnected', node: name, peer, ...(event.detail === undefined ? {} : { detail: event.detail }) })
  })
  return { name, host, pingMs }
}

/** Waits for all, and then throws what the first threw that failed. */
async function allOf(promises: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(promises)).find((outcome) => outcome.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}
