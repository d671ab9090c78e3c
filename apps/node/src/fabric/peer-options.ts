import type { Endpoint, ListenerTls } from '@kumiko/fabric-grpc'
import type { LocalMsp } from '@kumiko/fabric-msp'
import type { FabricPeerOptions, PeerListenOptions } from '@kumiko/fabric-peer'
import { KumikoError } from '@kumiko/interface'
import type { OperationsTls } from '@kumiko/operations'
import type { CoreConfig } from './core-config.ts'
import { localMspOf } from './local-msp.ts'
import { stateDatabase } from './peer-ledgers.ts'
import { readCertificates, readKeyPair } from './tls-files.ts'

/** Concurrency without a limit, as Fabric's 0 has it. */
const UNLIMITED = Number.MAX_SAFE_INTEGER

const RETRY_MAX_MS = 10_000

/**
 * The peer that `core.yaml` describes, but for what it listens on besides, and its chaincode.
 * @throws KumikoError `node/no-msp`, `node/bad-msp-type`, `node/bad-tls`, `node/unreadable-file`; of the MSP, its own.
 */
export async function peerOptions(core: CoreConfig): Promise<FabricPeerOptions> {
  const msp = await peerMsp(core)
  const tls = await serverTls(core)
  const openState = await stateDatabase(core)
  const clientTls = await ownCertificate(core)
  return {
    msp,
    folder: core['peer.fileSystemPath'],
    snapshotsFolder: core['ledger.snapshots.rootDir'],
    listener: listening(core['peer.listenAddress'], core, tls),
    ...endpointOf(core),
    ...(clientTls && { clientTls }),
    ordererConnections: { tls: core['peer.tls.enabled'], overrides: await overridesOf(core), deliver: deliverOptions(core) },
    openState,
    history: core['ledger.history.enableHistoryDatabase'],
    workers: Math.max(0, core['peer.validatorPoolSize'] - 1),
    transientRetentionBlocks: BigInt(core['peer.gossip.pvtData.transientstoreMaxBlockRetention']),
    hasGateway: core['peer.gateway.enabled'],
    endorsementTimeoutMs: core['peer.gateway.endorsementTimeout'],
    broadcastTimeoutMs: core['peer.gateway.broadcastTimeout'],
    timeWindowMs: core['peer.authentication.timewindow'],
    limits: {
      endorserMax: core['peer.limits.concurrency.endorserService'] || UNLIMITED,
      deliverMax: core['peer.limits.concurrency.deliverService'] || UNLIMITED,
      gatewayMax: core['peer.limits.concurrency.gatewayService'],
    },
  }
}

/** Who the peer is. @throws KumikoError `node/no-msp`, `node/bad-msp-type`, and as `localMspOf`. */
async function peerMsp(core: CoreConfig): Promise<LocalMsp> {
  const type = core['peer.localMspType']
  if (type !== 'bccsp') {
    const message = `peer.localMspType is "${type}": a peer's MSP is of type bccsp; correct it, or leave it out`
    throw new KumikoError('node/bad-msp-type', message, { context: { type } })
  }
  const msp = await localMspOf(core)
  if (msp !== undefined) return msp
  const mend = 'name its folder with peer.mspConfigPath in core.yaml or CORE_PEER_MSPCONFIGPATH, and peer.localMspId'
  throw new KumikoError('node/no-msp', `a peer needs an identity: ${mend}`)
}

/** A listener with what all have in common. */
export function listening(listen: string, core: CoreConfig, tls: ListenerTls | undefined): PeerListenOptions {
  return {
    listen,
    ...(tls && { tls }),
    messageBytesMax: core['peer.maxRecvMsgSize'],
    keepaliveIntervalMs: core['peer.keepalive.interval'],
    keepaliveTimeoutMs: core['peer.keepalive.timeout'],
    keepaliveIntervalMinMs: core['peer.keepalive.minInterval'],
  }
}

/** The peer's certificate for those who come; undefined where TLS is off. @throws KumikoError `node/bad-tls`, `node/unreadable-file`. */
async function serverTls(core: CoreConfig): Promise<ListenerTls | undefined> {
  if (!core['peer.tls.enabled']) return
  const required = core['peer.tls.clientAuthRequired']
  const roots = core['peer.tls.clientRootCAs.files']
  if (required && roots.length === 0) throw badTls('peer.tls.clientAuthRequired needs peer.tls.clientRootCAs.files')
  return {
    ...(await keyPair(core['peer.tls.cert.file'], core['peer.tls.key.file'], 'peer.tls')),
    clientRootCas: await Promise.all(roots.map((path) => readCertificates({ name: 'peer.tls.clientRootCAs.files', path }))),
    requiresClientCertificate: required,
  }
}

/** The operations server's certificate; undefined where its TLS is off. @throws As {@link serverTls}. */
export async function operationsTls(core: CoreConfig): Promise<OperationsTls | undefined> {
  if (!core['operations.tls.enabled']) return
  return {
    ...(await keyPair(core['operations.tls.cert.file'], core['operations.tls.key.file'], 'operations.tls')),
    clientRootCas: await Promise.all(
      core['operations.tls.clientRootCAs.files'].map((path) => readCertificates({ name: 'operations.tls.clientRootCAs.files', path })),
    ),
    requiresClientCertificate: core['operations.tls.clientAuthRequired'],
  }
}

function endpointOf(core: CoreConfig): Pick<FabricPeerOptions, 'endpoint'> {
  const endpoint = core['peer.gossip.externalEndpoint'] || core['peer.address']
  return endpoint === '' ? {} : { endpoint }
}

async function ownCertificate(core: CoreConfig) {
  if (!core['peer.tls.enabled']) return
  const certificate = core['peer.tls.clientCert.file'] ?? core['peer.tls.cert.file']
  const key = core['peer.tls.clientKey.file'] ?? core['peer.tls.key.file']
  return await keyPair(certificate, key, 'peer.tls')
}

async function overridesOf(core: CoreConfig): Promise<ReadonlyMap<string, Endpoint>> {
  const overrides = core['peer.deliveryclient.addressOverrides'].map(async ({ from, to, caCertsFile }): Promise<[string, Endpoint]> => {
    const tlsRoots =
      caCertsFile === undefined || !core['peer.tls.enabled']
        ? undefined
        : [await readCertificates({ name: 'peer.deliveryclient.addressOverrides', path: caCertsFile })]
    return [from, { address: to, ...(tlsRoots && { tlsRoots }) }]
  })
  return new Map(await Promise.all(overrides))
}

function deliverOptions(core: CoreConfig) {
  // Fabric's sample lets a peer wait for an hour: nobody wants that.
  const retryMaxMs = Math.max(1, Math.min(core['peer.deliveryclient.reConnectBackoffThreshold'], RETRY_MAX_MS))
  return { connectTimeoutMs: core['peer.deliveryclient.connTimeout'], retryMaxMs }
}

async function keyPair(certificate: string | undefined, key: string | undefined, where: string) {
  if (certificate === undefined || key === undefined) throw badTls(`${where}.enabled needs ${where}.cert.file and ${where}.key.file`)
  return await readKeyPair({ name: `${where}.cert.file`, path: certificate }, { name: `${where}.key.file`, path: key })
}

function badTls(message: string): KumikoError {
  return new KumikoError('node/bad-tls', message)
}
