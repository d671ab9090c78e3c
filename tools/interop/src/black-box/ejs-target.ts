import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { DPT, type PeerInfo } from '@ethereumjs/devp2p'
import { curve, formatEnode, generateSecretKey, parseNode } from '@kumiko/identity'
import type { RunningTarget, Target } from './bench.ts'

const HOST = '127.0.0.1'

/** Beyond any test: it would ask nodes of its table in between, and a check that takes the next packet would take that. */
const REFRESH_MS = 24 * 3_600_000

/** The DPT of `@ethereumjs/devp2p`: discv4 without records. */
export const ejsTarget: Target = { start }

async function start(bootnodes: readonly string[]): Promise<RunningTarget> {
  const socket = createSocket('udp4')
  const key = generateSecretKey()
  const endpoint: PeerInfo = { address: HOST, udpPort: null, tcpPort: null }
  const dpt = new DPT(key, { createSocket: () => socket, endpoint, refreshInterval: REFRESH_MS })
  dpt.events.on('error', () => {}) // whatever does not decode
  dpt.bind(0, HOST)
  await once(socket, 'listening')
  const { port } = socket.address()
  endpoint.udpPort = port
  for (const bootnode of bootnodes) void dpt.bootstrap(peerOf(bootnode))
  return {
    enode: formatEnode({ publicKey: curve.compress(curve.publicKey(key)), host: HOST, udp: port, tcp: port }),
    record: undefined,
    async [Symbol.asyncDispose]() {
      const closed = once(socket, 'close')
      dpt.destroy()
      await closed
    },
  }
}

function peerOf(enode: string): PeerInfo {
  const { publicKey, endpoints } = parseNode(enode)
  const { host = HOST, udp = 0 } = endpoints[0] ?? {}
  return { id: curve.expand(publicKey) ?? new Uint8Array(), address: host, udpPort: udp, tcpPort: udp }
}
