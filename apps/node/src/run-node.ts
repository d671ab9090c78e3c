import { nodeFromPeerId } from '@kumiko/identity'
import { type Host, type PeerEvent, sleep, systemClock } from '@kumiko/interface'
import { printable, VERSION } from '@kumiko/terminal'
import { openDataFolder } from '@kumiko/terminal/data-folder'
import { type Composed, compose, composeBootnode } from './compose.ts'
import type { NodeConfig } from './config/schema.ts'
import { controlPath } from './control/endpoint.ts'
import { p2pMethods } from './control/p2p-methods.ts'
import { ControlServer } from './control/server.ts'
import { areOutside, type Discovery } from './discovery.ts'
import { listing, now, type Output } from './output.ts'

/** The count of nodes is looked at so often. */
const FOUND_MS = 5_000

/** A bootnode that is up has answered by then. */
const SILENCE_MS = 10_000

/**
 * Runs a node until `signal` aborts.
 *
 * @throws KumikoError of the data folder, the key file, or the part that could not start.
 */
export async function runNode(config: NodeConfig, output: Output, signal: AbortSignal): Promise<void> {
  await using folder = await openDataFolder(config.dataDir, (text) => output.warn(`kumiko: ${text}`))
  await run(config, await compose(config, folder), output, signal)
}

/**
 * Runs a bootnode until `signal` aborts.
 *
 * @throws As {@link runNode}.
 */
export async function runBootnode(config: NodeConfig, output: Output, signal: AbortSignal): Promise<void> {
  await using folder = await openDataFolder(config.dataDir, (text) => output.warn(`kumiko: ${text}`))
  await run(config, await composeBootnode(config, folder), output, signal)
}

async function run(config: NodeConfig, { host, discovery }: Composed, output: Output, signal: AbortSignal): Promise<void> {
  const isNobodyAsked = areOutside(discovery.bootnodes, config.netRestrict)
  if (isNobodyAsked) output.warn(`kumiko: all bootnodes are outside of netRestrict ${config.netRestrict.join(',')}, and will not be asked`)
  host.connectionManager.subscribe((event) => tellPeer(host, event, output))
  await host.start()
  try {
    await using control = new ControlServer(controlPath(config.dataDir), p2pMethods(host))
    await control.listen()
    tellStarted(host, discovery, config.dataDir, output)
    // The enode and the ENR change when the record does.
    const quiet = host.identity.record.subscribe(() => tellRecord(host, output))
    await tellFound(discovery, isNobodyAsked ? 0 : discovery.bootnodes.length, output, signal)
    // A node that stops listens nowhere: its last record is nobody's to use.
    quiet()
  } finally {
    await host.stop()
  }
  if (output.isJson) output.json({ event: 'stopped', time: now() })
  else output.line(`${clockTime()}  stopped`)
}

function clockTime(): string {
  return now().slice(11, 19)
}

function tellStarted(host: Host, { udp }: Discovery, dataDir: string, output: Output): void {
  const { enode, enr, nodeId, peerId } = host.identity
  const addresses = host.getMultiaddrs().map(String)
  const discoveryAddresses = ([4, 6] as const).flatMap((family) => {
    const local = udp.local(family)
    return local === undefined ? [] : [`/ip${family}/${local.ip}/udp/${local.port}`]
  })
  if (output.isJson) {
    const ids = { nodeId, peerId: peerId.toString(), enode, enr }
    output.json({ event: 'started', time: now(), version: VERSION, dataDir, ...ids, addresses, discoveryAddresses })
    return
  }
  const lines = listing([
    ['kumiko', VERSION],
    ['data', dataDir],
    ['enode', enode],
    ['enr', enr],
    ...[...addresses, ...discoveryAddresses].map((address) => ['listens', address] as const),
  ])
  for (const line of lines) output.line(line)
}

function tellRecord(host: Host, output: Output): void {
  const { enode, enr, record } = host.identity
  if (output.isJson) output.json({ event: 'record', time: now(), seq: record.seq.toString(), enode, enr })
  else output.line(`${clockTime()}  record ${record.seq}: ${enode}`)
}

/** Tells how many nodes are known when that has changed, but not too often, and once that no bootnode answers. */
async function tellFound(discovery: Discovery, bootnodes: number, output: Output, signal: AbortSignal): Promise<void> {
  let told = ''
  let silentAt = bootnodes === 0 ? Number.POSITIVE_INFINITY : systemClock.now() + SILENCE_MS
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
    if (told !== '') silentAt = Number.POSITIVE_INFINITY
    if (systemClock.now() >= silentAt) {
      silentAt = Number.POSITIVE_INFINITY
      output.warn(`kumiko: ${silence(bootnodes)}, and UDP let through?`)
    }
    await sleep(systemClock, FOUND_MS, signal).catch(() => {})
  }
}

function silence(bootnodes: number): string {
  const who = bootnodes === 1 ? 'the bootnode has' : `none of ${bootnodes} bootnodes has`
  return `${who} not answered yet, and is asked again: is its URL right, is it up`
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
  else output.line(`${clockTime()}  ${output.style('green', '+')} ${peerId} ${[direction, address, ...protocols].join(' ')}, ${count}`)
}
