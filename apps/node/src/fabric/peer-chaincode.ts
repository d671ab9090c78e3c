import { ccaasBuilder, externalBuilder, type PackageBuilder } from '@kumiko/fabric-chaincode'
import type { PeerChaincodeOptions } from '@kumiko/fabric-peer'
import type { ComponentLogger } from '@libp2p/interface'
import type { CoreConfig } from './core-config.ts'
import { listening } from './peer-options.ts'

/** How the peer that `core.yaml` describes runs chaincode. */
export function peerChaincode(core: CoreConfig, logger: ComponentLogger): PeerChaincodeOptions {
  const listen = core['peer.chaincodeListenAddress']
  return {
    ...(listen !== '' && { listener: listening(listen, core, undefined) }),
    ...(core['peer.chaincodeAddress'] !== '' && { endpoint: core['peer.chaincodeAddress'] }),
    hasTls: core['peer.tls.enabled'],
    builders: buildersOf(core, logger),
    isDevMode: core['chaincode.mode'] === 'dev',
    executeTimeoutMs: core['chaincode.executetimeout'],
    startTimeoutMs: core['chaincode.startuptimeout'],
    keepaliveMs: core['chaincode.keepalive'] * 1000,
    queryResultsMax: core['ledger.state.totalQueryLimit'],
  }
}

/** Those of `chaincode.externalBuilders`, then chaincode as a service, which needs no program of Fabric's here. */
function buildersOf(core: CoreConfig, logger: ComponentLogger): readonly PackageBuilder[] {
  const external = core['chaincode.externalBuilders'].map((builder) =>
    externalBuilder({ ...builder, mspId: core['peer.localMspId'], logger }),
  )
  return [...external, ccaasBuilder(process.env.CHAINCODE_AS_A_SERVICE_BUILDER_CONFIG)]
}
