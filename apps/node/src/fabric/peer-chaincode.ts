import type { PeerChaincodeOptions } from '@kumiko/fabric-peer'
import type { CoreConfig } from './core-config.ts'
import { listening } from './peer-options.ts'

/** How the peer that `core.yaml` describes runs chaincode. */
export function peerChaincode(core: CoreConfig): PeerChaincodeOptions {
  const listen = core['peer.chaincodeListenAddress']
  return {
    ...(listen !== '' && { listener: listening(listen, core, undefined) }),
    isDevMode: core['chaincode.mode'] === 'dev',
    executeTimeoutMs: core['chaincode.executetimeout'],
    startTimeoutMs: core['chaincode.startuptimeout'],
    keepaliveMs: core['chaincode.keepalive'] * 1000,
    queryResultsMax: core['ledger.state.totalQueryLimit'],
  }
}
