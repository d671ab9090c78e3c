import { compileSignaturePolicy, type Policy } from '@kumiko/fabric-msp'
import { KVMetadataWrite, SignaturePolicyEnvelope } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'

/** The name of the metadata that holds a key's own endorsement policy. `protos.MetaDataKeys`. */
const VALIDATION_PARAMETER = 'VALIDATION_PARAMETER'

/**
 * A key's own endorsement policy.
 * @param metadata - A `KVMetadataWrite`'s bytes, as the state holds them; empty where the key has none.
 * @returns Undefined where it has no policy of its own; `fabric-committer/unreadable-key-policy` where Fabric's peer stops on the channel:
 * metadata or policy are no such messages; another fault for a policy that nobody can satisfy.
 * @see Fabric `core/common/validation/statebased/vpmanagerimpl.go` GetValidationParameterForKey
 */
export function keyPolicy(metadata: Uint8Array): Policy | Fault | undefined {
  if (metadata.length === 0) return
  const read = KVMetadataWrite.decode(metadata)
  if (isFault(read)) return unreadable(read)
  const bytes = read.entries.findLast(({ name }) => name === VALIDATION_PARAMETER)?.value
  if (bytes === undefined || bytes.length === 0) return
  const envelope = SignaturePolicyEnvelope.decode(bytes)
  return isFault(envelope) ? unreadable(envelope) : compileSignaturePolicy(envelope)
}

/** The name of {@link keyPolicy}'s fault that halts. */
export const UNREADABLE_KEY_POLICY = 'fabric-committer/unreadable-key-policy'

function unreadable({ fault, detail = fault }: Fault): Fault {
  return { fault: UNREADABLE_KEY_POLICY, detail }
}
