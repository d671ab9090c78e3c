import type { SimulationResults, WrittenMetadata } from '@kumiko/fabric-ledger'
import { ChaincodeCall, type ChaincodeInterest, compareUtf8, SignaturePolicyEnvelope } from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'

/** The name of the metadata that holds a key's own endorsement policy. `protos.MetaDataKeys`. */
const VALIDATION_PARAMETER = 'VALIDATION_PARAMETER'

/** What of a chaincode a transaction comes to. */
interface Touched {
  /** Of keys that it writes. */
  readonly keyPolicies: SignaturePolicyEnvelope[]
  /** Whether the policy counts, by collection; `''` for the chaincode's own. */
  readonly isPolicyNeeded: Map<string, boolean>
}

/**
 * Whose policies a transaction comes under: for a gateway to find endorsers. Fabric tells it in no order; we by UTF-8, the chaincode before its
 * collections. A key whose own policy is empty comes under the chaincode's, as when it is validated (Fabric's gateway finds no endorser then).
 * @param isSystem - Whether a chaincode is the peer's own: those have no policies to look up.
 * @throws KumikoError `fabric-endorser/bad-key-policy`.
 * @see Fabric `core/endorser/endorser.go` buildChaincodeInterest
 */
export function chaincodeInterest(
  { public: set, privateReads, writtenMetadata }: Pick<SimulationResults, 'public' | 'privateReads' | 'writtenMetadata'>,
  isSystem: (chaincode: string) => boolean,
): ChaincodeInterest {
  const touched = touchedOf(writtenMetadata)
  for (const { namespace } of set.namespaces)
    if (!touched.has(namespace)) touched.set(namespace, { keyPolicies: [], isPolicyNeeded: new Map([['', true]]) })
  for (const [namespace, collections] of privateReads)
    for (const collection of collections) touch(touched, namespace).isPolicyNeeded.set(collection, true)
  const named = [...touched].filter(([namespace]) => !isSystem(namespace)).toSorted(([a], [b]) => compareUtf8(a, b))
  return { chaincodes: named.flatMap(([namespace, each]) => callsOf(namespace, each, privateReads.get(namespace))) }
}

function touchedOf(written: readonly WrittenMetadata[]): Map<string, Touched> {
  const touched = new Map<string, Touched>()
  for (const { namespace, collection, metadata } of written) {
    const { keyPolicies, isPolicyNeeded } = touch(touched, namespace)
    if (!isPolicyNeeded.has('')) isPolicyNeeded.set('', false)
    const own = metadata.get(VALIDATION_PARAMETER)
    if (own === undefined || own.length === 0) isPolicyNeeded.set(collection, true)
    else keyPolicies.push(readKeyPolicy(own, namespace))
  }
  return touched
}

function touch(touched: Map<string, Touched>, namespace: string): Touched {
  const found = touched.get(namespace) ?? { keyPolicies: [], isPolicyNeeded: new Map() }
  touched.set(namespace, found)
  return found
}

/** A call for the public state, with all key policies, and one for each collection: each may be read or not. */
function callsOf(name: string, { keyPolicies, isPolicyNeeded }: Touched, read: ReadonlySet<string> = new Set()): ChaincodeCall[] {
  const calls: ChaincodeCall[] = []
  for (const [collection, isNeeded] of [...isPolicyNeeded].toSorted(([a], [b]) => compareUtf8(a, b))) {
    if (collection !== '') calls.push(ChaincodeCall.create({ name, collectionNames: [collection], noPrivateReads: !read.has(collection) }))
    else if (keyPolicies.length > 0) calls.push(ChaincodeCall.create({ name, keyPolicies, disregardNamespacePolicy: !isNeeded }))
    else if (isNeeded) calls.push(ChaincodeCall.create({ name }))
  }
  return calls
}

function readKeyPolicy(bytes: Uint8Array, namespace: string): SignaturePolicyEnvelope {
  const policy = SignaturePolicyEnvelope.decode(bytes)
  if (!isFault(policy)) return policy
  const message = `error unmarshalling SignaturePolicyEnvelope: ${policy.detail ?? policy.fault}`
  throw new KumikoError('fabric-endorser/bad-key-policy', message, { context: { namespace } })
}
