import { encodePrincipal } from '@kumiko/fabric-msp'
import { bytes, compareUtf8, int32, type Message, message, nested, oneOf, repeatedBytes, repeatedNested } from '@kumiko/fabric-protocol'

/** So many organisations must have a member sign. */
export interface PrincipalRule {
  readonly needed: number
  readonly mspIds: readonly string[]
}

interface NOutOf {
  readonly n: number
  readonly rules: readonly Rule[]
}
interface Rule {
  readonly signedBy: number | undefined
  readonly nOutOf: NOutOf | undefined
}
interface SignaturePolicy {
  readonly version: number
  readonly rule: Rule | undefined
  /** `common.MSPPrincipal`s' bytes. */
  readonly identities: readonly Uint8Array[]
}
const Rule: Message<Rule> = message<Rule>('SignaturePolicy', {
  signedBy: oneOf('Type', int32(1)),
  nOutOf: oneOf(
    'Type',
    nested(2, () => NOutOf),
  ),
})
const NOutOf: Message<NOutOf> = message<NOutOf>('NOutOf', { n: int32(1), rules: repeatedNested(2, () => Rule) })
const SignaturePolicy: Message<SignaturePolicy> = message<SignaturePolicy>('SignaturePolicyEnvelope', {
  version: int32(1),
  rule: nested(2, () => Rule),
  identities: repeatedBytes(3),
})
const ApplicationPolicy: Message<{ signaturePolicy: Uint8Array | undefined }> = message('ApplicationPolicy', {
  signaturePolicy: oneOf('Type', bytes(1)),
})

/**
 * A `common.SignaturePolicyEnvelope`'s bytes for a rule.
 * @see Fabric `common/policydsl/policydsl_builder.go` SignedByNOutOfGivenRole
 */
export function signaturePolicyOf({ needed, mspIds }: PrincipalRule): Uint8Array {
  const identities = mspIds.toSorted(compareUtf8).map((mspId) => encodePrincipal({ kind: 'role', mspId, role: 'member' }))
  const rules = identities.map((_, index) => ({ signedBy: index, nOutOf: undefined }))
  return SignaturePolicy.encode({ rule: { signedBy: undefined, nOutOf: { n: needed, rules } }, identities })
}

/** The same rule as a `common.ApplicationPolicy`'s bytes. */
export function applicationPolicyOf(rule: PrincipalRule): Uint8Array {
  return ApplicationPolicy.encode({ signaturePolicy: signaturePolicyOf(rule) })
}
