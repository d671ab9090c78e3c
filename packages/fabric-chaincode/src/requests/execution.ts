import type { Simulator } from '@kumiko/fabric-ledger'
import type { ChannelBundle } from '@kumiko/fabric-msp'
import { type ChaincodeMessage, type ChaincodeSpec, proposalSignedData } from '@kumiko/fabric-protocol'
import type { TransactionContext } from '../contract.ts'
import { failed } from '../stream/chaincode-stream.ts'
import { type CollectionAccess, collectionAccess } from './collections.ts'
import { OpenQueries } from './open-queries.ts'
import { refusal, wordsOf } from './refusal.ts'
import { REQUESTS } from './requests.ts'

/** What the requests of an execution need of the peer. */
export interface ExecutionPeer {
  /** A channel as it is configured now; undefined where the peer is not on it. */
  readonly bundle: (channelId: string) => ChannelBundle | undefined
  /** Runs another chaincode for this one. @returns A {@link ChaincodeMessage}'s bytes, as the other sent it. */
  readonly invoke: (execution: Execution, spec: ChaincodeSpec) => Promise<Uint8Array>
  /** Results of one query at most. */
  readonly queryResultsMax: number
}

/** A transaction that a chaincode executes, and what it asks for meanwhile. @see Fabric `core/chaincode/transaction_context.go` */
export class Execution {
  readonly context: TransactionContext
  readonly simulator: Simulator
  /** Where its keys are: the chaincode's name. */
  readonly namespace: string
  readonly isInit: boolean
  readonly peer: ExecutionPeer
  readonly queries: OpenQueries = new OpenQueries()
  /** By collection: as many as the definition has, for others are refused. */
  readonly #access = new Map<string, CollectionAccess>()

  constructor(
    context: TransactionContext & { readonly simulator: Simulator },
    { namespace, isInit, peer }: { readonly namespace: string; readonly isInit: boolean; readonly peer: ExecutionPeer },
  ) {
    this.context = context
    this.simulator = context.simulator
    this.namespace = namespace
    this.isInit = isInit
    this.peer = peer
  }

  /** Does what the chaincode asks for. @returns The response's payload; or a text, why it failed. Never throws. */
  async answer(request: ChaincodeMessage): Promise<Uint8Array | string> {
    try {
      const handle = REQUESTS.get(request.type)
      if (handle === undefined) throw refusal('unknown operation type')
      return await handle(this, request.payload)
    } catch (error) {
      return `${failed(request)}: ${wordsOf(error, this.context.txId)}`
    }
  }

  /** The channel's configuration. @throws KumikoError `fabric-chaincode/refused` where there is none for applications. */
  bundle(): ChannelBundle {
    const { channelId } = this.context
    const bundle = this.peer.bundle(channelId)
    if (bundle?.application === undefined) throw refusal(`application config does not exist for ${channelId}`)
    return bundle
  }

  /** @throws KumikoError `fabric-chaincode/refused` where the creator may not read the collection, or it is an initialisation. */
  async assertRead(collection: string): Promise<void> {
    if (!(await this.#accessTo(collection)).read) throw this.#noAccess('read', collection)
  }

  /** @throws KumikoError `fabric-chaincode/refused` where the creator may not write to the collection, or it is an initialisation. */
  async assertWrite(collection: string): Promise<void> {
    if (!(await this.#accessTo(collection)).write) throw this.#noAccess('write', collection)
  }

  /** @throws KumikoError `fabric-chaincode/refused` where it is an initialisation. */
  assertPrivateData(): void {
    if (this.isInit) throw refusal('private data APIs are not allowed in chaincode Init()')
  }

  async #accessTo(collection: string): Promise<CollectionAccess> {
    this.assertPrivateData()
    const known = this.#access.get(collection)
    if (known !== undefined) return known
    const { signedProposal, proposal } = this.context
    const creator = proposalSignedData(signedProposal, proposal.signature)
    const access = await collectionAccess(this.simulator, this.bundle(), { chaincode: this.namespace, collection, creator })
    this.#access.set(collection, access)
    return access
  }

  #noAccess(what: 'read' | 'write', collection: string): Error {
    const where = `chaincodeName:${this.namespace} collectionName: ${collection}`
    return refusal(`tx creator does not have ${what} access permission on privatedata in ${where}`)
  }
}
