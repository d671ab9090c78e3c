import type { SignedData } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import type { FabricIdentity, MspManager } from '../contract.ts'

/** Decides whether identities, whose signatures were checked, are enough (`common/policies.Policy`). Pure. */
export interface Policy {
  /**
   * @param identities - Distinct, as {@link validIdentities} makes them: their order counts.
   * @returns `fabric-msp/policy-not-satisfied` if they are not enough.
   */
  evaluate(identities: readonly FabricIdentity[]): Fault | undefined
}

/**
 * The distinct identities that signed, in the order of the set (`policies.SignatureSetToValidIdentities`, research § 3.3.1): those that
 * cannot be read are skipped; those that were kept already are skipped before their signature is looked at; those with a wrong signature
 * are skipped, and may be kept later. Whether a certificate is valid is the principal's question, not this one's.
 */
export function validIdentities(signedData: readonly SignedData[], msps: Pick<MspManager, 'deserialize'>): readonly FabricIdentity[] {
  const seen = new Set<string>()
  const kept: FabricIdentity[] = []
  for (const { identity: serialized, message, signature } of signedData) {
    const identity = msps.deserialize(serialized)
    if (isFault(identity) || seen.has(identity.mspId + identity.id)) continue
    if (!identity.verify(message, signature)) continue
    seen.add(identity.mspId + identity.id)
    kept.push(identity)
  }
  return kept
}

/** Checks signatures against a policy (`Policy.EvaluateSignedData`). @returns What is missing, if anything. */
export function evaluateSignedData(
  policy: Policy,
  signedData: readonly SignedData[],
  msps: Pick<MspManager, 'deserialize'>,
): Fault | undefined {
  return policy.evaluate(validIdentities(signedData, msps))
}

/** What stands where a policy is named that is not there: it is never satisfied. @param name - As it was asked for. */
export function rejectPolicy(name: string): Policy {
  return { evaluate: () => ({ fault: 'fabric-msp/policy-not-satisfied', detail: `no such policy: '${name}'`.slice(0, 200) }) }
}
