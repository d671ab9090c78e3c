import {
  builtChaincodes,
  type ChaincodeAuthority,
  ChaincodeBuilds,
  ChannelChaincodes,
  ccaasBuilder,
  chaincodeAuthority,
  chaincodeDefinitions,
  chaincodeRuntime,
  chaincodeSupport,
  configurationChaincode,
  IndexDeployment,
  InstallStore,
  legacyChaincode,
  lifecycleChaincode,
  type PackageInstaller,
  type PeerConfiguration,
  type PeerConnection,
  packageInstaller,
  queryChaincode,
  type StreamingChaincodeRuntime,
} from '@kumiko/fabric-chaincode'
import { type GrpcListener, Health } from '@kumiko/fabric-grpc'
import type { FileSystem } from '@kumiko/fabric-ledger'
import type { AccessControl } from '@kumiko/fabric-msp'
import { type Clock, KumikoError } from '@kumiko/interface'
import type { Closers } from './closers.ts'
import type { FabricPeerOptions, PeerListenOptions } from './options.ts'
import type { PeerChannels } from './peer-channels.ts'
import type { PeerFolders } from './peer-folders.ts'

/** How a peer runs chaincode. */
export interface ChaincodeParts {
  /** What is defined on its channels, and what runs it. */
  readonly chaincodes: ChannelChaincodes
  readonly runtime: StreamingChaincodeRuntime
  /** Where chaincode dials the peer; undefined where it does not. */
  readonly listener: GrpcListener | undefined
}

/** What {@link chaincodeParts} are made of. */
export interface ChaincodePartsOptions {
  readonly options: FabricPeerOptions
  readonly channels: PeerChannels
  readonly access: AccessControl
  readonly folders: PeerFolders
  readonly fileSystem: FileSystem
  readonly listen: (options: PeerListenOptions) => GrpcListener
  readonly clock: Clock
  /** Told how to end what is begun. */
  readonly closers: Closers
}

/**
 * Begins what runs chaincode: packages, the listener, the runtime, and the system's own.
 * @throws KumikoError of the listener, and what the folders' stores throw.
 */
export async function chaincodeParts(parts: ChaincodePartsOptions): Promise<ChaincodeParts> {
  const { options, channels, folders, fileSystem, clock, closers } = parts
  const { chaincode = {}, msp } = options
  const store = await InstallStore.open({ folder: folders.chaincodes, fileSystem })
  const builds = await ChaincodeBuilds.open({ folder: folders.builds, builders: chaincode.builders ?? [ccaasBuilder()], clock })
  closers.add(() => builds.stop())
  const refresh = { indexes: (_channelId: string): void => {} }
  const installer =
    chaincode.installer ??
    packageInstaller({
      store,
      build: ({ packageId }, package_) => builds.build(packageId, package_),
      onInstalled: () => channels.names.forEach(refresh.indexes),
    })
  const chaincodes = new ChannelChaincodes({
    mspId: msp.msp.mspId,
    channel: (channelId) => channels.get(channelId),
    channels: () => channels.names,
    installed: installer,
    ...(chaincode.ownPackageId && { ownPackageId: chaincode.ownPackageId }),
    isDevMode: chaincode.isDevMode === true,
  })
  const door = await chaincodeDoor(parts)
  const built = builtChaincodes({ store, builds, connection: (packageId) => connectionOf(packageId, parts, door) })
  const runtime = runtimeOf(parts, { chaincodes, installer, connectors: [...(chaincode.connectors ?? []), built] })
  await openDoor(door, runtime, closers)
  closers.add(() => runtime.stop())
  const deployment = new IndexDeployment({
    chaincodes,
    indexes: (packageId) => builds.indexes(packageId),
    channel: (id) => channels.get(id),
  })
  refresh.indexes = (channelId) => void deployment.refresh(channelId).catch((error: unknown) => tellIndexes(parts, channelId, error))
  channels.watchDefinitions(refresh.indexes)
  return { chaincodes, runtime, listener: door?.listener }
}

/** Where chaincode dials the peer. */
interface ChaincodeDoor {
  readonly listener: GrpcListener
  /** Undefined without TLS of its own. */
  readonly authority: ChaincodeAuthority | undefined
}

async function chaincodeDoor({ options, listen, clock }: ChaincodePartsOptions): Promise<ChaincodeDoor | undefined> {
  const { listener, hasTls = false, endpoint } = options.chaincode ?? {}
  if (listener === undefined) return
  if (!hasTls) return { listener: listen(listener), authority: undefined }
  const hosts = new Set([hostOf(listener.listen), ...(endpoint === undefined ? [] : [hostOf(endpoint)]), 'localhost', '127.0.0.1'])
  hosts.delete('')
  const authority = await chaincodeAuthority({ hosts: [...hosts], clock })
  const tls = { ...authority.server, clientRootCas: [authority.certificate], requiresClientCertificate: true }
  return { listener: listen({ ...listener, tls }), authority }
}

async function openDoor(door: ChaincodeDoor | undefined, runtime: StreamingChaincodeRuntime, closers: Closers): Promise<void> {
  if (door === undefined) return
  door.listener.add(...chaincodeSupport(runtime, door.authority), ...new Health().bound)
  await door.listener.start()
  closers.add(() => door.listener.stop())
}

async function connectionOf(
  packageId: string,
  { options }: ChaincodePartsOptions,
  door: ChaincodeDoor | undefined,
): Promise<PeerConnection> {
  if (door === undefined) {
    const message = `chaincode ${packageId} would dial the peer, which listens for none: give it chaincode.listener`
    throw new KumikoError('fabric-peer/no-chaincode-listener', message, { context: { packageId } })
  }
  const { endpoint } = options.chaincode ?? {}
  if (door.authority === undefined) return { address: endpoint ?? door.listener.address }
  const address = endpoint ?? named(door.listener.address)
  return { address, tls: { client: await door.authority.issue(packageId), root: door.authority.certificate } }
}

/** gRPC of Node.js takes no IP address for the name in a server's certificate: this machine is told by its name. */
function named(address: string): string {
  return address.replace(/^(127\.\d+\.\d+\.\d+|0\.0\.0\.0|\[::1?\]|)(?=:\d+$)/, 'localhost')
}

type RuntimeOptions = Parameters<typeof chaincodeRuntime>[0]

function runtimeOf(
  { options, channels, access, clock }: ChaincodePartsOptions,
  made: { readonly chaincodes: ChannelChaincodes; readonly installer: PackageInstaller; readonly connectors: RuntimeOptions['connectors'] },
): StreamingChaincodeRuntime {
  const { msp, logger, chaincode = {} } = options
  const { chaincodes, installer, connectors = [] } = made
  const channel = (channelId: string) => channels.get(channelId)
  return chaincodeRuntime({
    definitions: chaincodeDefinitions({ chaincodes, channel }),
    system: [
      lifecycleChaincode({ mspId: msp.msp.mspId, channel, access, installer, chaincodes }),
      queryChaincode({ channel, access }),
      configurationChaincode({ peer: configurationOf(channels), access }),
      legacyChaincode(),
      ...(chaincode.system ?? []),
    ],
    channel,
    accessControl: access,
    connectors,
    acceptsUnlaunched: chaincode.isDevMode === true,
    ...(chaincode.executeTimeoutMs !== undefined && { executeTimeoutMs: chaincode.executeTimeoutMs }),
    ...(chaincode.startTimeoutMs !== undefined && { startTimeoutMs: chaincode.startTimeoutMs }),
    ...(chaincode.keepaliveMs !== undefined && { keepaliveMs: chaincode.keepaliveMs }),
    ...(chaincode.queryResultsMax !== undefined && { queryResultsMax: chaincode.queryResultsMax }),
    clock,
    ...(logger && { logger }),
  })
}

function configurationOf(channels: PeerChannels): PeerConfiguration {
  return {
    channel: (channelId) => channels.get(channelId),
    channels: () => channels.names,
    join: (genesis) => channels.join(genesis),
    joinBySnapshot: (folder) => channels.beginSnapshot(folder),
    joiningSnapshot: () => channels.joiningSnapshot,
  }
}

function tellIndexes({ options }: ChaincodePartsOptions, channelId: string, error: unknown): void {
  const log = options.logger?.forComponent('kumiko:fabric-peer:chaincode')
  log?.error('indexes of channel %s cannot be made: %e', channelId, error)
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1')
}
