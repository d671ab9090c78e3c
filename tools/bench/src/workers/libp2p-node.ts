// Libp2p nodes of one stack in a process of its own: `ours` or `theirs`, and the type of their keys. The parent asks, by messages, and is answered by one each.
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { cpuSeconds, heapBytes } from '../measure.ts'
import type { NodeOptions } from './libp2p-parts.ts'

/** What the parent asks for. */
export type Ask =
  | { readonly do: 'listen' }
  | { readonly do: 'cpu' }
  | { readonly do: 'memory' }
  | { readonly do: Timed; readonly address: string; readonly durationMs: number }
  /** Makes so many nodes, each with a key of its own, and connects each once. */
  | { readonly do: 'connect'; readonly address: string; readonly count: number }
  /** Connects and disconnects so many times. */
  | { readonly do: 'churn'; readonly address: string; readonly count: number }

/** What is done again and again for a time. */
export type Timed = 'dial' | 'request' | 'open' | 'upload'

/** What it is answered. */
export interface Answer {
  readonly address?: string
  /** User and system time of this process so far. */
  readonly cpuSeconds: number
  /** How many were done; for `upload`, bytes. */
  readonly count?: number
  /** Of each that was timed. */
  readonly ms?: readonly number[]
  readonly heapBytes?: number
  readonly rssBytes?: number
  readonly connections?: number
  /** Peers that this process has identified so far. */
  readonly identified?: number
}

const ECHO = '/echo/1.0.0'
const SINK = '/bench/sink/1.0.0'
const CHUNK = new Uint8Array(64 * 1024)
const PAYLOAD = new Uint8Array(32).fill(7)
/** Requests that are under way at a time, well below the 32 that a remote may open of one protocol. */
const IN_FLIGHT = 16
/** Identities that connect and disconnect, and how many do at a time. */
const CHURNING = 64
const CHURN_IN_FLIGHT = 8

const [stack = '', keyType = ''] = process.argv.slice(2)
const createNode = await createNodeOf(stack)
let identified = 0
const nodes: Libp2p[] = []

/** Only the stack that is measured is loaded: what the other would take is not weighed. */
async function createNodeOf(name: string): Promise<(options: NodeOptions) => Promise<Libp2p>> {
  if (name === 'ours') return (await import('./libp2p-ours.ts')).createNode
  if (name === 'ours-noise-crypto') return (await import('./libp2p-ours-noise-crypto.ts')).createNode
  if (name === 'bare') return (await import('./libp2p-bare.ts')).createNode
  if (name === 'theirs') return (await import('./libp2p-theirs.ts')).createNode
  throw new Error(`There is no stack ${name}`)
}

async function start(listen: string[] = []): Promise<Libp2p> {
  const privateKey = await generateKeyPair(keyType === 'secp256k1' ? 'secp256k1' : 'Ed25519')
  const node = await createNode({ listen, privateKey })
  node.addEventListener('peer:identify', () => {
    identified += 1
  })
  nodes.push(node)
  return node
}

async function listen(): Promise<string> {
  const node = await start(['/ip4/127.0.0.1/tcp/0'])
  await node.handle(SINK, (stream) => void sink(stream))
  return String(node.getMultiaddrs()[0])
}

/** Takes all that comes, and tells how much it was once the remote has said all. */
async function sink(stream: Stream): Promise<void> {
  let bytes = 0
  for await (const chunk of stream) bytes += chunk.byteLength
  stream.send(new TextEncoder().encode(`${bytes}`))
  await stream.close()
}

/** Dials, and waits until both ends have been identified. */
async function connect(node: Libp2p, address: string): Promise<Connection> {
  const done = new Promise<void>((resolve) => node.addEventListener('peer:identify', () => resolve(), { once: true }))
  const connection = await node.dial(multiaddr(address))
  await done
  for (let [stream] = connection.streams; stream !== undefined; [stream] = connection.streams) await gone(stream)
  return connection
}

/** Whether it has left its connection. Who asked again and again meanwhile would be weighed, too. */
async function gone(stream: Stream): Promise<void> {
  if (stream.status === 'open' || stream.status === 'closing') {
    await new Promise<void>((resolve) => stream.addEventListener('close', () => resolve(), { once: true }))
  }
  await new Promise(setImmediate)
}

/** The ends of an open stream: half a request, so to speak. */
async function roundTrip(stream: Stream): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let received = 0
  stream.addEventListener('message', ({ data }) => {
    received += data.byteLength
    if (received === PAYLOAD.length) resolve()
  })
  stream.addEventListener('close', ({ error }) => (error === undefined ? undefined : reject(error)))
  stream.send(PAYLOAD)
  await promise
}

/** Whether its end has come, the remote's too. */
async function ended(stream: Stream): Promise<void> {
  const closed = new Promise<void>((resolve) => stream.addEventListener('close', () => resolve(), { once: true }))
  await stream.close()
  if (stream.status === 'open' || stream.status === 'closing') await closed
}

async function request(connection: Connection): Promise<void> {
  const stream = await connection.newStream(ECHO)
  await roundTrip(stream)
  await ended(stream)
}

/** Runs until the time is up. */
async function repeat(until: number, once: () => Promise<void>): Promise<number> {
  let count = 0
  for (; performance.now() < until; count++) await once()
  return count
}

async function timed(what: Timed, address: string, durationMs: number): Promise<Omit<Answer, 'cpuSeconds'>> {
  const node = nodes[0] ?? (await start())
  const until = performance.now() + durationMs
  if (what === 'dial') return { count: await repeat(until, async () => await (await connect(node, address)).close()) }
  const connection = node.getConnections()[0] ?? (await connect(node, address))
  if (what === 'upload') return { count: await upload(connection, until) }
  if (what === 'request') {
    const counts = await Promise.all(Array.from({ length: IN_FLIGHT }, () => repeat(until, () => request(connection))))
    return { count: counts.reduce((sum, count) => sum + count, 0) }
  }
  const ms: number[] = []
  const count = await repeat(until, async () => {
    const before = performance.now()
    const stream = await connection.newStream(ECHO)
    ms.push(performance.now() - before)
    await roundTrip(stream)
    await ended(stream)
  })
  return { count, ms }
}

async function upload(connection: Connection, until: number): Promise<number> {
  const stream = await connection.newStream(SINK)
  const told = Promise.withResolvers<number>()
  stream.addEventListener('message', ({ data }) => told.resolve(Number(new TextDecoder().decode(data.subarray()))), { once: true })
  await repeat(until, async () => {
    // Not `onDrain`: once it has waited, it waits no more (utils 7.4.1).
    if (!stream.send(CHUNK)) await new Promise<void>((resolve) => stream.addEventListener('drain', () => resolve(), { once: true }))
  })
  await stream.close()
  return await told.promise
}

async function connectMany(address: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await connect(await start(), address)
}

async function churn(address: string, count: number): Promise<void> {
  const churning: Libp2p[] = []
  while (churning.length < CHURNING) churning.push(await start())
  let left = count
  const lane = async (index: number): Promise<void> => {
    for (let turn = index; left-- > 0; turn += CHURN_IN_FLIGHT) {
      const connection = await connect(churning[turn % CHURNING] as Libp2p, address)
      await connection.close()
    }
  }
  await Promise.all(Array.from({ length: CHURN_IN_FLIGHT }, (_, index) => lane(index)))
  nodes.splice(0)
  await Promise.all(churning.map((node) => node.stop()))
}

/** At rest: what has been closed is let go of, and pages that are free have been given back. */
async function memory(): Promise<Omit<Answer, 'cpuSeconds'>> {
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve, 200))
    globalThis.gc?.()
  }
  return {
    heapBytes: heapBytes(),
    rssBytes: process.memoryUsage.rss(),
    connections: nodes.reduce((sum, node) => sum + node.getConnections().length, 0),
  }
}

async function obey(ask: Ask): Promise<Omit<Answer, 'cpuSeconds'>> {
  switch (ask.do) {
    case 'listen':
      return { address: await listen() }
    case 'cpu':
      return { identified }
    case 'memory':
      return await memory()
    case 'connect':
      await connectMany(ask.address, ask.count)
      return { count: ask.count }
    case 'churn':
      await churn(ask.address, ask.count)
      return { count: ask.count }
    default:
      return await timed(ask.do, ask.address, ask.durationMs)
  }
}

process.on('message', (ask: Ask) => {
  void obey(ask).then((answer) => process.send?.({ ...answer, cpuSeconds: cpuSeconds() }))
})
process.on('disconnect', () => process.exit(0))
