// Our RLPx, both ends in this process over loopback TCP: `handshake-native`, `handshake-portable`, `messages SIZE`, `serve`.
import { randomBytes as draw } from 'node:crypto'
import { type Curve, curve, portableCurve } from '@kumiko/identity'
import { systemClock } from '@kumiko/interface'
import {
  acceptRlpx,
  type ConnectionOptions,
  connectRlpx,
  DEFAULT_TIMING,
  dialTcp,
  listenTcp,
  type RlpxConnection,
  randomBytes,
} from '@kumiko/rlpx'
import { Handover, heapBytes, ratePerCpuSecond } from '../measure.ts'

const BURST_BYTES = 1 << 21
/** As many identities as the other sides' benchmarks go round. */
const KEYS = 512

function optionsWith(on: Curve): ConnectionOptions {
  const secretKey = new Uint8Array(draw(32))
  const capabilities = [{ name: 'bench', version: 1, length: 8 }]
  const session = {
    curve: on,
    randomBytes,
    secretKey,
    publicKey: on.publicKey(secretKey),
    clientId: 'bench',
    listenPort: 0,
    capabilities,
    timing: DEFAULT_TIMING,
  }
  return { session, clock: systemClock }
}

async function pairs(server: ConnectionOptions) {
  const accepted = new Handover<RlpxConnection>()
  const listener = await listenTcp(
    '127.0.0.1',
    0,
    (stream) => void acceptRlpx(stream, server).then((connection) => accepted.put(connection)),
  )
  const connect = async (client: ConnectionOptions): Promise<[RlpxConnection, RlpxConnection]> => {
    const dialed = await connectRlpx(await dialTcp('127.0.0.1', listener.port), server.session.publicKey, client)
    return [dialed, await accepted.take()]
  }
  return { listener, connect }
}

async function handshakes(on: Curve, durationMs: number): Promise<number> {
  const clients = Array.from({ length: KEYS }, () => optionsWith(on))
  const { listener, connect } = await pairs(optionsWith(on))
  let next = 0
  const rate = await ratePerCpuSecond(durationMs, async () => {
    const ends = await connect(clients[next++ % KEYS] as ConnectionOptions)
    for (const end of ends) end.destroy()
    return 1
  })
  await listener.close()
  return rate
}

async function messages(size: number, durationMs: number): Promise<number> {
  const { listener, connect } = await pairs(optionsWith(curve))
  const [dialed, accepted] = await connect(optionsWith(curve))
  const [sending, receiving] = [dialed.channels[0]?.channel, accepted.channels[0]?.channel]
  if (sending === undefined || receiving === undefined) throw new Error('no shared capability')
  const payload = new Uint8Array(draw(size))
  const burst = Math.max(8, Math.ceil(BURST_BYTES / Math.max(size, 200)))
  const rate = await ratePerCpuSecond(durationMs, async () => {
    const done = Promise.withResolvers<void>()
    let count = 0
    receiving.onMessage = () => {
      if (++count === burst) done.resolve()
    }
    for (let i = 0; i < burst; i++) if (!sending.send(1, payload)) await sending.drain()
    await done.promise
    return burst
  })
  dialed.destroy()
  await listener.close()
  return rate
}

/** Serves idle peers to the parent process: it is told the port, and asks for the memory in use by a message. */
async function serve(): Promise<void> {
  const server = optionsWith(curve)
  const open: RlpxConnection[] = []
  const listener = await listenTcp('127.0.0.1', 0, (stream) => void acceptRlpx(stream, server).then((connection) => open.push(connection)))
  process.on('message', () => process.send?.({ bytes: heapBytes(), peers: open.length }))
  process.send?.({ port: listener.port, publicKey: Buffer.from(server.session.publicKey).toString('hex') })
}

const [what, ...rest] = process.argv.slice(2)
if (what === 'serve') await serve()
else if (what === 'messages') console.log(await messages(Number(rest[0]), Number(rest[1])))
else console.log(await handshakes(what === 'handshake-portable' ? portableCurve : curve, Number(rest[0])))
if (what !== 'serve') process.exit(0)
