import { type Discv4, discv4 } from '@kumiko/discv4'
import { type Discv5, discv5 } from '@kumiko/discv5'
import { createHost } from '@kumiko/host'
import { createIdentity, curve, encodeRlp, enrTextOf, generateSecretKey, nodeIdOf, parseNode } from '@kumiko/identity'
import type { DiscoveryProtocol, Host, NodeRecord } from '@kumiko/interface'
import { type MachineUdpSocket, udpSocket } from '@kumiko/udp'
import { type AnyNode, FAR, type ForeignNodeOptions, idIn, type Pong, type Self } from './foreign-node.ts'

type Served = Host<{ discv4: Discv4; discv5: Discv5 }>

/** A Host of ours with both protocols on one socket, that does what a {@link AnyNode} does. */
export class OurNode implements AnyNode, AsyncDisposable {
  readonly host: Served
  readonly udp: MachineUdpSocket
  readonly enode: string
  readonly record: string | undefined

  /** Use {@link startOurNode}. */
  constructor(host: Served, udp: MachineUdpSocket) {
    this.host = host
    this.udp = udp
    this.enode = host.identity.enode
    this.record = enrTextOf(host.identity.record.node)
  }

  get id(): string {
    return idIn(this.enode)
  }

  async self(): Promise<Self> {
    const { record, enode } = this.host.identity
    return { enode, record: enrTextOf(record.node), seq: record.seq }
  }

  async ping(protocol: DiscoveryProtocol, node: string): Promise<Pong> {
    const answer = await this.host.services[protocol].ping(parseNode(node))
    const { enrSeq, endpoint } = told(answer, `pong of ${node}`)
    return { seq: enrSeq, ip: endpoint.ip, port: endpoint.udp }
  }

  async requestRecord(protocol: DiscoveryProtocol, node: string): Promise<string> {
    const record = await this.host.services[protocol].requestEnr(parseNode(node))
    return told(record === undefined ? undefined : enrTextOf(record), `record of ${node}`)
  }

  async findNodes(node: string, distances: readonly number[]): Promise<string[]> {
    return idsOf(told(await this.host.services.discv5.findNode(parseNode(node), distances), `nodes from ${node}`))
  }

  async lookup(protocol: DiscoveryProtocol, id: string): Promise<string[]> {
    const { discv4, discv5 } = this.host.services
    return idsOf(await (protocol === 'discv4' ? discv4.lookup(fromHex(id)) : discv5.lookup(nodeIdOf(fromHex(id)))))
  }

  async table(protocol: DiscoveryProtocol): Promise<string[]> {
    return idsOf(this.host.services[protocol].known())
  }

  /** What one node tells in one answer: nodes near to itself, or {@link FAR} from it. */
  async ask(protocol: DiscoveryProtocol, node: AnyNode): Promise<string[]> {
    if (protocol === 'discv5') return await this.findNodes(node.record ?? '', FAR)
    return idsOf(told(await this.host.services.discv4.findNode(parseNode(node.enode), fromHex(node.id)), `neighbors from ${node.enode}`))
  }

  async talk(node: string, talk: string, hex: string): Promise<string> {
    const response = await this.host.services.discv5.talkRequest(parseNode(node), talk, fromHex(hex))
    return Buffer.from(told(response, `response of ${node}`)).toString('hex')
  }

  async serveTalk(talk: string): Promise<void> {
    const name = Buffer.from(talk)
    this.host.services.discv5.talk.register(talk, (request) => Buffer.concat([name, request]))
  }

  async setEntry(entry: string): Promise<Self> {
    this.host.identity.record.setEntries({ [entry]: encodeRlp(Buffer.from(entry)) })
    return await this.self()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host.stop()
  }
}

/** How to start a node of ours. */
export interface OurNodeOptions extends ForeignNodeOptions {
  /** Addresses of the machine, at most one of each family. Default `127.0.0.1`. */
  readonly hosts?: readonly string[]
}

/** Starts a Host with discv4 and discv5. */
export async function startOurNode({ key, port = 0, hosts = ['127.0.0.1'], bootnodes = [] }: OurNodeOptions = {}): Promise<OurNode> {
  const udp = udpSocket({ port, hosts })
  const host = await createHost({
    identity: await createIdentity({ secretKey: key === undefined ? generateSecretKey() : new Uint8Array(Buffer.from(key, 'hex')) }),
    services: { discv4: discv4({ udp, bootnodes }), discv5: discv5({ udp, bootnodes }) },
    start: true,
  })
  return new OurNode(host, udp)
}

function told<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`no ${what}`)
  return value
}

function idsOf(nodes: readonly NodeRecord[]): string[] {
  return nodes.map(({ publicKey }) => Buffer.from(curve.expand(publicKey) ?? []).toString('hex'))
}

function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'))
}
