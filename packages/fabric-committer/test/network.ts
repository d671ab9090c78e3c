import {
  applicationPolicyOf,
  type ChaincodeDefinition,
  definitionRecord,
  recordWrites,
  type StaticCollection,
} from '@kumiko/fabric-lifecycle'
import { type ChannelProfile, computeConfigUpdate, type IdentitySigner, proposeConfigUpdate } from '@kumiko/fabric-msp'
import {
  assembleTransaction,
  type Block,
  BlockMetadataIndex,
  blockHash,
  blockHeaderBytes,
  buildEnvelope,
  buildProposal,
  buildReadWriteSets,
  ChaincodeAction,
  type Config,
  ConfigEnvelope,
  ConfigUpdate,
  ConfigUpdateEnvelope,
  concatBytes,
  dataHash,
  type Endorsement,
  Envelope,
  endorse,
  Header,
  HeaderType,
  Metadata,
  OrdererBlockMetadata,
  ProposalResponsePayload,
  proposalHash,
  SignatureHeader,
  type SimulatedNamespace,
  signEnvelope,
  withMetadata,
  writeReadWriteSet,
} from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import { must } from '@kumiko/testkit'
import { Authority, channelProfile, collection, genesisOf, signaturePolicyBytes } from '@kumiko/testkit/fabric'
import { type CommitterBundle, readGenesis } from '../src/block-intake.ts'

export const CHAINCODE = 'basic'

/** A transaction to make. What is left out is as it should be. */
export interface TransactionProfile {
  readonly client?: IdentitySigner
  readonly endorsers?: readonly IdentitySigner[]
  readonly chaincode?: string
  readonly version?: string
  /** What it reads and writes: see {@link writes}. */
  readonly namespaces?: readonly SimulatedNamespace[]
  /** A `TxReadWriteSet`'s bytes, in place of that. */
  readonly results?: Uint8Array
  readonly action?: Partial<ChaincodeAction>
  /** A `ChaincodeAction`'s bytes, in place of that. */
  readonly extension?: Uint8Array
  readonly nonce?: Uint8Array
  readonly channelId?: string
  /** Changes what was endorsed. */
  readonly endorsements?: (endorsements: readonly Endorsement[]) => readonly Endorsement[]
}

/** A namespace that is written to. */
export function writes(
  namespace: string,
  written: Readonly<Record<string, string>>,
  more: Partial<SimulatedNamespace> = {},
): SimulatedNamespace {
  const entries = Object.entries(written).map(([key, value]) => ({ key, value: text(value) }))
  return { namespace, reads: [], rangeQueries: [], writes: entries, metadataWrites: [], collections: [], ...more }
}

/** Metadata that gives a key a policy of its own. @param policy - In Fabric's language; `''` for none. */
export function keyPolicyWrite(key: string, policy: string): SimulatedNamespace['metadataWrites'][number] {
  return { key, metadata: policy === '' ? new Map() : new Map([['VALIDATION_PARAMETER', signaturePolicyBytes(policy)]]) }
}

/** A network of some organisations with a peer each, a client, and an orderer, whose blocks it makes. */
export class Network {
  readonly channelId = 'testing'
  readonly orderer: IdentitySigner
  readonly client: IdentitySigner
  /** One of each organisation: Org1MSP's first. */
  readonly peers: readonly IdentitySigner[]
  readonly authorities: readonly Authority[]
  readonly genesis: Block
  #last: Block
  #nonce = 0

  private constructor(members: Pick<Network, 'orderer' | 'client' | 'peers' | 'authorities' | 'genesis'>) {
    this.orderer = members.orderer
    this.client = members.client
    this.peers = members.peers
    this.authorities = members.authorities
    this.genesis = members.genesis
    this.#last = members.genesis
  }

  /**
   * @param organizations - How many.
   * @param change - Changes the channel's profile.
   * @param prepare - Is told of the authorities before the channel is made: who is to be revoked.
   */
  static async make(
    organizations: number,
    change: (profile: ChannelProfile) => ChannelProfile = (profile) => profile,
    prepare: (authorities: readonly Authority[]) => Promise<void> = async () => {},
  ): Promise<Network> {
    const ordering = await Authority.found('OrdererMSP')
    const authorities = await Promise.all(Array.from({ length: organizations }, (_, index) => Authority.found(`Org${index + 1}MSP`)))
    const peers = await Promise.all(authorities.map((authority) => authority.member('peer')))
    const client = await must(authorities[0]).member('client')
    const orderer = await ordering.member('orderer')
    await prepare(authorities)
    const profile = channelProfile(await ordering.profile(), await Promise.all(authorities.map((authority) => authority.profile())))
    const genesis = genesisOf('testing', change(profile))
    return new Network({ orderer, client, peers, authorities, genesis })
  }

  /** A transaction as clients make it. */
  transaction(profile: TransactionProfile = {}): Uint8Array {
    const { client = this.client, endorsers = this.peers, chaincode = CHAINCODE, channelId = this.channelId, version = '1.0' } = profile
    const nonce = profile.nonce ?? Uint8Array.from({ length: 24 }, (_, index) => (this.#nonce >> (index * 8)) & 0xff)
    this.#nonce++
    const request = { channelId, chaincode, args: [text('go')], nonce, timestamp: { seconds: 1n, nanos: 0 } }
    const { proposal } = buildProposal(request, client.creator)
    const results =
      profile.results ?? writeReadWriteSet(buildReadWriteSets(profile.namespaces ?? [writes(CHAINCODE, { key: 'value' })]).public)
    const responsePayload = ProposalResponsePayload.encode({
      proposalHash: proposalHash(must(Header.decode(proposal.header)), proposal.payload),
      extension:
        profile.extension ??
        ChaincodeAction.encode({
          results,
          response: { status: 200, message: '', payload: new Uint8Array() },
          chaincodeId: { path: '', name: chaincode, version },
          ...profile.action,
        }),
    })
    const endorsements = endorsers.map((endorser) => endorse(responsePayload, endorser))
    const changed = profile.endorsements?.(endorsements) ?? endorsements
    return signEnvelope(must(assembleTransaction(proposal, responsePayload, changed)), client)
  }

  /** A transaction that defines a chaincode, as `_lifecycle` would. */
  definition(chaincode: string = CHAINCODE, change: Partial<ChaincodeDefinition> = {}, endorsers?: readonly IdentitySigner[]): Uint8Array {
    const record = definitionRecord(chaincode, { ...this.#definition, ...change })
    const written = must(recordWrites(record, () => undefined))
    const namespace = { ...writes('_lifecycle', {}), writes: written }
    return this.transaction({ chaincode: '_lifecycle', namespaces: [namespace], ...(endorsers && { endorsers }) })
  }

  /** A transaction that configures the channel anew, as orderers make it of an update that Org1's admin signed. */
  async configuration(current: CommitterBundle, channelGroup: Config['channelGroup']): Promise<Uint8Array> {
    const admin = await must(this.authorities[0]).member('admin')
    const configUpdate = ConfigUpdate.encode(computeConfigUpdate(this.channelId, current.config, { sequence: 0n, channelGroup }))
    const signatureHeader = SignatureHeader.encode({ creator: admin.creator, nonce: text('nonce') })
    const signatures = [{ signatureHeader, signature: admin.sign(concatBytes([signatureHeader, configUpdate])) }]
    const header = { type: HeaderType.configUpdate, channelId: this.channelId }
    const update = buildEnvelope(header, ConfigUpdateEnvelope.encode({ configUpdate, signatures }), text('nonce'), admin)
    const next = must(proposeConfigUpdate(current, must(Envelope.decode(update))))
    return buildEnvelope({ ...header, type: HeaderType.config }, ConfigEnvelope.encode(next), text('nonce'), this.orderer)
  }

  /** The next block, signed. */
  block(...items: readonly Uint8Array[]): Block {
    const { header } = this.#last
    this.#last = this.sign({
      header: { number: header.number + 1n, previousHash: blockHash(header), dataHash: dataHash(items) },
      data: items,
      metadata: [],
    })
    return this.#last
  }

  /** The block, signed by its orderer. */
  sign(block: Block, orderer: IdentitySigner = this.orderer): Block {
    const value = OrdererBlockMetadata.encode({ lastConfig: { index: 0n }, consenterMetadata: new Uint8Array() })
    const signatureHeader = SignatureHeader.encode({ creator: orderer.creator, nonce: text('nonce') })
    const signature = orderer.sign(concatBytes([value, signatureHeader, blockHeaderBytes(block.header)]))
    const signatures = [{ signatureHeader, signature, identifierHeader: new Uint8Array() }]
    return withMetadata(block, BlockMetadataIndex.signatures, Metadata.encode({ value, signatures }))
  }

  /** All organisations' members. */
  get #definition(): ChaincodeDefinition {
    const mspIds = this.authorities.map(({ mspId }) => mspId)
    return {
      sequence: 1n,
      endorsementInfo: { version: '1.0', initRequired: false, endorsementPlugin: 'escc' },
      validationInfo: { validationPlugin: 'vscc', validationParameter: applicationPolicyOf({ needed: mspIds.length, mspIds }) },
      collections: { config: [] },
    }
  }
}

/** A channel's configuration with another network's Org2 in it. */
export function withOrg2(current: CommitterBundle, other: Network): NonNullable<Config['channelGroup']> {
  const added = must(readGenesis(other.genesis, other.channelId)).config.channelGroup?.groups.get('Application')?.groups.get('Org2')
  const group = must(current.config.channelGroup)
  const application = must(group.groups.get('Application'))
  const groups = new Map([...application.groups, ['Org2', must(added)] as const])
  return { ...group, groups: new Map([...group.groups, ['Application', { ...application, groups }] as const]) }
}

/** Collections for a definition. */
export function collections(
  ...defined: readonly (Partial<StaticCollection> & Pick<StaticCollection, 'name'>)[]
): ChaincodeDefinition['collections'] {
  return { config: defined.map((one) => ({ staticCollection: collection(one.name, one) })) }
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

/** Tells a fault from what it stands in place of. */
export function faultOf(value: unknown): string | undefined {
  return isFault(value) ? value.fault : undefined
}
