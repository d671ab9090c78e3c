import {
  ChannelChaincodes,
  chaincodeDefinitions,
  chaincodeRuntime,
  configurationChaincode,
  type InstallStore,
  legacyChaincode,
  lifecycleChaincode,
  type PeerConfiguration,
  packageInstaller,
  queryChaincode,
  type StreamingChaincodeRuntime,
} from '@kumiko/fabric-chaincode'
import type { AccessControl } from '@kumiko/fabric-msp'
import type { Clock } from '@kumiko/interface'
import type { FabricPeerOptions } from './options.ts'
import type { PeerChannels } from './peer-channels.ts'

/** How a peer runs chaincode. */
export interface ChaincodeParts {
  /** What is defined on its channels, and what runs it. */
  readonly chaincodes: ChannelChaincodes
  readonly runtime: StreamingChaincodeRuntime
}

/** What {@link chaincodeParts} are made of. */
export interface ChaincodePartsOptions {
  readonly options: FabricPeerOptions
  readonly channels: PeerChannels
  readonly access: AccessControl
  /** Packages that are installed, where the options say nothing of them. */
  readonly store: InstallStore
  readonly clock: Clock
}

/** Puts together what runs chaincode, the system's own too. */
export function chaincodeParts({ options, channels, access, store, clock }: ChaincodePartsOptions): ChaincodeParts {
  const { msp, logger, chaincode = {} } = options
  const { ownPackageId, isDevMode = false, system = [], connectors = [] } = chaincode
  const installer = chaincode.installer ?? packageInstaller({ store })
  const { mspId } = msp.msp
  const channel = (channelId: string) => channels.get(channelId)
  const chaincodes = new ChannelChaincodes({
    mspId,
    channel,
    channels: () => channels.names,
    installed: installer,
    ...(ownPackageId && { ownPackageId }),
    isDevMode,
  })
  const runtime = chaincodeRuntime({
    definitions: chaincodeDefinitions({ chaincodes, channel }),
    system: [
      lifecycleChaincode({ mspId, channel, access, installer, chaincodes }),
      queryChaincode({ channel, access }),
      configurationChaincode({ peer: configurationOf(channels), access }),
      legacyChaincode(),
      ...system,
    ],
    channel,
    accessControl: access,
    connectors,
    acceptsUnlaunched: isDevMode,
    ...(chaincode.executeTimeoutMs !== undefined && { executeTimeoutMs: chaincode.executeTimeoutMs }),
    ...(chaincode.startTimeoutMs !== undefined && { startTimeoutMs: chaincode.startTimeoutMs }),
    ...(chaincode.keepaliveMs !== undefined && { keepaliveMs: chaincode.keepaliveMs }),
    ...(chaincode.queryResultsMax !== undefined && { queryResultsMax: chaincode.queryResultsMax }),
    clock,
    ...(logger && { logger }),
  })
  return { chaincodes, runtime }
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
