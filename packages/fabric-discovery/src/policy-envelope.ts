import { implicitMetaThreshold } from '@kumiko/fabric-msp'
import {
  ApplicationPolicyMessage,
  type ConfigGroup,
  type ConfigPolicy,
  ImplicitMetaMessage,
  type MspPrincipalMessage,
  POLICY_TYPE,
  SignaturePolicyEnvelope,
  type SignaturePolicyRule,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'

/** Policies of channels by their group and name: as many as a configuration has, which is never changed, and takes them along when it goes. */
const converted = new WeakMap<ConfigGroup, Map<string, SignaturePolicyEnvelope | Fault>>()

/**
 * A chaincode's or collection's policy as a signature policy, whatever of the channel's it refers to.
 * @param bytes - A `common.ApplicationPolicy`'s.
 * @param channel - The channel's group `/Channel`.
 * @returns `fabric-discovery/bad-policy`.
 * @see Fabric `core/chaincode/lifecycle/metadata_provider.go` toSignaturePolicyEnvelope
 */
export function policyEnvelope(bytes: Uint8Array, channel: ConfigGroup): SignaturePolicyEnvelope | Fault {
  const policy = ApplicationPolicyMessage.decode(bytes)
  if (isFault(policy)) return badPolicy(`it is no ApplicationPolicy: ${policy.detail ?? policy.fault}`)
  if (policy.signaturePolicy !== undefined) return policy.signaturePolicy
  const reference = policy.channelConfigPolicyReference
  return reference === undefined ? badPolicy('it is empty') : channelPolicy(reference, channel)
}

/** One of the channel's policies. @param reference - `/Channel/Application/Endorsement`. */
function channelPolicy(reference: string, channel: ConfigGroup): SignaturePolicyEnvelope | Fault {
  const path = reference.replace(/^\/Channel\//, '').split('/')
  const name = path.pop() ?? ''
  let group: ConfigGroup | undefined = channel
  for (const part of path) group = group?.groups.get(part)
  const policy = group?.policies.get(name)
  if (group === undefined || policy === undefined) return badPolicy(`could not retrieve policy for reference '${reference}'`)
  const known = converted.get(group) ?? new Map<string, SignaturePolicyEnvelope | Fault>()
  converted.set(group, known)
  const envelope = known.get(name) ?? convert(policy, group)
  known.set(name, envelope)
  return envelope
}

/** @see Fabric `common/policies/convert.go` */
function convert({ policy }: ConfigPolicy, group: ConfigGroup): SignaturePolicyEnvelope | Fault {
  switch (policy?.type) {
    case POLICY_TYPE.signature: {
      const envelope = SignaturePolicyEnvelope.decode(policy.value)
      return isFault(envelope) ? badPolicy(envelope.detail ?? envelope.fault) : envelope
    }
    case POLICY_TYPE.implicitMeta: {
      const implicit = ImplicitMetaMessage.decode(policy.value)
      return isFault(implicit) ? badPolicy(implicit.detail ?? implicit.fault) : convertImplicit(implicit, group)
    }
    default:
      return badPolicy(`of type ${policy?.type}: it cannot be converted`)
  }
}

/** The groups nest no deeper than a configuration may. */
function convertImplicit({ subPolicy, rule }: ImplicitMetaMessage, group: ConfigGroup): SignaturePolicyEnvelope | Fault {
  const identities: MspPrincipalMessage[] = []
  const rules: SignaturePolicyRule[] = []
  for (const [name, below] of group.groups) {
    const policy = below.policies.get(subPolicy)
    if (policy === undefined) return badPolicy(`group ${name} has no policy ${subPolicy}`)
    const envelope = convert(policy, below)
    if (isFault(envelope)) return envelope
    if (envelope.rule !== undefined) rules.push(renumber(envelope.rule, identities.length, envelope.identities.length))
    for (const identity of envelope.identities) identities.push(identity)
  }
  const n = implicitMetaThreshold(rule, group.groups.size)
  return { version: 0, rule: { signedBy: undefined, nOutOf: { n, rules } }, identities }
}

/** A rule whose principals come after `offset` others. @param own - How many there are: an index beyond names nobody. */
function renumber({ signedBy, nOutOf }: SignaturePolicyRule, offset: number, own: number): SignaturePolicyRule {
  if (nOutOf !== undefined)
    return { signedBy: undefined, nOutOf: { n: nOutOf.n, rules: nOutOf.rules.map((rule) => renumber(rule, offset, own)) } }
  const isOwn = signedBy !== undefined && signedBy >= 0 && signedBy < own
  return { signedBy: isOwn ? signedBy + offset : -1, nOutOf }
}

function badPolicy(detail: string): Fault {
  return { fault: 'fabric-discovery/bad-policy', detail: detail.slice(0, 200) }
}
