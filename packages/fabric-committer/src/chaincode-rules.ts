import type { StateReader } from '@kumiko/fabric-ledger'
import {
  type ChaincodeDefinition,
  definedCollection,
  definitionKeys,
  implicitCollectionEndorsementPolicy,
  implicitCollectionOwner,
  LIFECYCLE_NAMESPACE,
  lifecycleEndorsementPolicy,
  readChaincodeDefinition,
} from '@kumiko/fabric-lifecycle'
import { type Policy, readApplicationPolicy } from '@kumiko/fabric-msp'
import { type Fault, isFault, KumikoError } from '@kumiko/interface'
import type { CommitterBundle } from './block-intake.ts'
import { cannotValidate } from './halted.ts'

/** Who must endorse what a chaincode writes. A fault stands for a policy that nobody satisfies. */
export interface ChaincodeRules {
  readonly policy: Policy | Fault
  /** @returns Undefined where the chaincode has no such collection. */
  collection(name: string): Policy | Fault | undefined
}

/** Chaincodes that are kept at once; more are read again. */
const CHAINCODES_MAX = 10_000

/** Chaincodes that the state is asked for at once: a transaction may name as many as it has bytes for. */
const READ_MAX = 1000

/** Where Fabric 1 kept chaincodes' definitions. */
const LEGACY_NAMESPACE = 'lscc'

/** The plugin that Fabric brings: the only one here. */
const PLUGIN = 'vscc'

/**
 * The chaincodes of a channel, as its state defines them. What was read is kept until {@link ChaincodeRulebook.forget}: to be called when a
 * block changes definitions. For one configuration of the channel.
 * @see Fabric `core/chaincode/lifecycle/deployedcc_infoprovider.go` ValidationInfo, CollectionValidationInfo
 */
export class ChaincodeRulebook {
  readonly #bundle: CommitterBundle
  /** Undefined for one that is not defined. */
  #known = new Map<string, ChaincodeRules | undefined>()

  constructor(bundle: CommitterBundle) {
    this.#bundle = bundle
  }

  /**
   * Reads the definitions of chaincodes that are not known yet, many at once. Then all of these are known, whatever was before.
   * @throws KumikoError `fabric-committer/cannot-validate` for definitions that cannot be read or followed; what the state throws.
   */
  async prepare(chaincodes: Iterable<string>, state: Pick<StateReader, 'getMany'>): Promise<void> {
    const wanted = [...chaincodes]
    let unknown = wanted.filter((name) => !this.#known.has(name))
    if (unknown.length > 0 && this.#known.size + unknown.length > CHAINCODES_MAX) {
      this.forget()
      unknown = wanted
    }
    for (let at = 0; at < unknown.length; at += READ_MAX) await this.#learn(unknown.slice(at, at + READ_MAX), state)
  }

  async #learn(chaincodes: readonly string[], state: Pick<StateReader, 'getMany'>): Promise<void> {
    const keys = chaincodes.map((name) => [
      ...definitionKeys(name).map((key) => ({ namespace: LIFECYCLE_NAMESPACE, key })),
      { namespace: LEGACY_NAMESPACE, key: name },
    ])
    const entries = await state.getMany(keys.flat())
    const size = entries.length / chaincodes.length
    for (const [index, name] of chaincodes.entries()) {
      const values = entries.slice(index * size, (index + 1) * size).map((entry) => entry?.value)
      this.#known.set(name, this.#read(name, values.slice(0, -1), values.at(-1)))
    }
  }

  /** @returns Undefined where the chaincode is not defined, and so none of its transactions is valid. It must have been prepared. */
  of(chaincode: string): ChaincodeRules | undefined {
    if (!this.#known.has(chaincode)) {
      throw new KumikoError('fabric-committer/not-prepared', `the definition of "${chaincode}" was not read: prepare it first`)
    }
    return this.#known.get(chaincode)
  }

  /** Definitions may have changed. */
  forget(): void {
    this.#known = new Map()
  }

  #read(name: string, values: readonly (Uint8Array | undefined)[], legacy: Uint8Array | undefined): ChaincodeRules | undefined {
    if (name === LIFECYCLE_NAMESPACE) return this.#lifecycle()
    const definition = readChaincodeDefinition(values)
    if (isFault(definition)) throw cannotValidate(`the definition of chaincode "${name}" cannot be read`, definition, { chaincode: name })
    const { validationPlugin: plugin = '', validationParameter: policy = NOTHING } = definition?.validationInfo ?? {}
    if (plugin === '' && policy.length === 0) return refuseLegacy(name, legacy)
    if (definition === undefined || plugin === '' || policy.length === 0) return
    if (plugin !== PLUGIN) throw unknownPlugin(name, plugin)
    return this.#defined(definition)
  }

  #lifecycle(): ChaincodeRules {
    const policy = lifecycleEndorsementPolicy(this.#bundle)
    if (isFault(policy)) throw cannotValidate('there is no policy for chaincode definitions', policy, { chaincode: LIFECYCLE_NAMESPACE })
    return { policy, collection: (name) => this.#implicit(name) }
  }

  #defined({ validationInfo, collections }: ChaincodeDefinition): ChaincodeRules {
    const policy = readApplicationPolicy(validationInfo.validationParameter, this.#bundle.policies)
    // As many as the chaincode defines, and one for each organisation.
    const known = new Map<string, Policy | Fault>()
    const collection = (name: string): Policy | Fault | undefined => {
      if (implicitCollectionOwner(name) !== undefined) return this.#implicit(name)
      const defined = definedCollection(collections, name)
      if (defined === undefined) return
      const { endorsementPolicy = NOTHING } = defined
      return endorsementPolicy.length === 0 ? policy : readApplicationPolicy(endorsementPolicy, this.#bundle.policies)
    }
    return {
      policy,
      collection: (name) => {
        const found = known.get(name) ?? collection(name)
        if (found !== undefined) known.set(name, found)
        return found
      },
    }
  }

  #implicit(name: string): Policy | Fault | undefined {
    const mspId = implicitCollectionOwner(name)
    return mspId === undefined ? undefined : implicitCollectionEndorsementPolicy(this.#bundle, mspId)
  }
}

const NOTHING = new Uint8Array()

/** Channels that began with Fabric 1 may still have chaincodes that only `lscc` defines: whoever cannot read those must not judge them. */
function refuseLegacy(name: string, legacy: Uint8Array | undefined): undefined {
  if (legacy === undefined) return
  throw cannotValidate(`chaincode "${name}" is defined by lscc only`, { fault: 'fabric-committer/legacy-chaincode' }, { chaincode: name })
}

function unknownPlugin(name: string, plugin: string): KumikoError {
  const fault = { fault: 'fabric-committer/unknown-plugin', detail: plugin.slice(0, 100) }
  return cannotValidate(`chaincode "${name}" is to be validated by a plugin that is not here`, fault, { chaincode: name, plugin })
}
