import { nodeFromPeerId } from '@kumiko/identity'
import { type Host, type PeerEvent, systemClock } from '@kumiko/interface'
import { compose } from './compose.ts'
import type { NodeConfig } from './config/schema.ts'
import { openDataFolder } from './data-folder.ts'
import { listing, type Output, printable } from './output.ts'
import { aborted } from './stop-signal.ts'
import { VERSION } from './version.ts'

/**
 * Runs a node until `signal` aborts.
 *
 * @throws KumikoError of the data folder, the key file, or the part that could not start.
 */
export async function runNode(config: NodeConfig, output: Output, signal: AbortSignal): Promise<void> {
  await using folder = await openDataFolder(config.dataDir)
  const host = await compose(config, folder)
  host.connectionManager.subscribe((event) => tellPeer(host, event, output))
  await host.start()
  try {
    tellStarted(host, folder.path, output)
    // The enode and the ENR change when the record does.
    const quiet = host.identity.record.subscribe(() => tellRecord(host, output))
    await aborted(signal)
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
