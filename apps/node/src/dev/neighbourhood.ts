import { connectionManager } from '@kumiko/connection-manager'
import { dialer } from '@kumiko/dialer'
import { createHost } from '@kumiko/host'
import { createIdentity } from '@kumiko/identity'
import type { Host, Identity, Millis, NodeRecord, Peer } from '@kumiko/interface'
import { rlpx } from '@kumiko/rlpx'
import { echo } from '../capabilities/echo.ts'
import { pingPong } from '../capabilities/ping-pong.ts'
import { type Discovery, discoveryOf } from '../discovery.ts'
import type { DevEvent } from './progress.ts'

/** A started Host of the neighbourhood. */
export interface DevNode {
  /** `node-1`. */
  readonly name: string
  readonly host: Host
  /** How many nodes it has found, by the discovery that knows more. */
  found(): number
  /** The last round trip of a ping, by the peer's name. At most as many as there are nodes. */
  readonly pingMs: ReadonlyMap<string, Millis>
}

/** Nodes on loopback sockets in this process, which find each other through a bootnode. */
export interface Neighbourhood extends AsyncDisposable {
  /** Answers discovery, and takes no connections. */
  readonly bootnode: DevNode
  readonly nodes: readonly DevNode[]
}

/** What a neighbourhood is made of. */
export interface NeighbourhoodOptions {
  /** 2–64. */
  readonly names: readonly string[]
  /** Of the bootnode; the nodes take the next ones. 0: each takes a free one. */
  readonly port: number
  readonly onEvent: (event: DevEvent) => void
}

const PING_INTERVAL_MS: Millis = 1_000

/** Pings in this one process: as each node pings all others, many more a second leave no time to connect. */
const PINGS_PER_SECOND_MAX = 250

/** Handshakes under way in this one process: with many more, they wait for each other longer than a remote waits for Hello. */
const DIALS_MAX = 64

const LOOPBACK = '127.0.0.1'

/** Starts the bootnode and all nodes, or none. A node knows of the bootnode and nobody else. @throws What a Host throws. */
export async function startNeighbourhood({ names, port, onEvent }: NeighbourhoodOptions): Promise<Neighbourhood> {
  const identities = await Promise.all(names.map(() => createIdentity()))
  const known = new Map(identities.flatMap(({ nodeId, peerId }, i) => [nodeId, peerId.toString()].map((id) => [id, names[i] ?? id])))
  const nameOf = (id: { toString(): string }): string => known.get(id.toString()) ?? id.toString()
  const bootnode = await makeBootnode(port)
  const started: DevNode[] = [bootnode]
  const stop = async (): Promise<void> => void (await Promise.all(started.map(({ host }) => host.stop())))
  try {
    await bootnode.host.start()
    const nodes = await Promise.all(
      names.map((name, i) =>
        makeNode({
          name,
          identity: identities[i],
          bootnode: bootnode.host.identity.record.node,
          port: port === 0 ? 0 : port + 1 + i,
          peersMax: names.length,
          nameOf,
          onEvent,
        }),
      ),
    )
    started.push(...nodes)
    await allOf(nodes.map(async ({ host }) => host.start()))
    for (const { name, host } of started) onEvent({ event: 'listening', node: name, enode: host.identity.enode })
    return { bootnode, nodes, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function makeBootnode(port: number): Promise<DevNode> {
  const discovery = discoveryAt(port, [])
  const host = await createHost({ discovery: discovery.parts, dialer: dialer({ noDial: true }) })
  return { name: 'bootnode', host, found: () => Math.max(...Object.values(discovery.known())), pingMs: new Map() }
}

interface NodeInit extends Pick<NeighbourhoodOptions, 'port' | 'onEvent'> {
  readonly name: string
  readonly identity: Identity | undefined
  readonly bootnode: NodeRecord
  readonly peersMax: number
  readonly nameOf: (id: { toString(): string }) => string
}

async function makeNode({ name, identity, bootnode, port, peersMax, nameOf, onEvent }: NodeInit): Promise<DevNode> {
  const pingMs = new Map<string, Millis>()
  const answered = (capability: 'echo' | 'pingpong') => (peer: Peer, roundTripMs: Millis) => {
    if (capability === 'pingpong') pingMs.set(nameOf(peer.nodeId), roundTripMs)
    onEvent({ event: 'answered', node: name, peer: nameOf(peer.nodeId), capability, roundTripMs })
  }
  const greeting = new TextEncoder().encode(`hello from ${name}`)
  const discovery = discoveryAt(port, [bootnode])
  const host = await createHost({
    ...(identity === undefined ? {} : { identity }),
    addresses: { listen: [`/ip4/${LOOPBACK}/tcp/${port}/rlpx`] },
    transports: [
      rlpx({
        capabilities: [
          echo({ greeting, onReply: answered('echo') }),
          pingPong({ intervalMs: pingIntervalMs(peersMax), onPong: answered('pingpong') }),
        ],
      }),
    ],
    discovery: discovery.parts,
    dialer: dialer({ dialRatio: 2, maxActiveDials: Math.max(1, Math.floor(DIALS_MAX / peersMax)) }),
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
  return { name, host, found: () => Math.max(...Object.values(discovery.known())), pingMs }
}

function pingIntervalMs(nodes: number): Millis {
  return Math.max(PING_INTERVAL_MS, Math.ceil((1_000 * nodes * (nodes - 1)) / PINGS_PER_SECOND_MAX))
}

/** Both discoveries on one socket. */
function discoveryAt(port: number, bootnodes: readonly NodeRecord[]): Discovery {
  return discoveryOf({ listen: { ip: LOOPBACK, port }, bootnodes, discoveryV4: true, discoveryV5: true, netRestrict: [] })
}

/** Waits for all, and then throws what the first threw that failed. */
async function allOf(promises: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(promises)).find((outcome) => outcome.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}
