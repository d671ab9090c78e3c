// @ethereumjs/devp2p, both ends in this process over loopback TCP: `handshake`, `messages SIZE`, `serve`.
import { randomBytes } from 'node:crypto'
import { connect as connectTcp, type Socket } from 'node:net'
import { Common, Mainnet } from '@ethereumjs/common'
import { type Capabilities, Peer, RLPx, SNAP } from '@ethereumjs/devp2p'
import { curve } from '@kumiko/identity'
import { compress } from 'snappyjs'
import { Handover, heapBytes, ratePerCpuSecond } from '../measure.ts'

const BURST_BYTES = 1 << 19
const KEYS = 512
const common = new Common({ chain: Mainnet })
let received: () => void = () => {}

/** The library's shortest protocol class, without its checks. Compression is left to protocols; so is what little is done with a message. */
class Bench extends SNAP {
  override _handleMessage(): void {
    received()
  }

  transmit(code: number, payload: Uint8Array): void {
    this._send(code, compress(payload))
  }
}

const capabilities: Capabilities[] = [{ name: 'bench', version: 1, length: 8, constructor: Bench }]

/** Shows what the library keeps to itself. */
class Server extends RLPx {
  get port(): number {
    const address = this._server?.address()
    return typeof address === 'object' ? (address?.port ?? 0) : 0
  }
  override _onConnect(socket: Socket, peerId: Uint8Array | null): void {
    socket.setNoDelay(true)
    super._onConnect(socket, peerId)
  }
}

const socketOf = (peer: Peer): Socket => (peer as unknown as { _socket: Socket })._socket
const protocolsOf = (peer: Peer): { protocol: Bench }[] => (peer as unknown as { _protocols: { protocol: Bench }[] })._protocols

function newKey(): { secretKey: Uint8Array; id: Uint8Array } {
  const secretKey = new Uint8Array(randomBytes(32))
  return { secretKey, id: curve.publicKey(secretKey) }
}

async function start(): Promise<{ server: Server; id: Uint8Array; accepted: Handover<Peer> }> {
  const { secretKey, id } = newKey()
  const server = new Server(secretKey, { maxPeers: 100_000, capabilities, common, listenPort: null, timeout: 30_000 })
  const accepted = new Handover<Peer>()
  server.events.on('error', () => {})
  server.events.on('peer:error', () => {})
  server.events.on('peer:added', (peer) => accepted.put(peer))
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.events.once('listening', () => resolve(undefined)))
  return { server, id, accepted }
}

async function dial(port: number, remoteId: Uint8Array, key: { secretKey: Uint8Array; id: Uint8Array }): Promise<Peer> {
  const socket = connectTcp({ port, host: '127.0.0.1', noDelay: true })
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  const peer = new Peer({
    socket,
    remoteId,
    privateKey: key.secretKey,
    id: key.id,
    timeout: 30_000,
    clientId: new TextEncoder().encode('bench'),
    capabilities,
    common,
    port: null as unknown as number,
  })
  peer.events.on('error', () => {})
  await new Promise((resolve) => peer.events.once('connect', () => resolve(undefined)))
  return peer
}

async function handshakes(durationMs: number): Promise<number> {
  const { server, id, accepted } = await start()
  const keys = Array.from({ length: KEYS }, newKey)
  let next = 0
  return await ratePerCpuSecond(durationMs, async () => {
    const dialed = await dial(server.port, id, keys[next++ % KEYS] as (typeof keys)[number])
    const inbound = await accepted.take()
    socketOf(dialed).destroy()
    socketOf(inbound).destroy()
    return 1
  })
}

async function messages(size: number, durationMs: number): Promise<number> {
  const { server, id, accepted } = await start()
  const dialed = await dial(server.port, id, newKey())
  await accepted.take()
  const protocol = protocolsOf(dialed)[0]?.protocol
  if (protocol === undefined) throw new Error('no shared capability')
  const payload = new Uint8Array(randomBytes(size))
  const burst = Math.max(8, Math.ceil(BURST_BYTES / Math.max(size, 400)))
  return await ratePerCpuSecond(durationMs, async () => {
    const done = Promise.withResolvers<void>()
    let count = 0
    received = () => {
      if (++count === burst) done.resolve()
    }
    for (let i = 0; i < burst; i++) {
      protocol.transmit(1, payload)
      const socket = socketOf(dialed)
      if (socket.writableNeedDrain) await new Promise((resolve) => socket.once('drain', resolve))
    }
    await done.promise
    return burst
  })
}

async function serve(): Promise<void> {
  const { server, id } = await start()
  process.on('message', () => process.send?.({ bytes: heapBytes(), peers: server.getPeers().length }))
  process.send?.({ port: server.port, publicKey: Buffer.from(id).toString('hex') })
}

const [what, ...rest] = process.argv.slice(2)
if (what === 'serve') await serve()
else if (what === 'messages') console.log(await messages(Number(rest[0]), Number(rest[1])))
else console.log(await handshakes(Number(rest[0])))
if (what !== 'serve') process.exit(0)
