// @ethereumjs/devp2p's discv4, both ends in this process over loopback UDP: pings until told to stop.
import { randomBytes } from 'node:crypto'
import { Common, Mainnet } from '@ethereumjs/common'
import { DPT, type PeerInfo } from '@ethereumjs/devp2p'
import { curve } from '@kumiko/identity'
import { ratePerCpuSecond } from '../measure.ts'

interface Server {
  readonly _socket: { address(): { readonly port: number } }
  readonly _requestsCache: { clear(): void }
  ping(peer: PeerInfo): Promise<PeerInfo>
}

interface Node {
  readonly dpt: DPT
  readonly server: Server
  readonly info: PeerInfo
}

const common = new Common({ chain: Mainnet })

async function start(): Promise<Node> {
  const secretKey = new Uint8Array(randomBytes(32))
  const dpt = new DPT(secretKey, { endpoint: { address: '127.0.0.1', udpPort: 0, tcpPort: 0 }, refreshInterval: 1 << 30, common })
  dpt.events.on('error', () => {})
  // What the library keeps to itself: its server, and the answers it would give instead of pinging again.
  const server = (dpt as unknown as { readonly _server: Server & { readonly events: DPT['events'] } })._server
  dpt.bind(0, '127.0.0.1')
  await new Promise((resolve) => server.events.once('listening', () => resolve(undefined)))
  const { port } = server._socket.address()
  return { dpt, server, info: { id: curve.publicKey(secretKey), address: '127.0.0.1', udpPort: port, tcpPort: 0 } }
}

const from = await start()
const others = await Promise.all(Array.from({ length: 16 }, start))
const rate = await ratePerCpuSecond(Number(process.argv[2]), async () => {
  from.server._requestsCache.clear()
  await Promise.all(others.map(({ info }) => from.server.ping(info)))
  return others.length
})
console.log(rate)
process.exit(0)
