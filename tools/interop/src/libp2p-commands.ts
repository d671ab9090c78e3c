import { createHash } from 'node:crypto'
import { type Fields, serve } from './child-lines.ts'
import type { Libp2pEvent } from './libp2p-event.ts'
import type { Bytes, DhtFace, Libp2pFace, PubsubFace } from './libp2p-face.ts'
import { payload } from './payload.ts'

export type { Bytes, DhtFace, Libp2pFace } from './libp2p-face.ts'

/** Sends back what comes, and ends when that ends. */
export const ECHO_PROTOCOL = '/kumiko/echo/1.0.0'
/** Reads to the end, then answers with SHA-256. */
const SUM_PROTOCOL = '/kumiko/sum/1.0.0'
/** Resets the stream at its first bytes. */
const RESET_PROTOCOL = '/kumiko/reset/1.0.0'

/** Streams of a protocol on one connection. */
export const STREAMS_MAX = 256

const TIMEOUT_MS = 30_000
const CHUNK_BYTES = 2 ** 16

/** One line of a test's. Which fields count depends on `cmd`; README.md lists them. */
export interface Libp2pCommand {
  readonly id: number
  readonly cmd: string
  readonly address?: string
  readonly peer?: string
  readonly protocol?: string
  readonly size?: number
  readonly seed?: number
  readonly key?: string
  readonly count?: number
  readonly topic?: string
  readonly text?: string
  readonly timeoutMs?: number
}

type Tell = (event: Libp2pEvent) => void

/** Serves a node of js-libp2p's kind to the parent process, until `quit`. */
export async function serveLibp2p(face: Libp2pFace): Promise<void> {
  const tell: Tell = (event) => void process.stdout.write(`${JSON.stringify(event)}\n`)
  const commands = await Libp2pCommands.of(face, tell)
  serve<Libp2pCommand>((command) => commands.handle(command))
  tell({ event: 'ready', peer: face.peer, addresses: face.addresses() })
}

/** Does what tests ask of a node. */
export class Libp2pCommands {
  readonly #face: Libp2pFace
  readonly #tell: Tell

  private constructor(face: Libp2pFace, tell: Tell) {
    this.#face = face
    this.#tell = tell
  }

  /** Has the node serve what all peers of the tests serve. */
  static async of(face: Libp2pFace, tell: Tell): Promise<Libp2pCommands> {
    const commands = new Libp2pCommands(face, tell)
    await commands.#serveEcho(ECHO_PROTOCOL)
    await face.handle(SUM_PROTOCOL, answerWithSum)
    await face.handle(RESET_PROTOCOL, async (bytes) => {
      for await (const _ of bytes) bytes.reset()
    })
    return commands
  }

  /** @throws Error of the node. */
  async handle(command: Libp2pCommand): Promise<Fields> {
    const face = this.#face
    const signal = AbortSignal.timeout(command.timeoutMs ?? TIMEOUT_MS)
    const { address = '', peer = '' } = command
    switch (command.cmd) {
      case 'self':
        return { peer: face.peer, addresses: face.addresses(), protocols: face.protocols() }
      case 'dial':
        return { peer: await face.dial(address, signal) }
      case 'connections':
        return { connections: face.connections() }
      case 'known':
        return { ...(await face.known(peer)) }
      case 'hang-up':
        await face.hangUp(peer)
        return {}
      case 'ping':
        return { ms: await face.ping(peer, signal) }
      case 'reserve':
        return { address: await face.reserve(address, signal) }
      case 'handle':
        await this.#serveEcho(command.protocol ?? '')
        return {}
      case 'quit':
        await face.stop()
        return {}
      default:
        return (await this.#stream(command, signal)) ?? (await this.#network(command, signal))
    }
  }

  async #stream(
    { cmd, peer = '', protocol = ECHO_PROTOCOL, seed = 0, size = 0 }: Libp2pCommand,
    signal: AbortSignal,
  ): Promise<Fields | undefined> {
    const open = (name: string): Promise<Bytes> => this.#face.open(peer, name, signal)
    switch (cmd) {
      case 'echo':
        return await exchange(await open(protocol), payload(seed, size), signal, digest)
      case 'sum':
        return await exchange(await open(SUM_PROTOCOL), payload(seed, size), signal, (answer) => ({ sha256: answer.toString('hex') }))
      case 'provoke':
        return { how: await provoke(await open(RESET_PROTOCOL)) }
      case 'reset':
        await resetEcho(await open(ECHO_PROTOCOL))
        return {}
      default:
        return undefined
    }
  }

  async #network(command: Libp2pCommand, signal: AbortSignal): Promise<Fields> {
    const { dht, pubsub } = this.#face
    const fields =
      (dht === undefined ? undefined : await ofDht(dht, command, signal)) ??
      (pubsub === undefined ? undefined : await ofPubsub(pubsub, command, this.#tell))
    if (fields === undefined) throw new Error(`unknown command ${command.cmd}`)
    return fields
  }

  async #serveEcho(protocol: string): Promise<void> {
    await this.#face.handle(protocol, async (bytes, peer) => {
      let size = 0
      let how: 'end' | 'reset' = 'end'
      try {
        for await (const chunk of bytes) {
          await bytes.send(chunk)
          size += chunk.length
        }
        await bytes.closeWrite()
      } catch {
        how = 'reset'
      }
      this.#tell({ event: 'echoed', peer, protocol, size, how })
    })
  }
}

async function answerWithSum(bytes: Bytes): Promise<void> {
  const hash = createHash('sha256')
  for await (const chunk of bytes) hash.update(chunk)
  await bytes.send(hash.digest())
  await bytes.closeWrite()
}

/** Sends all while it reads what comes back. @returns What `summarise` makes of it. */
async function exchange(bytes: Bytes, data: Uint8Array, signal: AbortSignal, summarise: (answer: Buffer) => Fields): Promise<Fields> {
  const reset = (): void => bytes.reset()
  signal.addEventListener('abort', reset)
  try {
    const [chunks] = await Promise.all([readAll(bytes), sendAll(bytes, data)])
    return summarise(Buffer.concat(chunks))
  } finally {
    signal.removeEventListener('abort', reset)
  }
}

async function readAll(bytes: Bytes): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) chunks.push(chunk)
  return chunks
}

async function sendAll(bytes: Bytes, data: Uint8Array): Promise<void> {
  for (let at = 0; at < data.length; at += CHUNK_BYTES) await bytes.send(data.subarray(at, at + CHUNK_BYTES))
  await bytes.closeWrite()
}

function digest(data: Uint8Array): Fields {
  return { size: data.length, sha256: createHash('sha256').update(data).digest('hex') }
}

async function provoke(bytes: Bytes): Promise<'end' | 'reset'> {
  try {
    await bytes.send(Uint8Array.of(1))
    for await (const _ of bytes);
    await bytes.closeWrite()
    return 'end'
  } catch {
    return 'reset'
  }
}

/** Ends an echo in its middle. */
async function resetEcho(bytes: Bytes): Promise<void> {
  await bytes.send(Uint8Array.of(1))
  for await (const _ of bytes) break
  bytes.reset()
}

async function ofDht(dht: DhtFace, command: Libp2pCommand, signal: AbortSignal): Promise<Fields | undefined> {
  const { cmd, key = '', peer = '', text = '', count = 1 } = command
  switch (cmd) {
    case 'routing-table':
      return { peers: dht.routingTable() }
    case 'provide':
      await dht.provide(key, signal)
      return {}
    case 'find-providers':
      return { peers: await firstOf(dht.findProviders(key, signal), count) }
    case 'find-peer':
      return { addresses: await dht.findPeer(peer, signal) }
    case 'put':
      await dht.put(key, Buffer.from(text), signal)
      return {}
    case 'get':
      return { text: Buffer.from(await dht.get(key, signal)).toString() }
    default:
      return undefined
  }
}

/** Different ones, `count` at most. */
async function firstOf(found: AsyncIterable<string>, count: number): Promise<string[]> {
  const peers = new Set<string>()
  for await (const peer of found) if (peers.add(peer).size >= count) break
  return [...peers]
}

async function ofPubsub(pubsub: PubsubFace, { cmd, topic = '', text = '' }: Libp2pCommand, tell: Tell): Promise<Fields | undefined> {
  switch (cmd) {
    case 'join':
      pubsub.join(topic, tell)
      return {}
    case 'publish':
      await pubsub.publish(topic, Buffer.from(text))
      return {}
    case 'subscribers':
      return { peers: pubsub.subscribers(topic) }
    default:
      return undefined
  }
}
