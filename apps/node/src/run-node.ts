import { nodeFromPeerId } from '@kumiko/identity'
import { type Host, type PeerEvent, sleep, systemClock } from '@kumiko/interface'
import { type Composed, compose, composeBootnode } from './compose.ts'
import type { NodeConfig } from './config/schema.ts'
import { openDataFolder } from './data-folder.ts'
import type { Discovery } from './discovery.ts'
import { listing, type Output, printable } from './output.ts'
import { VERSION } from './version.ts'

/** The count of nodes is looked at so often. */
const FOUND_MS = 5_000

/**
 * Runs a node until `signal` aborts.
 *
 * @throws KumikoError of the data folder, the key file, or the part that could not start.
 */
export async function runNode(config: NodeConfig, output: Output, signal: AbortSignal): Promise<void> {
  await using folder = await openDataFolder(config.dataDir)
  await run(await compose(config, folder), folder.path, output, signal)
}

/**
 * Runs a bootnode until `signal` aborts.
 *
 * @throws As {@link runNode}.
 */
export async function runBootnode(config: NodeConfig, output: Output, signal: AbortSignal): Promise<void> {
  await using folder = await openDataFolder(config.dataDir)
  await run(await composeBootnode(config, folder), folder.path, output, signal)
}

async function run({ host, discovery }: Composed, dataDir: string, output: Output, signal: AbortSignal): Promise<void> {
  host.connectionManager.subscribe((event) => tellPeer(host, event, output))
  await host.start()
  try {
    tellStarted(host, dataDir, output)
    // The enode and the ENR change when the record does.
    const quiet = host.identity.record.subscribe(() => tellRecord(host, output))
    await tellFound(discovery, output, signal)
    // A node that stops listens nowhere: its last record is nobody's to use.
    quiet()
  } finally {
    await host.stop()
  }
  if (output.isJson) output.json({ event: 'stopped', time: now() })
  else output.line(`${clockTime()}  stopped`)
}

function now(): string {
  return new Date(systemClock.now()).toISOString()
}

function clockTime(): string {
  return now().slice(11, 19)
}

function tellStarted(host: Host, dataDir: string, output: Output): void {
  const { enode, enr, nodeId, peerId } = host.identity
  const addresses = host.getMultiaddrs().map(String)
  if (output.isJson) {
    output.json({ event: 'started', time: now(), version: VERSION, dataDir, nodeId, peerId: peerId.toString(), enode, enr, addresses })
    return
  }
  const lines = listing([
    ['kumiko', VERSION],
    ['data', dataDir],
    ['enode', enode],
    ['enr', enr],
    ...addresses.map((address) => ['listens', address] as const),
  ])
  for (const line of lines) output.line(line)
}

function tellRecord(host: Host, output: Output): void {
  const { enode, enr, record } = host.identity
  if (output.isJson) output.json({ event: 'record', time: now(), seq: record.seq.toString(), enode, enr })
  else output.line(`${clockTime()}  record ${record.seq}: ${enode}`)
}

/** Tells how many nodes are known when that has changed, but not too often. */
async function tellFound(discovery: Discovery, output: Output, signal: AbortSignal): Promise<void> {
  let told = ''
  while (!signal.aborted) {
    const known = discovery.known()
    const text = Object.entries(known)
      .map(([name, count]) => `${count} by ${name}`)
      .join(', ')
    if (text !== told && Object.values(known).some((count) => count > 0 || told !== '')) {
      told = text
      if (output.isJson) output.json({ event: 'nodes', time: now(), known })
      else output.line(`${clockTime()}  nodes found: ${text}`)
    }
    await sleep(systemClock, FOUND_MS, signal).catch(() => {})
  }
}

function tellPeer({ connectionManager }: Host, event: PeerEvent, output: Output): void {
  if (event.type !== 'add' && event.type !== 'drop') return
  const peers = connectionManager.peers()
  const peerId = event.peerId.toString()
  const nodeId = nodeFromPeerId(event.peerId)?.nodeId
  const count = `${peers.length} ${peers.length === 1 ? 'peer' : 'peers'}`
  if (event.type === 'drop') {
    const { detail } = event
    if (output.isJson) output.json({ event: 'peer-dropped', time: now(), peerId, nodeId, detail, peers: peers.length })
    else
      output.line(
        `${clockTime()}  ${output.style('yellow', '−')} ${peerId}${detail === undefined ? '' : ` (${printable(detail)})`}, ${count}`,
      )
    return
  }
  const { stack, direction } = event
  const address = event.address.toString()
  const protocols = peers.find((peer) => peer.peerId.equals(event.peerId))?.connections.at(-1)?.protocols ?? []
  if (output.isJson)
    output.json({ event: 'peer-added', time: now(), peerId, nodeId, stack, direction, address, protocols, peers: peers.length })
  else output.line(`${clockTime()}  ${output.style('green', '+')} ${peerId} ${direction} ${address} ${protocols.join(' ')}, ${count}`)
}
