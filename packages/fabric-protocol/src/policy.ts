import { bytes, int32, type Message, message, nested, oneOf, repeatedNested, string } from './message.ts'
import { MspPrincipalMessage } from './msp-config.ts'

/** `common.SignaturePolicy`: one of the two is there, or neither (which Fabric refuses). */
export interface SignaturePolicyRule {
  /** Index into the envelope's identities. */
  readonly signedBy: number | undefined
  readonly nOutOf: NOutOf | undefined
}

/** `common.SignaturePolicy.NOutOf`. */
export interface NOutOf {
  readonly n: number
  readonly rules: readonly SignaturePolicyRule[]
}

/** `common.SignaturePolicyEnvelope`. */
export interface SignaturePolicyEnvelope {
  readonly version: number
  readonly rule: SignaturePolicyRule | undefined
  readonly identities: readonly MspPrincipalMessage[]
}

/** {@link NOutOf} on the wire. */
export const NOutOf: Message<NOutOf> = message<NOutOf>('common.SignaturePolicy.NOutOf', {
  n: int32(1),
  rules: repeatedNested(2, () => SignaturePolicyRule),
})

/** {@link SignaturePolicyRule} on the wire. */
export const SignaturePolicyRule: Message<SignaturePolicyRule> = message<SignaturePolicyRule>('common.SignaturePolicy', {
  signedBy: oneOf('type', int32(1)),
  nOutOf: oneOf(
    'type',
    nested(2, () => NOutOf),
  ),
})

/** {@link SignaturePolicyEnvelope} on the wire. */
export const SignaturePolicyEnvelope: Message<SignaturePolicyEnvelope> = message<SignaturePolicyEnvelope>(
  'common.SignaturePolicyEnvelope',
  {
    version: int32(1),
    rule: nested(2, () => SignaturePolicyRule),
    identities: repeatedNested(3, () => MspPrincipalMessage),
  },
)

/** `common.ImplicitMetaPolicy`. */
export interface ImplicitMetaMessage {
  readonly subPolicy: string
  /** 0 any, 1 all, 2 majority. */
  readonly rule: number
}

/** `ImplicitMetaPolicy.Rule` by number. */
export const RULE_NAMES: readonly string[] = ['ANY', 'ALL', 'MAJORITY']

/** {@link ImplicitMetaMessage} on the wire. */
export const ImplicitMetaMessage: Message<ImplicitMetaMessage> = message<ImplicitMetaMessage>('common.ImplicitMetaPolicy', {
  subPolicy: string(1),
  rule: int32(2),
})

/** `Policy.PolicyType`: what a policy's value holds. */
export const POLICY_TYPE = { signature: 1, msp: 2, implicitMeta: 3 } as const

/** `common.Policy`. */
export interface PolicyMessage {
  /** One of {@link POLICY_TYPE}; Fabric knows no other. */
  readonly type: number
  readonly value: Uint8Array
}

/** {@link PolicyMessage} on the wire. */
export const PolicyMessage: Message<PolicyMessage> = message<PolicyMessage>('common.Policy', {
  type: int32(1),
  value: bytes(2),
})

/** `common.ApplicationPolicy`: a policy of its own, or the name of one of the channel's. */
export interface ApplicationPolicyMessage {
  readonly signaturePolicy: SignaturePolicyEnvelope | undefined
  readonly channelConfigPolicyReference: string | undefined
}

/** {@link ApplicationPolicyMessage} on the wire. */
export const ApplicationPolicyMessage: Message<ApplicationPolicyMessage> = message<ApplicationPolicyMessage>('common.ApplicationPolicy', {
  signaturePolicy: oneOf(
    'type',
    nested(1, () => SignaturePolicyEnvelope),
  ),
  channelConfigPolicyReference: oneOf('type', string(2)),
})
