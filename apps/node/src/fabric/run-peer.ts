import { restView } from '@kumiko/fabric-deliver'
import type { CommittedBlock } from '@kumiko/fabric-ledger'
import { type LocalMsp, loadLocalMsp } from '@kumiko/fabric-msp'
import { FabricPeer } from '@kumiko/fabric-peer'
import { systemClock } from '@kumiko/interface'
import { Logging, Operations, PrometheusMetrics } from '@kumiko/operations'
import { aborted, VERSION } from '@kumiko/terminal'
import { listing, now, type Output } from '../output.ts'
import { codesText, outcomeFields } from './block-lines.ts'
import type { CoreConfig } from './core-config.ts'
import { membershipProblem } from './membership-problem.ts'
import { peerChaincode } from './peer-chaincode.ts'
import { operationsTls, peerOptions } from './peer-options.ts'

/** What peers of old served: nothing, unless it is asked for. */
export interface LegacyOptions {
  /** Whether to serve `protos.Admin` of Fabric 1.4. */
  readonly admin: boolean
  /** Whether to serve `protos.Events` of Fabric 1.0. */
  readonly events: boolean
  /** Whether operations show channels over HTTP, as Fabric 0.6 did. */
  readonly rest: boolean
  /** The MSP folder of who calls chaincode over HTTP; undefined: nobody can. */
  readonly restUser: string | undefined
}

/** What {@link runPeer} is to run. */
export interface RunPeerOptions {
  readonly core: CoreConfig
  /** As Fabric's `FABRIC_LOGGING_SPEC`. */
  readonly logSpec: string | undefined
  readonly legacy: LegacyOptions
  readonly output: Output
  /** Ends the peer. */
  readonly signal: AbortSignal
}

/**
 * Runs the peer that `core.yaml` describes, until the signal aborts. In Fabric's order: operations first, and last.
 * @throws KumikoError of what is wrong with the configuration, or of the part that could not start: nothing is up then.
 * @see Fabric `internal/peer/node/start.go`
 */
export async function runPeer({ core, logSpec, legacy, output, signal }: RunPeerOptions): Promise<void> {
  const logging = new Logging(logSpec === undefined ? {} : { spec: logSpec })
  const provider = core['metrics.provider']
  const metrics = provider === 'prometheus' ? new PrometheusMetrics() : undefined
  if (metrics === undefined && provider !== 'disabled')
    output.warn(`kumiko: metrics.provider "${provider}" is not known: want prometheus or disabled`)
  const options = await peerOptions(core)
  const peer = new FabricPeer({
    ...options,
    chaincode: peerChaincode(core, logging),
    legacy: { ...(legacy.admin && { adminLogs: logging }), hasEventHub: legacy.events },
    logger: logging,
    onCommit: async (channelId, block) => tellCommitted(channelId, block, output),
    ...(metrics && { metrics }),
  })
  const operations = await operationsOf(core, peer, logging, metrics)
  await operations.start()
  try {
    await peer.start()
    try {
      if (legacy.rest) for (const route of await restRoutes(core, peer, legacy.restUser)) operations.add(route)
      tellStarted(core, peer, operations, output)
      warnOfEnd(options.msp, output)
      warnOfMembership(peer, options.msp, output)
      await aborted(signal)
    } finally {
      await peer.stop()
    }
  } finally {
    await operations.stop()
  }
  if (output.isJson) output.json({ event: 'stopped', time: now() })
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

/** Of the first channel, where a request names none. */
async function restRoutes(core: CoreConfig, peer: FabricPeer, user: string | undefined) {
  const signer = user === undefined ? undefined : await loadLocalMsp(user, { mspId: core['peer.localMspId'] })
  return restView({
    ledger: (channelId) => peer.channel(channelId)?.ledger,
    channelId: peer.channels()[0] ?? '',
    peers: (channelId) => peer.peers(channelId),
    ...(signer && { chaincode: peer.clientOf(signer) }),
  })
}

const WEEK_MS = 7 * 24 * 3600 * 1000

/** @see Fabric `common/crypto/expiration.go` TrackExpiration */
function warnOfEnd({ identity }: LocalMsp, output: Output): void {
  const endsAt = identity.expiresAt * 1000
  if (endsAt - systemClock.now() < WEEK_MS)
    output.warn(`kumiko: the peer's certificate ends on ${new Date(endsAt).toISOString()}: enrol it again`)
}

function warnOfMembership(peer: FabricPeer, msp: LocalMsp, output: Output): void {
  for (const channelId of peer.channels()) {
    const channel = peer.channel(channelId)
    const problem = channel && membershipProblem(channel, msp)
    if (problem !== undefined) output.warn(`kumiko: ${problem}`)
  }
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
    output.json({ event: 'started', time: now(), ...fields })
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

function tellCommitted(channel: string, block: CommittedBlock, output: Output): void {
  if (output.isJson) output.json({ event: 'block', time: now(), channel, number: Number(block.number), ...outcomeFields(block) })
  else output.line(`${channel}: block ${block.number}  ${codesText(block.codes)}`)
}

function tlsText(core: CoreConfig): string {
  if (!core['peer.tls.enabled']) return ', without TLS'
  return core['peer.tls.clientAuthRequired'] ? ', with TLS and client certificates' : ', with TLS'
}
