import { CollectionConfigPackage, definedCollection, implicitCollectionOwner, type StaticCollection } from '@kumiko/fabric-lifecycle'
import { compileSignaturePolicy, decodeSignaturePolicy, evaluateSignedData } from '@kumiko/fabric-msp'
import { type PrivateReadWriteSet, type SignedData, writePrivateReadWriteSet } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import type { PrivateDataEntry } from '../response.ts'
import type { PeerDeliverChannel } from './deliver-channel.ts'

/**
 * A block's private data, of the collections that who signed may read: all but those that only members may, and those where it is one. A
 * collection's definition is that before the block.
 * @throws Error, in Fabric's words, where a collection was not defined then.
 * @see Fabric `core/peer/deliverevents.go` getPrivateData, CheckCollectionPolicy
 */
export async function readablePrivateData(
  channel: PeerDeliverChannel,
  blockNumber: bigint,
  signed: SignedData,
): Promise<readonly PrivateDataEntry[]> {
  const data = (await channel.ledger.privateData.read(blockNumber)) ?? []
  const readable = new Readable(channel, blockNumber, signed)
  const entries: PrivateDataEntry[] = []
  for (const { transactionNumber, set } of data) {
    const kept = await readable.partOf(set)
    if (kept.namespaces.length > 0) entries.push({ key: BigInt(transactionNumber), value: writePrivateReadWriteSet(kept) })
  }
  return entries
}

/** The collections that one may read at one block. As many as the block's private data names. */
class Readable {
  readonly #channel: PeerDeliverChannel
  readonly #blockNumber: bigint
  readonly #signed: SignedData
  readonly #known = new Map<string, boolean>()

  constructor(channel: PeerDeliverChannel, blockNumber: bigint, signed: SignedData) {
    this.#channel = channel
    this.#blockNumber = blockNumber
    this.#signed = signed
  }

  async partOf({ namespaces }: PrivateReadWriteSet): Promise<PrivateReadWriteSet> {
    const kept: PrivateReadWriteSet['namespaces'][number][] = []
    for (const { namespace, collections } of namespaces) {
      const readable: (typeof collections)[number][] = []
      for (const each of collections) if (await this.#has(namespace, each.collection)) readable.push(each)
      if (readable.length > 0) kept.push({ namespace, collections: readable })
    }
    return { namespaces: kept }
  }

  async #has(namespace: string, collection: string): Promise<boolean> {
    const name = `${namespace}\0${collection}`
    const isReadable = this.#known.get(name) ?? (await this.#judge(namespace, collection))
    this.#known.set(name, isReadable)
    return isReadable
  }

  async #judge(namespace: string, collection: string): Promise<boolean> {
    // Implicit ones are not for members only: who may have blocks of this peer may have what it holds.
    if (implicitCollectionOwner(collection) !== undefined) return true
    const defined = await this.#definition(namespace, collection)
    if (defined === undefined) throw new Error(`no collection config was found for collection ${collection} for chaincode ${namespace}`)
    return !defined.memberOnlyRead || this.#isMember(defined)
  }

  async #definition(namespace: string, collection: string): Promise<StaticCollection | undefined> {
    const found = await this.#channel.ledger.collectionConfigs.mostRecentBelow(namespace, this.#blockNumber)
    const configs = found && CollectionConfigPackage.decode(found.config)
    return configs === undefined || isFault(configs) ? undefined : definedCollection(configs, collection)
  }

  #isMember({ memberOrgsPolicy }: StaticCollection): boolean {
    if (memberOrgsPolicy?.signaturePolicy === undefined) return false
    const envelope = decodeSignaturePolicy(memberOrgsPolicy.signaturePolicy)
    const policy = isFault(envelope) ? envelope : compileSignaturePolicy(envelope)
    return !isFault(policy) && evaluateSignedData(policy, [this.#signed], this.#channel.bundle.msps) === undefined
  }
}
