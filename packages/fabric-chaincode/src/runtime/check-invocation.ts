import type { Simulator } from '@kumiko/fabric-ledger'
import { equalBytes } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import type { ChaincodeEndorsementInfo } from '../contract.ts'

/** In its namespace a chaincode that must be initialised has its version. @see Fabric `core/chaincode/chaincode_support.go` InitializedKeyName */
const INITIALIZED_KEY = '\0\u{10ffff}initialized'

/**
 * Whether a transaction may come to a chaincode: one that must be initialised is, once for each version, by a transaction of its own, which
 * writes that down.
 * @throws KumikoError `fabric-chaincode/bad-invocation`, with Fabric's words.
 * @see Fabric `core/chaincode/chaincode_support.go` CheckInvocation
 */
export async function checkInvocation(
  simulator: Pick<Simulator, 'getState' | 'setState'>,
  chaincode: string,
  info: ChaincodeEndorsementInfo,
  isInit: boolean,
): Promise<void> {
  if (!info.enforceInit) {
    if (isInit) throw badInvocation(`chaincode '${chaincode}' does not require initialization but called as init`)
    return
  }
  const version = new TextEncoder().encode(info.version)
  const isInitialized = equalBytes((await simulator.getState(chaincode, INITIALIZED_KEY)) ?? new Uint8Array(), version)
  if (isInit && isInitialized) throw badInvocation(`chaincode '${chaincode}' is already initialized but called as init`)
  if (!isInit && !isInitialized) {
    throw badInvocation(`chaincode '${chaincode}' has not been initialized for this version, must call as init first`)
  }
  if (isInit) simulator.setState(chaincode, INITIALIZED_KEY, version)
}

/** A transaction that a chaincode is not for. @param words - Fabric's. */
export function badInvocation(words: string): KumikoError {
  return new KumikoError('fabric-chaincode/bad-invocation', words)
}
