import { FabricPeer } from '@kumiko/fabric-peer'
import { systemClock } from '@kumiko/interface'
import { Logging, Operations, PrometheusMetrics } from '@kumiko/operations'
import { listing, type Output } from '../output.ts'
import { aborted } from '../stop-signal.ts'
import { VERSION } from '../version.ts'
import type { CoreConfig } from './core-config.ts'
import { peerChaincode } from './peer-chaincode.ts'
import { operationsTls, peerOptions } from './peer-options.ts'

/** What {@link runPeer} is to run. */
export interface RunPeerOptions {
  readonly core: CoreConfig
  /** As Fabric's `FABRIC_LOGGING_SPEC`. */
  readonly logSpec: string | undefined
  readonly output: Output
  /** Ends the peer. */
  readonly signal: AbortSignal
}

/**
 * Runs the peer that `core.yaml` describes, until the signal aborts. In Fabric's order: operations first, and last.
 * @throws KumikoError of what is wrong with the configuration, or of the part that could not start: nothing is up then.
 * @see Fabric `internal/peer/node/start.go`
 */
export async function runPeer({ core, logSpec, output, signal }: RunPeerOptions): Promise<void> {
  const logging = new Logging(logSpec === undefined ? {} : { spec: logSpec })
  const metrics = core['metrics.provider'] === 'prometheus' ? new PrometheusMetrics() : undefined
  const options = await peerOptions(core)
  const peer = new FabricPeer({ ...options, chaincode: peerChaincode(core, logging), logger: logging, ...(metrics && { metrics }) })
  const operations = await operationsOf(core, peer, logging, metrics)
  await operations.start()
  try {
    await peer.start()
    try {
      tellStarted(core, peer, operations, output)
      await aborted(signal)
    } finally {
      await peer.stop()
    }
  } finally {
    await operations.stop()
  }
  if (output.isJson) output.json({ event: 'stopped', time: new Date(systemClock.now()).toISOString() })
  else output.line('stopped')
}

async function operationsOf(
  core: CoreConfig,
  peer: FabricPeer,
  logging: Logging,
  metrics: PrometheusMetrics | undefined,
): Promise<Operations> {
  const tls = await operationsTls(core)
  return new Operations({
    listen: core['operations.listenAddress'],
    ...(tls && { tls }),
    ...(metrics && { metrics }),
    logging,
    version: { version: VERSION },
    profiles: core['peer.profile.enabled'],
    checks: { peer: () => peer.checkHealth() },
  })
}

function tellStarted(core: CoreConfig, peer: FabricPeer, operations: Operations, output: Output): void {
  const channels = peer.channels().map((channelId) => ({ channel: channelId, height: Number(peer.channel(channelId)?.height ?? 0n) }))
  const fields = {
    version: VERSION,
    mspId: peer.mspId,
    dataDir: core['peer.fileSystemPath'],
    address: peer.address,
    chaincodeAddress: peer.chaincodeAddress ?? null,
    operationsAddress: operations.address ?? null,
    tls: core['peer.tls.enabled'],
    channels,
  }
  if (output.isJson) {
    output.json({ event: 'started', time: new Date(systemClock.now()).toISOString(), ...fields })
    return
  }
  const lines = listing([
    ['kumiko', VERSION],
    ['peer', `${core['peer.id']} of ${peer.mspId}`],
    ['data', fields.dataDir],
    ['listens', `${peer.address}${tlsText(core)}`],
    ...(peer.chaincodeAddress === undefined ? [] : [['chaincode', peer.chaincodeAddress] as const]),
    ['operations', `${core['operations.tls.enabled'] ? 'https' : 'http'}://${operations.address}`],
    ...channels.map(({ channel, height }) => ['channel', `${channel} at height ${height}`] as const),
  ])
  for (const line of lines) output.line(line)
  if (channels.length === 0) output.line('no channel yet: kumiko fabric channel join')
}

function tlsText(core: CoreConfig): string {
  if (!core['peer.tls.enabled']) return ', without TLS'
  return core['peer.tls.clientAuthRequired'] ? ', with TLS and client certificates' : ', with TLS'
}
