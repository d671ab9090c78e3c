import { type ChannelBundle, type Policy, readApplicationPolicy } from '@kumiko/fabric-msp'
import type { Fault } from '@kumiko/interface'
import { applicationPolicyOf } from './member-policy.ts'

/**
 * Who must endorse a transaction of `_lifecycle` itself: the channel's policy for it, or else a majority of the organisations, each by a member.
 * @returns A fault where the channel has no application.
 * @see Fabric `core/chaincode/lifecycle/lifecycle.go` LifecycleEndorsementPolicyAsBytes
 */
export function lifecycleEndorsementPolicy(channel: ChannelBundle): Policy | Fault {
  const configured = channel.policies.policy('/Channel/Application/LifecycleEndorsement')
  if (configured !== undefined) return configured
  if (channel.application === undefined) return { fault: 'fabric-lifecycle/no-application', detail: 'the channel has no application' }
  const mspIds = [...channel.application.organizations.values()].map(({ mspId }) => mspId)
  return readApplicationPolicy(applicationPolicyOf({ needed: Math.floor(mspIds.length / 2) + 1, mspIds }), channel.policies)
}

/**
 * Who must endorse writes to an organisation's implicit collection: whom its own policy names, or else any member.
 * @returns Undefined where the channel has no such organisation: whoever writes there does wrong.
 * @see Fabric `core/chaincode/lifecycle/deployedcc_infoprovider.go` ImplicitCollectionEndorsementPolicyAsBytes
 */
export function implicitCollectionEndorsementPolicy(channel: ChannelBundle, mspId: string): Policy | Fault | undefined {
  for (const [name, organization] of channel.application?.organizations ?? []) {
    if (organization.mspId !== mspId) continue
    const configured = channel.policies.policy(`/Channel/Application/${name}/Endorsement`)
    return configured ?? readApplicationPolicy(applicationPolicyOf({ needed: 1, mspIds: [mspId] }), channel.policies)
  }
  return
}
