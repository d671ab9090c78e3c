import { createHash } from 'node:crypto'
import { nodeFromPeerId, parseNode, peerIdAt, registerRlpx, withPeer } from '@kumiko/identity'
import { type Host, KumikoError, raceAbort } from '@kumiko/interface'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { z } from 'zod'
import type { NodeServices } from '../libp2p.ts'
import type { CallContext, RpcMethod } from './server.ts'

/** A call takes no longer than the client wants, and this where it says nothing. */
const TIMEOUT_MS = 60_000

/** CIDv1 of raw bytes, and SHA2-256, as the multicodec table has them. */
const RAW = 0x55
const SHA2_256 = 0x12

const timeoutMs = z.number().positive().max(3_600_000).transform(Math.ceil).default(TIMEOUT_MS)
const target = z.string().min(1).max(8_192)
const targeted = z.object({ target, timeoutMs })
const keyed = z.object({ key: z.string().min(1).max(1_024), isRendezvous: z.boolean().default(false), timeoutMs })
const limited = keyed.extend({ count: z.number().int().positive().max(1_000).default(20) })

/** What `kumiko p2p` asks a running node: each name with what answers it. Answers are plain values of JSON. */
export function p2pMethods(host: Host<Partial<NodeServices>>): Readonly<Record<string, RpcMethod>> {
  return {
    p2p_id: async () => idOf(host),
    p2p_peers: async () => await peersOf(host),
    p2p_dial: async (params, context) => {
      const { target: text, timeoutMs: ms } = targeted.parse(params)
      const startedAt = performance.now()
      const connection = await host.dial(peerOrText(text), { signal: within(context, ms) })
      const { remotePeer, remoteAddr, encryption, multiplexer, direction } = connection
      const rest = { encryption, multiplexer, direction, ms: round(performance.now() - startedAt) }
      return { peerId: remotePeer.toString(), address: remoteAddr.toString(), ...rest }
    },
    p2p_ping: async (params, context) => {
      const { target: text, timeoutMs: ms } = targeted.parse(params)
      if (host.services.ping === undefined) throw missing('ping')
      return { ms: await host.services.ping.ping(pingTarget(text), { signal: within(context, ms) }) }
    },
    dht_provide: async (params, context) => {
      const { key, isRendezvous, timeoutMs: ms } = keyed.parse(params)
      const cid = contentId(key, isRendezvous)
      const signal = within(context, ms)
      // A DHT goes on for as long as one of its peers does not answer.
      await raceAbort(dhtOf(host).contentRouting.provide(cid, { signal }), signal)
      return { cid: cid.toString() }
    },
    dht_findPeer: async (params, context) => {
      const { target: text, timeoutMs: ms } = targeted.parse(params)
      return await findPeer(dhtOf(host), peerOf(text), within(context, ms))
    },
    dht_findProviders: async (params, context) => await findProviders(host, limited.parse(params), context),
  }
}

function idOf({ identity, components, services }: Host<Partial<NodeServices>>): unknown {
  const { peerId, nodeId, enode, enr } = identity
  return {
    peerId: peerId.toString(),
    nodeId,
    enode,
    enr,
    agent: components.nodeInfo.userAgent,
    addresses: components.addressManager.getAddresses().map(String),
    protocols: components.registrar.getProtocols(),
    capabilities: components.capabilities.list().map(({ name, version }) => `${name}/${version}`),
    dht: services.dht?.getMode() ?? 'none',
  }
}

async function peersOf({ connectionManager, peerStore }: Host): Promise<unknown> {
  return await Promise.all(
    connectionManager.peers().map(async ({ peerId, connections, isTrusted, isStatic, since, traffic }) => {
      const known = (await peerStore.has(peerId)) ? await peerStore.get(peerId) : undefined
      const agent = known?.metadata.get('AgentVersion')
      return {
        peerId: peerId.toString(),
        nodeId: nodeFromPeerId(peerId)?.nodeId,
        agent: agent === undefined ? undefined : new TextDecoder().decode(agent),
        connections: connections.map(({ stack, direction, address }) => ({ stack, direction, address: address.toString() })),
        protocols: [...new Set([...connections.flatMap(({ protocols }) => protocols), ...(known?.protocols ?? [])])].sort(),
        isTrusted,
        isStatic,
        since: new Date(since).toISOString(),
        bytesReceived: traffic.bytesReceived,
        bytesSent: traffic.bytesSent,
      }
    }),
  )
}

async function findPeer({ peerRouting }: Pick<Host, 'peerRouting'>, peerId: PeerId, signal: AbortSignal): Promise<unknown> {
  try {
    const { id, multiaddrs } = await peerRouting.findPeer(peerId, { signal })
    return located(id, multiaddrs)
  } catch (cause) {
    if (!(cause instanceof Error) || cause.name !== 'NotFoundError') throw cause
    throw new KumikoError('node/not-found', `nobody who was asked knows where ${peerId} is`, { cause })
  }
}

async function findProviders(
  host: Host<Partial<NodeServices>>,
  { key, isRendezvous, count, timeoutMs: ms }: z.infer<typeof limited>,
  context: CallContext,
): Promise<unknown> {
  const cid = contentId(key, isRendezvous)
  let found = 0
  for await (const { id, multiaddrs } of dhtOf(host).contentRouting.findProviders(cid, { signal: within(context, ms) })) {
    context.emit(located(id, multiaddrs))
    found++
    if (found >= count) break
  }
  return { cid: cid.toString(), found }
}

/** A peer with its addresses, each once. */
function located(peerId: PeerId, addresses: readonly Multiaddr[]): { readonly peerId: string; readonly addresses: string[] } {
  return { peerId: peerId.toString(), addresses: [...new Set(addresses.map((address) => withPeer(address, peerId).toString()))] }
}

/** The routing facades, where a DHT is behind them. */
function dhtOf(host: Host<Partial<NodeServices>>): Pick<Host, 'contentRouting' | 'peerRouting'> {
  if (host.services.dht === undefined) throw missing('DHT')
  return host
}

/** @throws KumikoError `node/no-service`. */
function missing(what: string): KumikoError {
  return new KumikoError('node/no-service', `the node runs no ${what}: start it with --libp2p`)
}

function within({ signal }: CallContext, ms: number): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(ms)])
}

function peerOrText(text: string): PeerId | string {
  return isPeerText(text) ? peerOf(text) : text
}

function isPeerText(text: string): boolean {
  return !text.startsWith('/') && !text.includes(':')
}

/** @throws KumikoError `node/bad-peer`. */
function peerOf(text: string): PeerId {
  try {
    if (isPeerText(text)) return peerIdFromString(text)
    const peerId = text.startsWith('/') ? peerIdAt(readAddress(text)) : parseNode(text).peerId
    if (peerId !== undefined) return peerId
  } catch (cause) {
    throw badPeer(text, cause)
  }
  throw badPeer(text)
}

function pingTarget(text: string): PeerId | Multiaddr {
  return text.startsWith('/') && !text.startsWith('/p2p/') ? readAddress(text) : peerOf(text)
}

function readAddress(text: string): Multiaddr {
  registerRlpx()
  try {
    return multiaddr(text)
  } catch (cause) {
    throw badPeer(text, cause)
  }
}

function badPeer(text: string, cause?: unknown): KumikoError {
  const message = `"${text.slice(0, 200)}" names no peer: want a peer id, an enode URL, an ENR, or a multiaddr that ends in /p2p/…`
  return new KumikoError('node/bad-peer', message, { cause })
}

/**
 * What stands for a word in the DHT is what go-libp2p's routing discovery makes of it: the CIDv1 of its bytes' SHA2-256.
 *
 * @throws KumikoError `node/bad-cid`.
 */
function contentId(key: string, isRendezvous: boolean): CID {
  if (isRendezvous) return CID.createV1(RAW, createDigest(SHA2_256, createHash('sha256').update(key).digest()))
  try {
    return CID.parse(key)
  } catch (cause) {
    throw new KumikoError('node/bad-cid', `"${key.slice(0, 200)}" is no CID: give one, or --rendezvous for a word`, { cause })
  }
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10
}
