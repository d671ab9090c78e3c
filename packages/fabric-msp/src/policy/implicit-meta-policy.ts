import { ImplicitMetaMessage, RULE_NAMES } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import type { Policy } from './policy.ts'

/**
 * Reads an `ImplicitMetaPolicy` over the groups right below (`common/policies/implicitmeta.go`).
 * @param bytes - `common.ImplicitMetaPolicy`.
 * @param subPolicies - The policies of that name, one for each group right below; a group without it rejects.
 */
export function readImplicitMetaPolicy(bytes: Uint8Array, subPolicies: (name: string) => readonly Policy[]): Policy | Fault {
  const message = ImplicitMetaMessage.decode(bytes)
  if (isFault(message)) return message
  const policies = subPolicies(message.subPolicy)
  const threshold = implicitMetaThreshold(message.rule, policies.length)
  return {
    evaluate: (identities) => {
      let remaining = threshold
      for (const policy of policies) {
        if (policy.evaluate(identities) !== undefined) continue
        remaining--
        if (remaining === 0) return undefined
      }
      // Zero by a rule that nobody knows, and no group was for it: as in Fabric, whose count then goes below zero for the first that is.
      return remaining === 0 ? undefined : missing(message.subPolicy, threshold - remaining, threshold)
    },
  }
}

/**
 * How many of the groups below an implicit-meta policy must agree. Without groups, none must.
 * @param rule - `ImplicitMetaPolicy.Rule`; by one that nobody knows none must.
 * @see Fabric `common/policies/implicitmeta.go`
 */
export function implicitMetaThreshold(rule: number, groups: number): number {
  if (groups === 0) return 0
  switch (RULE_NAMES[rule]) {
    case 'ANY':
      return 1
    case 'ALL':
      return groups
    case 'MAJORITY':
      return Math.floor(groups / 2) + 1
    default:
      return 0
  }
}

function missing(name: string, satisfied: number, threshold: number): Fault {
  const needed = `but this policy requires ${threshold} of the '${name.slice(0, 60)}' sub-policies to be satisfied`
  const detail = `implicit policy evaluation failed - ${satisfied} sub-policies were satisfied, ${needed}`
  return { fault: 'fabric-msp/policy-not-satisfied', detail }
}
