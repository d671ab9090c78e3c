// The child process of startChainsafeNode: one node of @chainsafe/discv5, driven by lines of JSON like the Go node.
import { ECDH, randomBytes } from 'node:crypto'
import type { Socket } from 'node:dgram'
import type { EventEmitter } from 'node:events'
import { parseArgs } from 'node:util'
import { type Discv5, Discv5Discovery } from '@chainsafe/discv5'
import { type BaseENR, ENR, IDScheme, nodeId, SignableENR } from '@chainsafe/enr'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import { event, type Fields, flags, serve } from './child-lines.ts'

interface Command {
  readonly id: number
  readonly cmd: string
  readonly node?: string
  readonly target?: string
  readonly distances?: number[]
  readonly talk?: string
  readonly hex?: string
  readonly entry?: string
}

/** From one random lookup to the next, where it has bootnodes; its default is 0. */
const SEARCH_MS = 1000

const { values: options } = parseArgs({
  args: flags(),
  options: { key: { type: 'string' }, port: { type: 'string', default: '0' }, bootnodes: { type: 'string', default: '' } },
})

const key = options.key === undefined ? randomBytes(32) : Buffer.from(options.key, 'hex')
const discovery = new Discv5Discovery({
  enr: SignableENR.createV4(key),
  privateKey: privateKeyFromRaw(key) as never, // of another version of @libp2p/interface
  bindAddrs: { ip4: `/ip4/127.0.0.1/udp/${options.port}` },
  bootEnrs: options.bootnodes.split(',').filter((enr) => enr !== ''),
  searchInterval: options.bootnodes === '' ? Number.POSITIVE_INFINITY : SEARCH_MS,
  enabled: true,
} as ConstructorParameters<typeof Discv5Discovery>[0])
const node: Discv5 = discovery.discv5
const served = new Set<string>()

interface TalkRequest {
  readonly id: Parameters<Discv5['sendTalkResp']>[1]
  readonly protocol: Uint8Array
  readonly request: Uint8Array
}

/** Its own type is not an emitter's where its dependency is of another module kind. */
const emitter = node as unknown as EventEmitter
emitter.on('talkReqReceived', (from: Parameters<Discv5['sendTalkResp']>[0], _enr: unknown, { id, protocol, request }: TalkRequest) => {
  const talk = Buffer.from(protocol).toString()
  if (!served.has(talk)) return
  event('talked', { talk, hex: Buffer.from(request).toString('hex') })
  void node.sendTalkResp(from, id, Buffer.concat([protocol, request]))
})

/** The port is known only now. */
function portOf(): number {
  const { transport } = node.sessionService as unknown as { transport: { ip4: { socket: Socket } } }
  return transport.ip4.socket.address().port
}

/** Between 33 and 65 bytes of public key; enode URLs leave out the first of the 65. */
const expandKey = (key: Uint8Array): string => ECDH.convertKey(key, 'secp256k1', undefined, 'hex', 'uncompressed').toString().slice(2)
const nodeIdOf = (id: string): string =>
  nodeId(IDScheme.v4, new Uint8Array(ECDH.convertKey(`04${id}`, 'secp256k1', 'hex', undefined, 'compressed') as Buffer))
const enodeOf = (enr: BaseENR): string => `enode://${expandKey(enr.publicKey)}@${enr.ip ?? ''}:${enr.udp ?? 0}`
const nodeList = (enrs: readonly BaseENR[]): Fields => ({ nodes: enrs.map(enodeOf) })
const remote = ({ node: text = '' }: Command): ENR => ENR.decodeTxt(text)
const self = (): Fields => ({ enode: enodeOf(node.enr), record: node.enr.encodeTxt(), seq: String(node.enr.seq) })

async function requestRecord(command: Command): Promise<Fields> {
  const [enr] = await node.sendFindNode(remote(command), [0])
  if (enr === undefined) throw new Error('no record')
  return { record: enr.encodeTxt(), seq: String(enr.seq) }
}

async function ping(command: Command): Promise<Fields> {
  const { enrSeq, addr } = await node.sendPing(remote(command))
  return { seq: String(enrSeq), ip: addr.ip.octets.join('.'), port: addr.port }
}

async function handle(command: Command): Promise<Fields> {
  switch (command.cmd) {
    case 'self':
      return self()
    case 'set-entry':
      node.enr.set(command.entry ?? '', Buffer.from(command.entry ?? ''))
      return self()
    case 'ping':
      return await ping(command)
    case 'request-record':
      return await requestRecord(command)
    case 'find-nodes':
      return nodeList(await node.sendFindNode(remote(command), command.distances ?? []))
    case 'lookup':
      return nodeList(await node.findNode(nodeIdOf(command.target ?? '')))
    case 'table':
      return nodeList(node.kadValues())
    case 'add':
      node.addEnr(remote(command))
      return {}
    case 'talk':
      return {
        hex: Buffer.from(await node.sendTalkReq(remote(command), Buffer.from(command.hex ?? '', 'hex'), command.talk ?? '')).toString(
          'hex',
        ),
      }
    case 'serve-talk':
      served.add(command.talk ?? '')
      return {}
    case 'quit':
      return {}
    default:
      throw new Error(`unknown command ${command.cmd}`)
  }
}

serve<Command>(handle)
await discovery.start()
node.enr.ip = '127.0.0.1'
node.enr.udp = portOf()
event('listening', self())
