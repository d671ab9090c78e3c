import type { DiscoveryProtocol } from '@kumiko/interface'
import { ForeignChild, type Reply, type StartedProcess } from './foreign-child.ts'

/** How to start a discovery node of another implementation. */
export interface ForeignNodeOptions {
  /** Private key, 64 hex digits. Default: a fresh one. */
  readonly key?: string
  /** UDP port on 127.0.0.1. Default: any. */
  readonly port?: number
  /** Enode URLs or records, as the protocol has them. */
  readonly bootnodes?: readonly string[]
}

/** The distances of all nodes but one in 65,536. */
export const FAR: readonly number[] = Array.from({ length: 16 }, (_, index) => 256 - index)

/** What a node answers to a ping. */
export interface Pong {
  /** Its record's sequence number, where it says so. */
  readonly seq: bigint | undefined
  /** Where it saw the ping come from, where the implementation tells. */
  readonly ip: string | undefined
  readonly port: number | undefined
}

/** Who a node says it is now. */
export interface Self {
  readonly enode: string
  /** `enr:…`; undefined where it has no record. */
  readonly record: string | undefined
  readonly seq: bigint | undefined
}

/** What all discovery nodes can do, ours and those of others. Nodes are given as enode URLs or records, and told as public keys: 128 hex digits. */
export interface AnyNode {
  readonly id: string
  readonly enode: string
  /** As it was at first. */
  readonly record: string | undefined
  self(): Promise<Self>
  /** @throws Error where it is not answered. */
  ping(protocol: DiscoveryProtocol, node: string): Promise<Pong>
  /** Asks a node for its record. @throws Error where it is not answered. */
  requestRecord(protocol: DiscoveryProtocol, node: string): Promise<string>
  /** discv5: asks one node for nodes at distances. */
  findNodes(node: string, distances: readonly number[]): Promise<string[]>
  /** A lookup near a node's id. @param id - 128 hex digits. */
  lookup(protocol: DiscoveryProtocol, id: string): Promise<string[]>
  /** What the table holds. */
  table(protocol: DiscoveryProtocol): Promise<string[]>
  /** Sends a TALKREQ. @returns The response in hex. */
  talk(node: string, talk: string, hex: string): Promise<string>
  /** Answers TALKREQs of a protocol with its name and the request from now on. */
  serveTalk(talk: string): Promise<void>
  /** Puts one more entry into the record: its name is its value, too. */
  setEntry(entry: string): Promise<Self>
}

/** A discovery node of another implementation on 127.0.0.1. */
export class ForeignNode extends ForeignChild implements AnyNode {
  readonly enode: string
  readonly record: string | undefined

  /** @internal Use `startGoNode`, `startChainsafeNode` or `startEjsNode`. */
  constructor(started: StartedProcess) {
    super(started.process)
    this.enode = started.enode
    this.record = started.record
  }

  get id(): string {
    return idIn(this.enode)
  }

  async self(): Promise<Self> {
    return selfOf(await this.command({ cmd: 'self' }))
  }

  async ping(protocol: DiscoveryProtocol, node: string): Promise<Pong> {
    const { seq, ip, port } = await this.command({ cmd: 'ping', protocol, node })
    return { seq: numberOf(seq), ip: textOf(ip), port: typeof port === 'number' ? port : undefined }
  }

  async requestRecord(protocol: DiscoveryProtocol, node: string): Promise<string> {
    return String((await this.command({ cmd: 'request-record', protocol, node })).record)
  }

  async findNodes(node: string, distances: readonly number[]): Promise<string[]> {
    return idsOf(await this.command({ cmd: 'find-nodes', protocol: 'discv5', node, distances }))
  }

  async lookup(protocol: DiscoveryProtocol, id: string): Promise<string[]> {
    return idsOf(await this.command({ cmd: 'lookup', protocol, target: id }))
  }

  async table(protocol: DiscoveryProtocol): Promise<string[]> {
    return idsOf(await this.command({ cmd: 'table', protocol }))
  }

  async talk(node: string, talk: string, hex: string): Promise<string> {
    return String((await this.command({ cmd: 'talk', node, talk, hex })).hex)
  }

  async serveTalk(talk: string): Promise<void> {
    await this.command({ cmd: 'serve-talk', talk })
  }

  async setEntry(entry: string): Promise<Self> {
    return selfOf(await this.command({ cmd: 'set-entry', entry }))
  }
}

/** The public key in an enode URL. */
export function idIn(enode: string): string {
  return enode.slice('enode://'.length, 'enode://'.length + 128)
}

/** Command-line arguments that all discovery nodes understand. */
export function nodeArguments({ key, port, bootnodes = [] }: ForeignNodeOptions): string[] {
  return [
    ...(key === undefined ? [] : ['-key', key]),
    ...(port === undefined ? [] : ['-port', String(port)]),
    ...(bootnodes.length === 0 ? [] : ['-bootnodes', bootnodes.join(',')]),
  ]
}

function selfOf({ enode, record, seq }: Reply): Self {
  return { enode: String(enode), record: textOf(record), seq: numberOf(seq) }
}

function idsOf({ nodes }: Reply): string[] {
  return (nodes as string[]).map(idIn)
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function numberOf(value: unknown): bigint | undefined {
  return typeof value === 'number' || typeof value === 'string' ? BigInt(value) : undefined
}
