import { ApplicationPolicyMessage } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import type { Policy } from './policy.ts'
import type { PolicyTree } from './policy-tree.ts'
import { compileSignaturePolicy, SIGNATURE_POLICY_BYTES_MAX } from './signature-policy.ts'

/**
 * Reads a chaincode's or collection's policy: a signature policy of its own, or the name of a channel's (`core/policy/application.go`).
 * @param bytes - `common.ApplicationPolicy`.
 * @param channel - The root of the channel's policies, where the name is looked up.
 * @returns A fault where Fabric finds no policy: unreadable, empty, or with a name that is not there.
 */
export function readApplicationPolicy(bytes: Uint8Array, channel: PolicyTree): Policy | Fault {
  if (bytes.length > SIGNATURE_POLICY_BYTES_MAX) return refused(`${bytes.length} bytes are more than ${SIGNATURE_POLICY_BYTES_MAX}`)
  const message = ApplicationPolicyMessage.decode(bytes)
  if (isFault(message)) return message
  if (message.signaturePolicy !== undefined) return compileSignaturePolicy(message.signaturePolicy)
  const name = message.channelConfigPolicyReference
  if (name === undefined) return refused('it is neither a signature policy nor a reference')
  return channel.policy(name) ?? refused(`the channel has no policy '${name.slice(0, 120)}'`)
}

function refused(detail: string): Fault {
  return { fault: 'fabric-msp/bad-application-policy', detail }
}
