import { MspPrincipalMessage, SignaturePolicyEnvelope, type SignaturePolicyRule } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import type { FabricIdentity, MspPrincipal } from '../contract.ts'
import { readPrincipal } from '../principal.ts'
import type { Policy } from './policy.ts'

/** A signature policy is at most this large. Fabric's own bound is the block's size. */
export const SIGNATURE_POLICY_BYTES_MAX = 1_048_576

/** Rules nest at most this deep in a signature policy: as deep as messages may. Fabric's own bound is that of Go's protobuf, 5,000. */
export const SIGNATURE_POLICY_DEPTH_MAX = 499

/**
 * Reads a `SignaturePolicyEnvelope` and compiles it, as the channel's policies are (`cauthdsl/policy.go`, `provider.NewPolicy`).
 * @returns A fault where Fabric refuses the policy too, and where it is larger or deeper than this package takes.
 */
export function readSignaturePolicy(bytes: Uint8Array): Policy | Fault {
  const envelope = decodeSignaturePolicy(bytes)
  if (isFault(envelope)) return envelope
  if (envelope.version !== 0) return refused(`version ${envelope.version} is unknown: only 0 is`)
  return compileSignaturePolicy(envelope)
}

/** Reads a `SignaturePolicyEnvelope` of at most {@link SIGNATURE_POLICY_BYTES_MAX} bytes. */
export function decodeSignaturePolicy(bytes: Uint8Array): SignaturePolicyEnvelope | Fault {
  if (bytes.length > SIGNATURE_POLICY_BYTES_MAX) return refused(`${bytes.length} bytes are more than ${SIGNATURE_POLICY_BYTES_MAX}`)
  return SignaturePolicyEnvelope.decode(bytes)
}

/**
 * Makes a policy of an envelope (`cauthdsl.go`, `compile`, by `EnvelopeBasedPolicyProvider`, which does not look at the version:
 * endorsement policies come this way). A principal that cannot be read refuses nothing here: nobody satisfies it.
 */
export function compileSignaturePolicy(envelope: SignaturePolicyEnvelope): Policy | Fault {
  const principals = envelope.identities.map((identity) => readPrincipal(MspPrincipalMessage.encode(identity)))
  const rule = compile(envelope.rule, principals, 0)
  if (isFault(rule)) return rule
  return {
    evaluate: (identities) => {
      const used = identities.map(() => false)
      return rule(identities, used)
        ? undefined
        : { fault: 'fabric-msp/policy-not-satisfied', detail: 'signature set did not satisfy policy' }
    },
  }
}

/** Marks the identities that it uses; what it marked counts only if it says yes. */
type Rule = (identities: readonly FabricIdentity[], used: boolean[]) => boolean

function compile(rule: SignaturePolicyRule | undefined, principals: readonly (MspPrincipal | Fault)[], depth: number): Rule | Fault {
  if (depth > SIGNATURE_POLICY_DEPTH_MAX) return refused('rules nest too deep')
  if (rule?.signedBy !== undefined) {
    const principal = principals[rule.signedBy]
    return principal === undefined ? refused(`identity ${rule.signedBy} of ${principals.length} is named`) : signedBy(principal)
  }
  if (rule?.nOutOf === undefined) return refused('a rule is empty')
  const rules: Rule[] = []
  for (const part of rule.nOutOf.rules) {
    const compiled = compile(part, principals, depth + 1)
    if (isFault(compiled)) return compiled
    rules.push(compiled)
  }
  return nOutOf(rule.nOutOf.n, rules)
}

/** The first identity not used yet that is one of those meant. */
function signedBy(principal: MspPrincipal | Fault): Rule {
  return (identities, used) => {
    if (isFault(principal)) return false
    const found = identities.findIndex((identity, at) => used[at] === false && identity.satisfies(principal))
    if (found < 0) return false
    used[found] = true
    return true
  }
}

/**
 * At least `n` of the rules, each in its turn on what the ones before left: greedy, without going back, and going on when `n` are
 * reached (research § 3.3.2). Whoever finds a better matching forks.
 */
function nOutOf(n: number, rules: readonly Rule[]): Rule {
  return (identities, used) => {
    let satisfied = 0
    for (const rule of rules) {
      const trial = [...used]
      if (!rule(identities, trial)) continue
      satisfied++
      for (const [at, isUsed] of trial.entries()) used[at] = isUsed
    }
    return satisfied >= n
  }
}

function refused(detail: string): Fault {
  return { fault: 'fabric-msp/bad-signature-policy', detail }
}
