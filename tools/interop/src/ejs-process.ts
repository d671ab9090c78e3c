// The child process of ejs-peer.ts: one RLPx server of @ethereumjs/devp2p, driven by lines of JSON like the Go peer.
import { createHash, randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { Common, Mainnet } from '@ethereumjs/common'
import { type Capabilities, type DISCONNECT_REASON, DisconnectReasonNames, Peer, RLPx, SNAP } from '@ethereumjs/devp2p'
import { compress } from 'snappyjs'
import { event, type Fields, flags, serve } from './child-lines.ts'
import { ECHO, ECHOED, type SendOptions, SINK } from './foreign-peer.ts'
import { payload } from './payload.ts'

type Command = { readonly id: number; readonly cmd: string; readonly enode?: string; readonly reason?: number } & Partial<SendOptions>

const DIAL_TIMEOUT_MS = 30_000
const SNAPPY_VERSION = 5

const { values: options } = parseArgs({
  args: flags(),
  options: {
    caps: { type: 'string', default: 'kecho/1/4' },
    key: { type: 'string' },
    'max-peers': { type: 'string', default: '50' },
    client: { type: 'string', default: 'ejs-peer/ethereumjs-devp2p' },
  },
})

const channels = new Map<Peer, Channel[]>()
const sunk = new Map<string, { count: number; bytes: number }>()
const added = new Set<Peer>()
const inbound = new WeakSet<Socket>()
/** Dials under way, by the id dialed. */
const dials = new Map<string, (error?: Error) => void>()

/** One capability with one peer. It builds on SNAP, the one protocol class that is exported and expects no Status in time. */
abstract class Channel extends SNAP {
  abstract readonly capability: string
  abstract readonly length: number

  constructor(version: number, peer: Peer, send: (code: number, data: Uint8Array) => void) {
    super(version, peer, send)
    channels.set(peer, [...(channels.get(peer) ?? []), this])
  }

  override _handleMessage(code: number, data: Uint8Array): void {
    if (code === SINK) {
      countSunk(this.capability, data.length)
      return
    }
    const sha256 = createHash('sha256').update(data).digest('hex')
    event('message', { peer: idOf(this._peer), cap: this.capability, code, size: data.length, sha256 })
    if (code === ECHO && this.length > ECHOED) void this.transmit(ECHOED, data)
  }

  /** No peer means any, no capability means any. */
  serves(peer: string | undefined, capability: string | undefined): boolean {
    return added.has(this._peer) && (peer ?? idOf(this._peer)) === idOf(this._peer) && (capability ?? this.capability) === this.capability
  }

  /** Compression is left to protocols in this library; decompression is not. Resolves when the socket has caught up. */
  async transmit(code: number, data: Uint8Array): Promise<void> {
    if (code >= this.length) throw new Error(`code ${code} is not one of ${this.length}`)
    const compressed = (this._peer.getHelloMessage()?.protocolVersion ?? 0) >= SNAPPY_VERSION
    this._send(code, compressed ? compress(data) : data)
    const socket = socketOf(this._peer)
    if (socket.writableNeedDrain) await Promise.race(['drain', 'close'].map((name) => new Promise((resolve) => socket.once(name, resolve))))
  }
}

/** Shows what the library keeps to itself. */
class Server extends RLPx {
  get port(): number {
    const address = this._server?.address()
    return typeof address === 'object' ? (address?.port ?? 0) : 0
  }

  override _onConnect(socket: Socket, peerId: Uint8Array | null): void {
    socket.setNoDelay(true) // else each message waits for a delayed acknowledgement: header and body are separate writes
    if (peerId === null) inbound.add(socket)
    super._onConnect(socket, peerId)
  }
}

/** Reads what is protected in Peer. */
const socketOf = (peer: Peer): Socket => (peer as unknown as { _socket: Socket })._socket
const ending = (peer: Peer): { readonly reason: DISCONNECT_REASON | undefined; readonly byUs: boolean | null } => {
  const { _disconnectReason, _disconnectWe } = peer as unknown as { _disconnectReason?: DISCONNECT_REASON; _disconnectWe: boolean | null }
  return { reason: _disconnectReason, byUs: _disconnectWe }
}

const hex = (bytes: Uint8Array | null): string => (bytes === null ? '' : Buffer.from(bytes).toString('hex'))
const idOf = (peer: Peer): string => hex(peer.getId())
const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))
const remoteOf = (peer: Peer): string => `${socketOf(peer).remoteAddress}:${socketOf(peer).remotePort}`
const reasonName = (reason: DISCONNECT_REASON | undefined): string =>
  reason === undefined ? 'closed' : (DisconnectReasonNames[reason] ?? `reason ${reason}`)
const reasonFields = (reason: DISCONNECT_REASON | undefined): Fields => ({
  error: reasonName(reason),
  ...(reason === undefined ? {} : { reason }),
})

function countSunk(capability: string, bytes: number): void {
  const tally = sunk.get(capability) ?? { count: 0, bytes: 0 }
  sunk.set(capability, { count: tally.count + 1, bytes: tally.bytes + bytes })
}

function parseCaps(text: string): Capabilities[] {
  return text.split(',').map((item) => {
    const [name = '', version, size] = item.split('/')
    const length = Number(size)
    const ChannelOfIts = class extends Channel {
      override readonly capability = name
      override readonly length = length
    }
    return { name, version: Number(version), length, constructor: ChannelOfIts }
  })
}

const server = new Server(options.key === undefined ? new Uint8Array(randomBytes(32)) : fromHex(options.key), {
  maxPeers: Number(options['max-peers']),
  capabilities: parseCaps(options.caps),
  clientId: new TextEncoder().encode(options.client),
  common: new Common({ chain: Mainnet }),
  listenPort: null,
  timeout: DIAL_TIMEOUT_MS,
})

server.events.on('error', (error) => process.stderr.write(`ejs-peer: ${error.message}\n`))
server.events.on('peer:error', () => {}) // followed by a disconnect
server.events.on('peer:added', (peer) => {
  added.add(peer)
  const hello = peer.getHelloMessage()
  event('added', {
    peer: idOf(peer),
    client: hello?.clientId ?? '',
    inbound: inbound.has(socketOf(peer)),
    caps: hello?.capabilities.map(({ name, version }) => `${name}/${version}`) ?? [],
    remote: remoteOf(peer),
  })
  dials.get(idOf(peer))?.()
})

// This library tells of no connection that ends before both Hellos are through, so its end is watched here.
const onSocketClose = Peer.prototype._onSocketClose
Peer.prototype._onSocketClose = function (this: Peer) {
  onSocketClose.call(this)
  const { reason, byUs } = ending(this)
  const isInbound = inbound.has(socketOf(this))
  channels.delete(this)
  if (added.delete(this)) return event('dropped', { peer: idOf(this), requested: byUs === false, ...reasonFields(reason) })
  event('refused', { stage: this.getHelloMessage() === null ? 'hello' : 'admission', inbound: isInbound, ...reasonFields(reason) })
  if (!isInbound) dials.get(idOf(this))?.(Object.assign(new Error(`refused: ${reasonName(reason)}`), { reason }))
}

const onPong = Peer.prototype._handlePong
Peer.prototype._handlePong = function (this: Peer) {
  onPong.call(this)
  event('pong', { peer: idOf(this) })
}

/** Pings at once; by itself this library does so every 15 s. */
function ping(): void {
  for (const peer of added) peer._sendPing()
}

/** Resolves when the peer is added; rejects when its socket closes before. */
async function dial(enode: string): Promise<Fields> {
  const url = new URL(enode)
  const peer = url.username
  if (url.hostname !== '127.0.0.1') throw new Error('only loopback is dialed')
  const done = new Promise<void>((resolve, reject) => dials.set(peer, (error) => (error === undefined ? resolve() : reject(error))))
  done.catch(() => {}) // connect() may have failed by then
  try {
    await server.connect({ id: fromHex(peer), address: url.hostname, tcpPort: Number(url.port) })
    await done
    return { peer }
  } finally {
    dials.delete(peer)
  }
}

async function send({ cap, code = 0, size = 0, seed = 0, count = 1, peer }: Partial<SendOptions>): Promise<void> {
  const channel = [...channels.values()].flat().find((each) => each.serves(peer, cap))
  if (channel === undefined) throw new Error(`no peer ${peer} with capability ${cap}`)
  for (let i = 0; i < count; i++) await channel.transmit(code, payload(seed + i, size))
}

function disconnect(reason: number, id: string | undefined): void {
  const peer = [...added].find((each) => id === undefined || idOf(each) === id)
  if (peer === undefined) throw new Error(`no peer ${id}`)
  peer.disconnect(reason as DISCONNECT_REASON)
}

function peers(): Fields[] {
  return [...added].map((peer) => ({ id: idOf(peer), name: peer.getHelloMessage()?.clientId, remote: remoteOf(peer) }))
}

/** Tells its peers, then ends. */
async function quit(): Promise<void> {
  server.destroy()
  await new Promise((resolve) => setTimeout(resolve, 100))
}

async function handle(command: Command): Promise<Fields> {
  switch (command.cmd) {
    case 'dial':
      return await dial(command.enode ?? '')
    case 'send':
      await send(command)
      return {}
    case 'disconnect':
      disconnect(command.reason ?? 0, command.peer)
      return {}
    case 'ping':
      ping()
      return {}
    case 'peers':
      return { peers: peers() }
    case 'stats':
      return { sunk: Object.fromEntries(sunk) }
    case 'quit':
      await quit()
      return {}
    default:
      throw new Error(`unknown command ${command.cmd}`)
  }
}

serve<Command>(handle)

server.events.once('listening', () => event('listening', { enode: `enode://${hex(server.id)}@127.0.0.1:${server.port}` }))
server.listen(0, '127.0.0.1')
