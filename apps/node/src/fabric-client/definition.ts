import { CollectionConfigPackage, StaticCollection } from '@kumiko/fabric-lifecycle'
import { parsePolicy } from '@kumiko/fabric-msp'
import { ApplicationPolicyMessage, DefinitionArgs, SignaturePolicyEnvelope } from '@kumiko/fabric-protocol'
import { readBinary } from '../fabric/binary-file.ts'
import { UsageError } from '../failure.ts'
import { jsonFlag } from './flags.ts'

/** A definition, as Fabric's flags say it. */
export interface DefinitionFlags {
  readonly name: string
  readonly version: string
  readonly sequence: number
  readonly signaturePolicy?: string
  readonly channelConfigPolicy?: string
  readonly endorsementPlugin?: string
  readonly validationPlugin?: string
  readonly collectionsConfig?: string
  readonly initRequired?: boolean
}

/** The definition that flags describe. @throws KumikoError `node/usage`, `node/unreadable-file`, `fabric-msp/bad-policy-text`. */
export async function definitionOf(flags: DefinitionFlags): Promise<DefinitionArgs> {
  const { name, version, sequence, endorsementPlugin = '', validationPlugin = '', collectionsConfig, initRequired = false } = flags
  const collections = collectionsConfig === undefined ? undefined : await readCollections(collectionsConfig)
  return DefinitionArgs.create({
    name,
    version,
    sequence: BigInt(sequence),
    endorsementPlugin,
    validationPlugin,
    initRequired,
    validationParameter: policyOf(flags),
    ...(collections && { collections }),
  })
}

function policyOf({ signaturePolicy, channelConfigPolicy }: DefinitionFlags): Uint8Array {
  if (signaturePolicy !== undefined && channelConfigPolicy !== undefined)
    throw new UsageError('cannot specify both "--signature-policy" and "--channel-config-policy"')
  return policyBytes(signaturePolicy, channelConfigPolicy)
}

function policyBytes(signaturePolicy: string | undefined, channelConfigPolicy: string | undefined): Uint8Array {
  if (signaturePolicy !== undefined) return ApplicationPolicyMessage.encode({ signaturePolicy: parsePolicy(signaturePolicy) })
  return channelConfigPolicy === undefined
    ? new Uint8Array()
    : ApplicationPolicyMessage.encode({ channelConfigPolicyReference: channelConfigPolicy })
}

/** @see Fabric `internal/peer/chaincode/common.go` getCollectionConfigFromBytes */
async function readCollections(path: string): Promise<Uint8Array> {
  const value = jsonFlag(`the file ${path}`, new TextDecoder().decode(await readBinary(path)))
  if (!Array.isArray(value)) throw new UsageError(`${path}: want a list of collections`)
  return CollectionConfigPackage.encode({
    config: value.map((each, at) => ({ staticCollection: collectionOf(each, `${path}: collection ${at}`) })),
  })
}

function collectionOf(value: unknown, where: string): StaticCollection {
  const fields = new Fields(value, where)
  const endorsement = fields.optional('endorsementPolicy')
  const [text, reference] = [endorsement?.text('signaturePolicy'), endorsement?.text('channelConfigPolicy')]
  return StaticCollection.create({
    name: fields.required('name'),
    memberOrgsPolicy: { signaturePolicy: SignaturePolicyEnvelope.encode(parsePolicy(fields.required('policy'))) },
    requiredPeerCount: fields.number('requiredPeerCount'),
    maximumPeerCount: fields.number('maxPeerCount'),
    blockToLive: BigInt(fields.number('blockToLive')),
    memberOnlyRead: fields.flag('memberOnlyRead'),
    memberOnlyWrite: fields.flag('memberOnlyWrite'),
    ...(endorsement && { endorsementPolicy: policyBytes(text, reference) }),
  })
}

/** Members of an object in a file. */
class Fields {
  readonly #fields: ReadonlyMap<string, unknown>
  readonly #where: string

  constructor(value: unknown, where: string) {
    if (typeof value !== 'object' || value === null) throw new UsageError(`${where}: want an object`)
    // Go knows members in any case.
    this.#fields = new Map(Object.entries(value).map(([name, each]) => [name.toLowerCase(), each]))
    this.#where = where
  }

  required(name: string): string {
    const value = this.text(name)
    if (value === undefined) throw new UsageError(`${this.#where}: want ${name}`)
    return value
  }

  text(name: string): string | undefined {
    return this.#read(name, 'text', (value) => typeof value === 'string')
  }

  number(name: string): number {
    return this.#read(name, 'a whole number from 0 on', (value) => Number.isSafeInteger(value) && Number(value) >= 0) ?? 0
  }

  flag(name: string): boolean {
    return this.#read(name, 'true or false', (value) => typeof value === 'boolean') ?? false
  }

  optional(name: string): Fields | undefined {
    const value = this.#fields.get(name.toLowerCase()) ?? undefined
    return value === undefined ? undefined : new Fields(value, `${this.#where}, ${name}`)
  }

  #read<T>(name: string, what: string, is: (value: unknown) => boolean): T | undefined {
    const value = this.#fields.get(name.toLowerCase()) ?? undefined
    if (value === undefined) return
    if (!is(value)) throw new UsageError(`${this.#where}: want ${what} for ${name}`)
    // As `is` says.
    return value as T
  }
}
