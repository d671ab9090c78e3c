import { bytes, choice, int32, type Message, type MessageType, member, messageType, nested, nestedList, text } from './message.ts'
import { type PrincipalMessage, principalMessage } from './msp.ts'

/** `common.SignaturePolicy`: one of the two is there, or neither (which Fabric refuses). */
export interface SignaturePolicyRule extends Message {
  /** Index into the envelope's identities. */
  readonly signedBy: number | undefined
  readonly nOutOf: NOutOf | undefined
}

/** `common.SignaturePolicy.NOutOf`. */
export interface NOutOf extends Message {
  readonly n: number
  readonly rules: readonly SignaturePolicyRule[]
}

/** `common.SignaturePolicyEnvelope`. */
export interface SignaturePolicyEnvelope extends Message {
  readonly version: number
  readonly rule: SignaturePolicyRule | undefined
  readonly identities: readonly PrincipalMessage[]
}

const nOutOf: MessageType<NOutOf> = messageType('common.SignaturePolicy.NOutOf', {
  n: int32(1),
  rules: nestedList(2, () => signaturePolicyRule),
})

const signaturePolicyRule: MessageType<SignaturePolicyRule> = messageType('common.SignaturePolicy', {
  signedBy: member('type', int32(1)),
  nOutOf: member(
    'type',
    nested(2, () => nOutOf),
  ),
})

/** {@link SignaturePolicyEnvelope} on the wire. */
export const signaturePolicyEnvelope: MessageType<SignaturePolicyEnvelope> = messageType('common.SignaturePolicyEnvelope', {
  version: int32(1),
  rule: nested(2, () => signaturePolicyRule),
  identities: nestedList(3, () => principalMessage),
})

/** `common.ImplicitMetaPolicy`. */
export interface ImplicitMetaMessage extends Message {
  readonly subPolicy: string
  /** 0 any, 1 all, 2 majority. */
  readonly rule: number
}

/** `ImplicitMetaPolicy.Rule` by number. */
export const RULE_NAMES: readonly string[] = ['ANY', 'ALL', 'MAJORITY']

/** {@link ImplicitMetaMessage} on the wire. */
export const implicitMetaMessage: MessageType<ImplicitMetaMessage> = messageType('common.ImplicitMetaPolicy', {
  subPolicy: text(1),
  rule: choice(2, RULE_NAMES),
})

/** `Policy.PolicyType`: what a policy's value holds. */
export const POLICY_TYPE = { signature: 1, msp: 2, implicitMeta: 3 } as const

/** `common.Policy`. */
export interface PolicyMessage extends Message {
  /** One of {@link POLICY_TYPE}; Fabric knows no other. */
  readonly type: number
  readonly value: Uint8Array
}

/** {@link PolicyMessage} on the wire. */
export const policyMessage: MessageType<PolicyMessage> = messageType('common.Policy', {
  type: int32(1),
  value: bytes(2, ({ type }) => {
    if (type === POLICY_TYPE.signature) return signaturePolicyEnvelope
    return type === POLICY_TYPE.implicitMeta ? implicitMetaMessage : undefined
  }),
})

/** `common.ApplicationPolicy`: a policy of its own, or the name of one of the channel's. */
export interface ApplicationPolicyMessage extends Message {
  readonly signaturePolicy: SignaturePolicyEnvelope | undefined
  readonly channelConfigPolicyReference: string | undefined
}

/** {@link ApplicationPolicyMessage} on the wire. */
export const applicationPolicyMessage: MessageType<ApplicationPolicyMessage> = messageType('common.ApplicationPolicy', {
  signaturePolicy: member(
    'type',
    nested(1, () => signaturePolicyEnvelope),
  ),
  channelConfigPolicyReference: member('type', text(2)),
})
