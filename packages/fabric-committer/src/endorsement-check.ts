import type { CommittedState } from '@kumiko/fabric-ledger'
import type { FabricIdentity, Policy } from '@kumiko/fabric-msp'
import { type NamespaceReadWriteSet, type ReadWriteSet, toHex, ValidationCode } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import type { ChaincodeRulebook, ChaincodeRules } from './chaincode-rules.ts'
import { cannotValidate } from './halted.ts'
import { keyPolicy, UNREADABLE_KEY_POLICY } from './key-policy.ts'

/** A transaction whose endorsements are to be judged. */
export interface TransactionToJudge {
  readonly chaincode: string
  readonly set: ReadWriteSet
  /** The distinct ones that signed, in the order of the endorsements. */
  readonly endorsers: readonly FabricIdentity[]
}

/** Policies whose verdicts are kept at once, and the sets of endorsers for each. */
const VERDICTS_MAX = 1000

/** Larger sets are judged anew each time: a transaction may have thousands of endorsers, and no two the same. */
const ENDORSERS_MAX = 64

/**
 * Judges a block's transactions by endorsement policies, one after the other in the block's order: where one changes a key's own policy,
 * none after it may write the key. For one block.
 *
 * Where Fabric asks the plugins of several namespaces in no order and tells of the first that refuses, we ask them in the transaction's: the
 * invoked chaincode's first. At one that nobody defined the transaction ends.
 * @see Fabric `core/committer/txvalidator/v20/plugindispatcher/dispatcher.go` Dispatch, `core/common/validation/statebased`; research § 3.5.3
 */
export class EndorsementCheck {
  readonly #rulebook: ChaincodeRulebook
  readonly #state: CommittedState
  readonly #verdicts: PolicyVerdicts
  /** By {@link keyId}: whose policy a transaction before changes. Bounded by the block. */
  readonly #changed = new Set<string>()

  /** @param rulebook - Prepared for what the transactions invoke and write to, of each in this order up to one that nobody defined. @param state - Has all keys that they name. */
  constructor(rulebook: ChaincodeRulebook, state: CommittedState, verdicts: PolicyVerdicts) {
    this.#rulebook = rulebook
    this.#state = state
    this.#verdicts = verdicts
  }

  /**
   * The block's next transaction that has come so far.
   * @returns Valid, `invalidChaincode` or `endorsementPolicyFailure`.
   * @throws KumikoError `fabric-committer/cannot-validate` where a key's policy cannot be read.
   */
  judge(transaction: TransactionToJudge): ValidationCode {
    let code: ValidationCode = ValidationCode.valid
    const changed: string[][] = []
    for (const [namespace, written] of namespacesToJudge(transaction)) {
      const rules = this.#rulebook.of(namespace)
      if (rules === undefined) {
        if (code === ValidationCode.valid) code = ValidationCode.invalidChaincode
        break
      }
      // One that is refused already may still change, in another namespace, policies that those after it must heed.
      if (code !== ValidationCode.valid && !changesPolicies(written)) continue
      const isEndorsed = this.#isEndorsed(rules, namespace, written, transaction.endorsers)
      if (isEndorsed) changed.push(changedKeys(namespace, written))
      else if (code === ValidationCode.valid) code = ValidationCode.endorsementPolicyFailure
    }
    for (const id of changed.flat()) this.#changed.add(id)
    return code
  }

  #isEndorsed(
    rules: ChaincodeRules,
    namespace: string,
    written: NamespaceReadWriteSet | undefined,
    endorsers: readonly FabricIdentity[],
  ): boolean {
    const judge = new NamespaceJudge(rules, (policy) => this.#verdicts.isSatisfied(policy, endorsers))
    return this.#judgeOpen(namespace, written, judge) && this.#judgeHidden(namespace, written, judge) && judge.atLeastOnce()
  }

  #judgeOpen(namespace: string, written: NamespaceReadWriteSet | undefined, judge: NamespaceJudge): boolean {
    const { writes = [], metadataWrites = [] } = written?.keyValue ?? {}
    const isAllowed = ({ key }: { readonly key: string }) =>
      !this.#changed.has(keyId(namespace, '', key)) &&
      judge.key(readKeyPolicy(this.#state.get(namespace, key)?.metadata, { namespace, key }), judge.chaincode)
    return writes.every(isAllowed) && metadataWrites.every(isAllowed)
  }

  /** A collection without a name counts as none, as with Fabric: the chaincode's policy holds. */
  #judgeHidden(namespace: string, written: NamespaceReadWriteSet | undefined, judge: NamespaceJudge): boolean {
    const collections = written?.collections ?? []
    const isAllowed = (collection: string, keyHash: Uint8Array) => {
      if (collection === '') return judge.policy(judge.chaincode)
      const key = toHex(keyHash)
      if (this.#changed.has(keyId(namespace, collection, key))) return false
      const { metadata } = this.#state.getHashed(namespace, collection, keyHash) ?? {}
      return judge.key(readKeyPolicy(metadata, { namespace, collection, key }), judge.collection(collection))
    }
    return (
      collections.every(({ collection, hashed }) => hashed.hashedWrites.every(({ keyHash }) => isAllowed(collection, keyHash))) &&
      collections.every(({ collection, hashed }) => hashed.metadataWrites.every(({ keyHash }) => isAllowed(collection, keyHash)))
    )
  }
}

/** Asks each policy once for a namespace of a transaction. */
class NamespaceJudge {
  readonly #rules: ChaincodeRules
  readonly #isSatisfied: (policy: Policy) => boolean
  readonly #satisfied = new Set<Policy>()

  constructor(rules: ChaincodeRules, isSatisfied: (policy: Policy) => boolean) {
    this.#rules = rules
    this.#isSatisfied = isSatisfied
  }

  get chaincode(): Policy | Fault {
    return this.#rules.policy
  }

  collection(name: string): Policy | Fault | undefined {
    return this.#rules.collection(name)
  }

  /** By the key's own policy, or where it has none by the other, which may not be there. */
  key(own: Policy | Fault | undefined, other: Policy | Fault | undefined): boolean {
    return this.policy(own ?? other)
  }

  policy(policy: Policy | Fault | undefined): boolean {
    if (policy === undefined || isFault(policy)) return false
    if (this.#satisfied.has(policy)) return true
    if (!this.#isSatisfied(policy)) return false
    this.#satisfied.add(policy)
    return true
  }

  /** Some policy must have been asked: where nothing was written, the chaincode's. */
  atLeastOnce(): boolean {
    return this.#satisfied.size > 0 || this.policy(this.chaincode)
  }
}

/** What policies say of sets of endorsers: few chaincodes have many transactions by the same endorsers. For one configuration. */
export class PolicyVerdicts {
  #known = new Map<Policy, Map<string, boolean>>()

  isSatisfied(policy: Policy, endorsers: readonly FabricIdentity[]): boolean {
    if (endorsers.length > ENDORSERS_MAX) return policy.evaluate(endorsers) === undefined
    if (this.#known.size >= VERDICTS_MAX) this.#known = new Map()
    const known = this.#known.get(policy) ?? new Map<string, boolean>()
    this.#known.set(policy, known)
    const key = endorsers.map(({ mspId, id }) => `${id} ${mspId.length} ${mspId}`).join('')
    const verdict = known.get(key) ?? policy.evaluate(endorsers) === undefined
    if (known.size < VERDICTS_MAX) known.set(key, verdict)
    return verdict
  }
}

/** Of what the transaction invoked, and of what else it writes to. Each namespace is there once. */
function namespacesToJudge({ chaincode, set }: TransactionToJudge): ReadonlyMap<string, NamespaceReadWriteSet | undefined> {
  const judged = new Map<string, NamespaceReadWriteSet | undefined>([[chaincode, undefined]])
  for (const each of set.namespaces) if (each.namespace === chaincode || isWritten(each)) judged.set(each.namespace, each)
  return judged
}

/** Is there a write of values or metadata, public or hashed? Then the namespace's rules will be asked for. */
export function isWritten({ keyValue, collections }: NamespaceReadWriteSet): boolean {
  return (
    keyValue.writes.length > 0 ||
    keyValue.metadataWrites.length > 0 ||
    collections.some(({ hashed }) => hashed.hashedWrites.length > 0 || hashed.metadataWrites.length > 0)
  )
}

function changesPolicies(written: NamespaceReadWriteSet | undefined): boolean {
  return written !== undefined && changedKeys(written.namespace, written).length > 0
}

function changedKeys(namespace: string, written: NamespaceReadWriteSet | undefined): string[] {
  if (written === undefined) return []
  const open = written.keyValue.metadataWrites.map(({ key }) => keyId(namespace, '', key))
  const hidden = written.collections.flatMap(({ collection, hashed }) =>
    collection === '' ? [] : hashed.metadataWrites.map(({ keyHash }) => keyId(namespace, collection, toHex(keyHash))),
  )
  return [...open, ...hidden]
}

/** A key of public or hashed state; no two share one. */
function keyId(namespace: string, collection: string, key: string): string {
  return `${namespace.length} ${collection.length} ${namespace}${collection}${key}`
}

function readKeyPolicy(metadata: Uint8Array | undefined, context: Readonly<Record<string, string>>): Policy | Fault | undefined {
  const policy = metadata && keyPolicy(metadata)
  if (isFault(policy) && policy.fault === UNREADABLE_KEY_POLICY) throw cannotValidate('a key’s own policy cannot be read', policy, context)
  return policy
}
