// The child process of startEjsNode: one DPT of @ethereumjs/devp2p (discv4), driven by lines of JSON like the Go node.
import { randomBytes } from 'node:crypto'
import { createSocket, type RemoteInfo } from 'node:dgram'
import { parseArgs } from 'node:util'
import { DPT, type PeerInfo } from '@ethereumjs/devp2p'
import { event, type Fields, flags, serve } from './child-lines.ts'

interface Command {
  readonly id: number
  readonly cmd: string
  readonly node?: string
  readonly target?: string
}

/** How long NEIGHBORS are waited for: it knows no end of them. */
const NEIGHBORS_MS = 1000
/** A tenth of it is how often it asks a tenth of its table, where it has bootnodes; its default is 60,000. */
const REFRESH_MS = 5000
/** Otherwise it asks when it is told to. */
const NEVER_MS = 2 ** 31 - 1

const { values: options } = parseArgs({
  args: flags(),
  options: { key: { type: 'string' }, port: { type: 'string', default: '0' }, bootnodes: { type: 'string', default: '' } },
})

const socket = createSocket('udp4')
/** It puts this into its pings; the port is filled in when it is known. */
const endpoint: PeerInfo = { address: '127.0.0.1', udpPort: null, tcpPort: null }
const dpt = new DPT(options.key === undefined ? randomBytes(32) : Buffer.from(options.key, 'hex'), {
  endpoint,
  createSocket: () => socket,
  refreshInterval: options.bootnodes === '' ? NEVER_MS : REFRESH_MS,
  timeout: 2000,
})
dpt.events.on('error', (error) => process.stderr.write(process.env.DEBUG === undefined ? '' : `ejs-node: ${error.message}\n`))

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex')
const enodeOf = ({ id, address, udpPort }: PeerInfo): string => `enode://${hex(id)}@${address}:${udpPort}`
const self = (): Fields => ({ enode: enodeOf({ ...endpoint, ...(dpt.id === undefined ? {} : { id: dpt.id }) }) })

function peerOf(enode: string): PeerInfo {
  const { username, hostname, port, searchParams } = new URL(enode)
  const udpPort = Number(searchParams.get('discport') ?? port)
  // a port 0 would be written as two zero bytes, which is no number in RLP
  return { id: new Uint8Array(Buffer.from(username, 'hex')), address: hostname, udpPort, tcpPort: Number(port) || null }
}

/** Pings always: addPeer() does so only where the peer is not in the table. */
async function ping(enode: string): Promise<Fields> {
  const peer = await server().ping(peerOf(enode))
  dpt.events.emit('peer:new', peer)
  await dpt.addPeer(peer)
  if (hex(peer.id) !== hex(peerOf(enode).id)) throw new Error(`answered by ${hex(peer.id)}`)
  return {}
}

/** @returns Where the nodes are that this node told of: the library forgets their ids. */
async function findNodes({ node = '', target = '' }: Command): Promise<Fields> {
  const peer = peerOf(node)
  const endpoints: string[] = []
  const told = (peers: readonly PeerInfo[]): void => {
    if (senderPort === peer.udpPort) endpoints.push(...peers.map(({ address, udpPort }) => `${address}:${udpPort}`))
  }
  server().events.on('peers', told)
  server().findneighbours(peer, new Uint8Array(Buffer.from(target, 'hex')))
  await new Promise((resolve) => setTimeout(resolve, NEIGHBORS_MS))
  server().events.off('peers', told)
  return { endpoints }
}

/** Whose packet is being handled. */
let senderPort: number | undefined

/** The library does not say whose NEIGHBORS they are. */
function watchSenders(): void {
  const library = server()
  const handle = library._handler
  library._handler = (packet, from) => {
    senderPort = from.port
    try {
      handle.call(library, packet, from)
    } finally {
      senderPort = undefined
    }
  }
}

interface Server {
  readonly events: {
    on(name: 'peers', told: (peers: PeerInfo[]) => void): void
    off(name: 'peers', told: (peers: PeerInfo[]) => void): void
  }
  _handler(packet: Uint8Array, from: RemoteInfo): void
  ping(peer: PeerInfo): Promise<PeerInfo>
  findneighbours(peer: PeerInfo, target: Uint8Array): void
}

/** Reads what is private in DPT. */
function server(): Server {
  return (dpt as unknown as { _server: Server })._server
}

async function handle(command: Command): Promise<Fields> {
  switch (command.cmd) {
    case 'self':
      return self()
    case 'ping':
      return await ping(command.node ?? '')
    case 'find-nodes':
      return await findNodes(command)
    case 'table':
      return { nodes: dpt.getPeers().map(enodeOf) }
    case 'quit':
      return {}
    default:
      throw new Error(`unknown command ${command.cmd}`)
  }
}

watchSenders()
serve<Command>(handle)
dpt.events.once('listening', () => {
  endpoint.udpPort = socket.address().port
  event('listening', self())
  for (const bootnode of options.bootnodes.split(',')) if (bootnode !== '') void dpt.bootstrap(peerOf(bootnode))
})
dpt.bind(Number(options.port), '127.0.0.1')
