import { fileURLToPath } from 'node:url'
import type { DiscoveryProtocol } from '@kumiko/interface'
import { startProcess } from './foreign-child.ts'
import { ForeignNode, type ForeignNodeOptions, nodeArguments } from './foreign-node.ts'
import { goPeerProgram } from './go-build.ts'

/** How to start a go-ethereum node. */
export interface GoNodeOptions extends ForeignNodeOptions {
  /** Default both, on one socket. */
  readonly protocols?: readonly DiscoveryProtocol[]
  /** Default `127.0.0.1`. */
  readonly host?: '127.0.0.1' | '::1'
  /** Mean time between checks of the nodes that it knows. Default 3,000, as in geth. */
  readonly pingMs?: number
}

/** go-ethereum's `p2p/discover`. @throws Error where Go is not installed. */
export async function startGoNode({
  protocols = ['discv4', 'discv5'],
  host = '127.0.0.1',
  pingMs,
  ...options
}: GoNodeOptions = {}): Promise<ForeignNode> {
  const program = await goPeerProgram()
  if (program === undefined) throw new Error('Go is not installed')
  const pings = pingMs === undefined ? [] : ['-ping-ms', String(pingMs)]
  return new ForeignNode(
    await startProcess(program, ['-discover', protocols.join(','), '-host', host, ...pings, ...nodeArguments(options)]),
  )
}

/**
 * `@chainsafe/discv5`. Its ways: a TALKREQ that nobody serves is not answered, each packet of an unknown node gets a new WHOAREYOU, and it
 * answers FINDNODE with nodes that it has not checked.
 */
export async function startChainsafeNode(options: ForeignNodeOptions = {}): Promise<ForeignNode> {
  return await startScript(fileURLToPath(new URL('./chainsafe-process.ts', import.meta.url)), options)
}

/**
 * The DPT of `@ethereumjs/devp2p`: discv4 without records, lookups and endpoint proof. Its ways: it answers to the `from` of a ping and never
 * tells the ids in NEIGHBORS, so that it cannot say what it was told but by whom it then reached.
 */
export async function startEjsNode(options: ForeignNodeOptions = {}): Promise<ForeignNode> {
  return await startScript(fileURLToPath(new URL('./ejs-node-process.ts', import.meta.url)), options)
}

async function startScript(path: string, options: ForeignNodeOptions): Promise<ForeignNode> {
  return new ForeignNode(await startProcess(process.execPath, [path, ...nodeArguments(options)]))
}
