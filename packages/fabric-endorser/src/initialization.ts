import type { ChaincodeEndorsementInfo } from '@kumiko/fabric-chaincode'
import type { Simulator } from '@kumiko/fabric-ledger'
import { encodeUtf8, equalBytes } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'

/** In a chaincode's own namespace: the version that was initialised. @see Fabric `core/chaincode/chaincode_support.go` InitializedKeyName */
export const INITIALIZED_KEY: string = `\0${String.fromCodePoint(0x10ffff)}initialized`

/**
 * Lets a chaincode whose definition asks for it be initialised before anything else, once for each version; what is read and written for it
 * is the transaction's.
 * @throws KumikoError `fabric-endorser/initialization`, in Fabric's words; what the simulator throws.
 * @see Fabric `core/chaincode/chaincode_support.go` CheckInvocation
 */
export async function enforceInitialization(
  chaincode: string,
  { enforceInit, version }: ChaincodeEndorsementInfo,
  isInit: boolean,
  simulator: Pick<Simulator, 'getState' | 'setState'> | undefined,
): Promise<void> {
  if (!enforceInit || simulator === undefined) {
    if (isInit) throw refusal(chaincode, 'does not require initialization but called as init')
    return
  }
  const wanted = encodeUtf8(version)
  const held = await simulator.getState(chaincode, INITIALIZED_KEY)
  const isInitialized = equalBytes(held ?? new Uint8Array(), wanted)
  if (isInit && isInitialized) throw refusal(chaincode, 'is already initialized but called as init')
  if (!isInit && !isInitialized) throw refusal(chaincode, 'has not been initialized for this version, must call as init first')
  if (isInit) simulator.setState(chaincode, INITIALIZED_KEY, wanted)
}

function refusal(chaincode: string, why: string): KumikoError {
  return new KumikoError('fabric-endorser/initialization', `chaincode '${chaincode}' ${why}`, { context: { chaincode } })
}
