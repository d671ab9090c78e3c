import type { SignedData } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import type { ChannelBundle } from '../channel/channel-bundle.ts'
import type { FabricIdentity, Msp } from '../contract.ts'
import { aclOf } from './acl.ts'
import { validIdentities } from './policy.ts'

/** Says who may use what. */
export interface AccessControl {
  /**
   * @param resource - As Fabric names it: `qscc/GetChainInfo`.
   * @param channelId - Empty for a resource of the peer itself.
   * @param signed - Who asks, and the proof.
   * @returns `fabric-msp/access-denied` with Fabric's words, or undefined: let it pass.
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
  const judge = (resource: string, channelId: string, { memberFault, identities }: Asker): Fault | undefined => {
    const bundle = channelId === '' ? undefined : channel(channelId)
    const rule = aclOf(resource, bundle?.application?.acls ?? new Map())
    if (rule === undefined) return denied(`Unmapped policy for ${resource}`)
    const why = rule.of === 'peer' ? memberFault(rule.policy) : policyFault(rule.policy, { resource, channelId, bundle, identities })
    return why === undefined ? undefined : denied(why)
  }
  return {
    check: (resource, channelId, signed) =>
      judge(resource, channelId, {
        memberFault: (policy) => memberFault(policy, localMsp, { resource, signed }),
        identities: ({ msps }) => validIdentities([signed], msps),
      }),
    checkIdentity: (resource, channelId, identity) =>
      judge(resource, channelId, {
        memberFault: () => `${resource} is of the peer itself: its signature must be checked`,
        identities: () => [identity],
      }),
  }
}

/** Who asks. */
interface Asker {
  /** Why it may not use what is the peer's own. */
  readonly memberFault: (policy: 'Admins' | 'Members') => string | undefined
  /** It, where it is of a channel's organisations. */
  readonly identities: (bundle: ChannelBundle) => readonly FabricIdentity[]
}

/** Resources that proposals are for; others are asked for otherwise, and refused in other words. */
const BY_PROPOSAL = /^(_lifecycle|cscc|qscc|peer)\//

interface AskedOfChannel extends Pick<Asker, 'identities'> {
  readonly resource: string
  readonly channelId: string
  readonly bundle: ChannelBundle | undefined
}

/** @see Fabric `core/policy/policy.go` CheckPolicyBySignedData, `core/aclmgmt/resourceprovider.go` */
function policyFault(policy: string, { resource, channelId, bundle, identities }: AskedOfChannel): string | undefined {
  if (channelId === '') return noChannel(resource, policy)
  if (bundle === undefined) return `Failed to get policy manager for channel [${channelId}]`
  const fault = bundle.policies.policyOrReject(policy).evaluate(identities(bundle))
  if (fault === undefined) return
  const why = fault.detail ?? fault.fault
  if ((bundle.application?.acls.get(resource) ?? '') === '') {
    return `Failed evaluating policy on signed data during check policy on channel [${channelId}] with policy [${policy}]: [${why}]`
  }
  const isThere = bundle.policies.policy(policy) !== undefined
  return `failed evaluating policy on signed data during check policy [${policy}]: [${isThere ? why : `policy ${policy} not found`}]`
}

function noChannel(resource: string, policy: string): string {
  return BY_PROPOSAL.test(resource)
    ? `Failed getting local MSP principal during channelless check policy with policy [${policy}]: [MSP Principal role [${policy}] not recognized]`
    : 'Invalid channel ID name during check policy on signed data. Name must be different from nil.'
}

/** @see Fabric `core/policy/policy.go` CheckPolicyNoChannel, CheckPolicyNoChannelBySignedData */
function memberFault(
  policy: 'Admins' | 'Members',
  msp: Msp,
  { resource, signed }: { readonly resource: string; readonly signed: SignedData },
): string | undefined {
  const { identity, message, signature } = signed
  const during = `during channelless check policy with policy [${policy}]`
  const isByProposal = BY_PROPOSAL.test(resource)
  const member = msp.deserialize(identity)
  if (isFault(member)) {
    const what = isByProposal ? 'Failed deserializing proposal creator' : 'failed deserializing signed data identity'
    return `${what} ${during}: [${member.detail ?? member.fault}]`
  }
  const role = policy === 'Admins' ? 'admin' : 'member'
  if (!member.satisfies({ kind: 'role', mspId: msp.mspId, role })) {
    const what = isByProposal ? "Failed verifying that proposal's creator" : 'failed verifying that the signed data identity'
    return `${what} satisfies local MSP principal ${during}: [${roleFault(policy, msp, member)}]`
  }
  return member.verify(message, signature) ? undefined : 'The signature is invalid'
}

/** @see Fabric `msp/mspimpl.go` satisfiesPrincipalInternalV142 */
function roleFault(policy: 'Admins' | 'Members', { mspId }: Msp, member: FabricIdentity): string {
  const invalid = member.validate()
  const why = invalid?.detail ?? invalid?.fault
  if (policy === 'Members') return why ?? 'it is no member'
  return why === undefined
    ? `The identity is not an admin under this MSP [${mspId}]: The identity does not contain OU [ADMIN], MSP: [${mspId}]`
    : `The identity is not valid under this MSP [${mspId}]: ${why}`
}

/** @param why - Fabric's words: clients read them. */
function denied(why: string): Fault {
  return { fault: 'fabric-msp/access-denied', detail: why.slice(0, 1000) }
}
