import type { SystemChaincode } from '../contract.ts'
import { failure } from './answer.ts'

/**
 * `lscc`, by which Fabric 1 deployed chaincode: it refuses, and says what to use.
 * @see Fabric `core/scc/lscc/lscc.go`, which refuses too on channels with application capability V2_0
 */
export function legacyChaincode(): SystemChaincode {
  const message =
    'lscc is not supported: chaincode is deployed by _lifecycle (peer lifecycle chaincode …), on channels with application capability V2_0'
  return { name: 'lscc', invoke: async () => failure(message) }
}
