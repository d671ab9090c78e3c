import type { SignedData } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import type { ChannelBundle } from '../channel/channel-bundle.ts'
import type { FabricIdentity, Msp } from '../contract.ts'
import { type AclRule, aclOf } from './acl.ts'
import { validIdentities } from './policy.ts'

/** Says who may use what. */
export interface AccessControl {
  /**
   * @param resource - As Fabric names it: `qscc/GetChainInfo`.
   * @param channelId - Empty for a resource of the peer itself.
   * @param signed - Who asks, and the proof.
   * @returns `fabric-msp/access-denied`, or undefined: let it pass.
   */
  check(resource: string, channelId: string, signed: SignedData): Fault | undefined
}

/** Says who may use what of a channel, where the signature was checked already: that costs more than all else. */
export interface IdentityAccessControl {
  /**
   * As {@link AccessControl.check}.
   * @param resource - One that a channel's policy is mapped to: those of the peer itself are refused.
   * @param identity - Of the channel's organisations; it has signed what it asks for.
   */
  checkIdentity(resource: string, channelId: string, identity: FabricIdentity): Fault | undefined
}

/** What a peer's access control looks at. */
export interface AccessControlOptions {
  /** The peer's own organisation. */
  readonly localMsp: Msp
  /** A channel as it is configured now; undefined where the peer is not on it. */
  readonly channel: (channelId: string) => ChannelBundle | undefined
}

/**
 * A peer's access control, by a channel's `ACLs` and Fabric's defaults. A resource that nobody mapped is refused.
 * @see Fabric `core/aclmgmt`, `core/policy/policy.go`
 */
export function accessControl({ localMsp, channel }: AccessControlOptions): AccessControl & IdentityAccessControl {
  const bundleOf = (channelId: string) => (channelId === '' ? undefined : channel(channelId))
  const judge = (resource: string, bundle: ChannelBundle | undefined, faultOf: (rule: AclRule) => string | undefined) => {
    const rule = aclOf(resource, bundle?.application?.acls ?? new Map())
    const fault = rule === undefined ? 'nobody may use it: no policy is mapped to it' : faultOf(rule)
    return fault === undefined ? undefined : denied(resource, fault)
  }
  return {
    check: (resource, channelId, signed) => {
      const bundle = bundleOf(channelId)
      return judge(resource, bundle, ({ of, policy }) => {
        if (of === 'peer') return memberFault(policy, localMsp, signed)
        return policyFault(policy, channelId, bundle, ({ msps }) => validIdentities([signed], msps))
      })
    },
    checkIdentity: (resource, channelId, identity) => {
      const bundle = bundleOf(channelId)
      return judge(resource, bundle, ({ of, policy }) => {
        if (of === 'peer') return 'it is of the peer itself: its signature must be checked'
        return policyFault(policy, channelId, bundle, () => [identity])
      })
    },
  }
}

function policyFault(
  policy: string,
  channelId: string,
  bundle: ChannelBundle | undefined,
  identities: (bundle: ChannelBundle) => readonly FabricIdentity[],
): string | undefined {
  if (bundle === undefined) return `the peer is not on channel '${channelId}'`
  const fault = bundle.policies.policyOrReject(policy).evaluate(identities(bundle))
  return fault && `policy ${policy} is not satisfied`
}

function memberFault(policy: 'Admins' | 'Members', msp: Msp, { identity, message, signature }: SignedData): string | undefined {
  const member = msp.deserialize(identity)
  if (isFault(member)) return `the identity is none of ${msp.mspId}'s: ${member.detail ?? member.fault}`
  const role = policy === 'Admins' ? 'admin' : 'member'
  if (!member.satisfies({ kind: 'role', mspId: msp.mspId, role })) return `the identity is no ${role} of ${msp.mspId}`
  return member.verify(message, signature) ? undefined : "the signature is not the identity's"
}

function denied(resource: string, why: string): Fault {
  return { fault: 'fabric-msp/access-denied', detail: `${resource}: ${why}`.slice(0, 200) }
}
