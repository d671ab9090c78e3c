import { bool, type Message, message, repeatedNested, repeatedString, string } from './message.ts'
import { SignaturePolicyEnvelope } from './policy.ts'

/** A chaincode that a transaction came to, and what of it must be endorsed. `protos.ChaincodeCall`. */
export interface ChaincodeCall {
  readonly name: string
  /** The collections that it read or wrote. */
  readonly collectionNames: readonly string[]
  /** Whether no private data was read: then endorsers need not be members of the collections. */
  readonly noPrivateReads: boolean
  /** Whether nothing was written outside collections: then the collections' policies alone count. */
  readonly noPublicWrites: boolean
  /** Policies of keys that it wrote. */
  readonly keyPolicies: readonly SignaturePolicyEnvelope[]
  /** Whether all that it wrote is under key policies: then the chaincode's own does not count. */
  readonly disregardNamespacePolicy: boolean
}

/** `protos.ChaincodeCall`. */
export const ChaincodeCall: Message<ChaincodeCall> = message<ChaincodeCall>('protos.ChaincodeCall', {
  name: string(1),
  collectionNames: repeatedString(2),
  noPrivateReads: bool(3),
  noPublicWrites: bool(4),
  keyPolicies: repeatedNested(5, () => SignaturePolicyEnvelope),
  disregardNamespacePolicy: bool(6),
})

/** All that a transaction came to: who must endorse it follows from this. `protos.ChaincodeInterest`. */
export interface ChaincodeInterest {
  readonly chaincodes: readonly ChaincodeCall[]
}

/** `protos.ChaincodeInterest`. */
export const ChaincodeInterest: Message<ChaincodeInterest> = message<ChaincodeInterest>('protos.ChaincodeInterest', {
  chaincodes: repeatedNested(1, () => ChaincodeCall),
})
