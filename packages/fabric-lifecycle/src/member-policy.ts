import {
  ApplicationPolicyMessage,
  compareUtf8,
  type MspPrincipalMessage,
  MspRoleMessage,
  SignaturePolicyEnvelope,
} from '@kumiko/fabric-protocol'

/** So many organisations must have a member sign. */
export interface MemberRule {
  readonly needed: number
  readonly mspIds: readonly string[]
}

/**
 * A `common.SignaturePolicyEnvelope`'s bytes for a rule.
 * @see Fabric `common/policydsl/policydsl_builder.go` SignedByNOutOfGivenRole
 */
export function signaturePolicyOf(rule: MemberRule): Uint8Array {
  return SignaturePolicyEnvelope.encode(envelopeOf(rule))
}

/** The same rule as a `common.ApplicationPolicy`'s bytes. */
export function applicationPolicyOf(rule: MemberRule): Uint8Array {
  return ApplicationPolicyMessage.encode({ signaturePolicy: envelopeOf(rule) })
}

/** Classification and role by their numbers: a role, member. */
const [ROLE, MEMBER] = [0, 0]

function envelopeOf({ needed, mspIds }: MemberRule): SignaturePolicyEnvelope {
  const identities = mspIds.toSorted(compareUtf8).map(
    (mspIdentifier): MspPrincipalMessage => ({
      principalClassification: ROLE,
      principal: MspRoleMessage.encode({ mspIdentifier, role: MEMBER }),
    }),
  )
  const rules = identities.map((_, index) => ({ signedBy: index, nOutOf: undefined }))
  return { version: 0, rule: { signedBy: undefined, nOutOf: { n: needed, rules } }, identities }
}
