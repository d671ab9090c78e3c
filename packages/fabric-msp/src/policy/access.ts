import type { SignedData } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import type { ChannelBundle } from '../channel/channel-bundle.ts'
import type { Msp } from '../contract.ts'
import { aclOf } from './acl.ts'
import { evaluateSignedData } from './policy.ts'

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
export function accessControl({ localMsp, channel }: AccessControlOptions): AccessControl {
  return {
    check: (resource, channelId, signed) => {
      const bundle = channelId === '' ? undefined : channel(channelId)
      const rule = aclOf(resource, bundle?.application?.acls ?? new Map())
      if (rule === undefined) return denied(resource, 'nobody may use it: no policy is mapped to it')
      const fault = rule.of === 'peer' ? memberFault(rule.policy, localMsp, signed) : policyFault(rule.policy, channelId, bundle, signed)
      return fault === undefined ? undefined : denied(resource, fault)
    },
  }
}

function policyFault(policy: string, channelId: string, bundle: ChannelBundle | undefined, signed: SignedData): string | undefined {
  if (bundle === undefined) return `the peer is not on channel '${channelId}'`
  const fault = evaluateSignedData(bundle.policies.policyOrReject(policy), [signed], bundle.msps)
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
