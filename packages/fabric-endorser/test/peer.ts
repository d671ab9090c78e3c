import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ChaincodeResult, ChaincodeRuntime, TransactionContext } from '@kumiko/fabric-chaincode'
import { type Endorser, type EndorserChannel, type EndorserOptions, endorser } from '@kumiko/fabric-endorser'
import { Ledger, memoryStateDatabase, TransientStore } from '@kumiko/fabric-ledger'
import {
  applicationPolicyOf,
  type ChaincodeDefinition,
  chaincodeDefinition,
  definitionRecord,
  recordWrites,
} from '@kumiko/fabric-lifecycle'
import { accessControl, type ChannelBundle, type ChannelProfile, type IdentitySigner, X509Msp } from '@kumiko/fabric-msp'
import {
  assembleTransaction,
  type Block,
  BlockMetadataIndex,
  blockHash,
  buildProposal,
  type ChaincodeInput,
  dataHash,
  decodeUtf8,
  encodeUtf8,
  type Proposal,
  type ProposalRequest,
  type ProposalResponse,
  type Response,
  SignedProposal,
  signEnvelope,
  signProposal,
  withMetadata,
} from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import { must, virtualClock } from '@kumiko/testkit'
import { Authority, bundleOf, channelProfile, collection, genesisOf, signaturePolicyBytes } from '@kumiko/testkit/fabric'

export const CHANNEL_ID = 'testing'
export const CHAINCODE = 'basic'
/** In 2026. */
export const NOW = 1_790_000_000_000

/** What a chaincode does: it gives a payload, parts of a response, or nothing to tell. */
export type Contract = (
  context: TransactionContext & { readonly simulator: NonNullable<TransactionContext['simulator']> },
  input: ChaincodeInput,
) => Promise<unknown>

export interface PeerProfile {
  readonly contract?: Contract
  /** By chaincode's name: none of {@link CHAINCODE}. */
  readonly others?: Readonly<Record<string, Contract>>
  readonly definition?: Partial<ChaincodeDefinition>
  readonly options?: Partial<EndorserOptions>
  readonly channel?: (profile: ChannelProfile) => ChannelProfile
  /** Is told of the organisations before the channel is made: who is to be revoked. */
  readonly prepare?: (authorities: readonly Authority[]) => Promise<void>
}

/** A peer of Org1 on a channel of two organisations, with {@link CHAINCODE} defined there. */
export class TestPeer implements AsyncDisposable {
  readonly authorities: readonly Authority[]
  readonly signer: IdentitySigner
  readonly client: IdentitySigner
  readonly ledger: Ledger
  readonly transient: TransientStore
  readonly endorser: Endorser
  readonly runtime: ChaincodeRuntime
  readonly bundle: ChannelBundle<X509Msp>
  readonly #folder: string
  #nonce = 0
  #last: Block

  private constructor(
    parts: Pick<TestPeer, 'authorities' | 'signer' | 'client' | 'ledger' | 'transient' | 'endorser' | 'runtime' | 'bundle'>,
    folder: string,
    genesis: Block,
  ) {
    this.authorities = parts.authorities
    this.signer = parts.signer
    this.client = parts.client
    this.ledger = parts.ledger
    this.transient = parts.transient
    this.endorser = parts.endorser
    this.runtime = parts.runtime
    this.bundle = parts.bundle
    this.#folder = folder
    this.#last = genesis
  }

  static async make({
    contract = async () => {},
    others = {},
    definition = {},
    options = {},
    channel: change = (profile) => profile,
    prepare = async () => {},
  }: PeerProfile = {}): Promise<TestPeer> {
    const ordering = await Authority.found('OrdererMSP')
    const authorities = [await Authority.found('Org1MSP'), await Authority.found('Org2MSP')]
    const own = must(authorities[0])
    const [signer, client] = [await own.member('peer'), await own.member('client')]
    await prepare(authorities)
    const organizations = await Promise.all(authorities.map((authority) => authority.profile()))
    const genesis = genesisOf(CHANNEL_ID, change(channelProfile(await ordering.profile(), organizations)))
    const bundle = bundleOf(CHANNEL_ID, genesis)
    const folder = await mkdtemp(join(tmpdir(), 'kumiko-endorser-'))
    const policies = () => ({ blockToLive: async () => 0n, isEligible: async () => false })
    const ledger = await Ledger.create({
      folder: join(folder, 'ledger'),
      channelId: CHANNEL_ID,
      openState: memoryStateDatabase(),
      genesis,
      policies,
    })
    const transient = await TransientStore.open(join(folder, 'transient'))
    const localMsp = must(X509Msp.from(await own.config(), 'V1_4_3'))
    const here: EndorserChannel = {
      channelId: CHANNEL_ID,
      bundle,
      ledger,
      transient,
      get height() {
        return ledger.info.height
      },
    }
    const runtime = runtimeOf({ ...others, [CHAINCODE]: contract })
    const channel = (channelId: string) => (channelId === CHANNEL_ID ? here : undefined)
    const access = accessControl({ localMsp, channel: (channelId) => channel(channelId)?.bundle })
    const made = endorser({ signer, localMsp, channel, runtime, access, clock: virtualClock(NOW), ...options })
    const peer = new TestPeer({ authorities, signer, client, ledger, transient, endorser: made, runtime, bundle }, folder, genesis)
    await peer.define(CHAINCODE, definition)
    return peer
  }

  /** A proposal, signed. */
  propose(
    request: Partial<ProposalRequest> = {},
    client: IdentitySigner = this.client,
  ): { readonly signed: SignedProposal; readonly proposal: Proposal; readonly txId: string } {
    const nonce = request.nonce ?? Uint8Array.from({ length: 24 }, (_, index) => (this.#nonce >> (index * 8)) & 0xff)
    this.#nonce++
    const timestamp = { seconds: BigInt(NOW / 1000), nanos: 0 }
    const { proposal, txId } = buildProposal(
      { channelId: CHANNEL_ID, chaincode: CHAINCODE, args: [encodeUtf8('go')], timestamp, ...request, nonce },
      client.creator,
    )
    return { signed: must(SignedProposal.decode(signProposal(proposal, client))), proposal, txId }
  }

  /** Proposes, and takes the answer. */
  async process(request: Partial<ProposalRequest> = {}, client?: IdentitySigner): Promise<ProposalResponse> {
    return await this.endorser.processProposal(this.propose(request, client).signed)
  }

  /** Has it endorsed, and commits it as a block of its own. */
  async submit(request: Partial<ProposalRequest> = {}): Promise<string> {
    const { signed, proposal, txId } = this.propose(request)
    const { payload, endorsement, response } = await this.endorser.processProposal(signed)
    if (endorsement === undefined) throw new Error(`not endorsed: ${response?.status} ${response?.message}`)
    await this.commit(signEnvelope(must(assembleTransaction(proposal, payload, [endorsement])), this.client))
    return txId
  }

  async commit(...data: readonly Uint8Array[]): Promise<void> {
    const { header } = this.#last
    this.#last = { header: { number: header.number + 1n, previousHash: blockHash(header), dataHash: dataHash(data) }, data, metadata: [] }
    const { codes } = await this.ledger.commit({
      block: withMetadata(this.#last, BlockMetadataIndex.transactionsFilter, new Uint8Array(data.length)),
    })
    if (codes.some((code) => code !== 0)) throw new Error(`validation codes ${codes}`)
  }

  /** Defines a chaincode by a transaction. */
  async define(chaincode: string, change: Partial<ChaincodeDefinition> = {}): Promise<void> {
    const definition: ChaincodeDefinition = {
      sequence: 1n,
      endorsementInfo: { version: '1.0', initRequired: false, endorsementPlugin: 'escc' },
      validationInfo: { validationPlugin: 'vscc', validationParameter: applicationPolicyOf({ needed: 1, mspIds: ['Org1MSP'] }) },
      collections: { config: [] },
      ...change,
    }
    DEFINITIONS.set(chaincode, definition)
    await this.submit({ chaincode: '_lifecycle', args: [encodeUtf8(chaincode)] })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.ledger.close()
    await this.transient.close()
    await rm(this.#folder, { recursive: true })
  }
}

/** What the `_lifecycle` of {@link runtimeOf} writes. */
const DEFINITIONS = new Map<string, ChaincodeDefinition>()

const SYSTEM: Readonly<Record<string, Contract>> = {
  _lifecycle: async ({ simulator }, { args }) => {
    const chaincode = must(decodeUtf8(must(args[0])))
    for (const { key, value } of must(recordWrites(definitionRecord(chaincode, must(DEFINITIONS.get(chaincode))), () => undefined)))
      if (value !== undefined) simulator.setState('_lifecycle', key, value)
  },
  cscc: async () => encodeUtf8('channels'),
}

function runtimeOf(contracts: Readonly<Record<string, Contract>>): ChaincodeRuntime {
  const isSystem = (chaincode: string) => chaincode in SYSTEM
  const endorsementInfo: ChaincodeRuntime['endorsementInfo'] = async ({ simulator, channelId }, chaincode) => {
    if (isSystem(chaincode)) return { version: 'syscc', enforceInit: false, packageId: `${chaincode}.syscc`, endorsementPlugin: 'escc' }
    const definition = simulator && (await chaincodeDefinition((keys) => simulator.getStates('_lifecycle', keys), chaincode))
    if (definition === undefined || isFault(definition))
      throw new Error(`chaincode '${chaincode}' is not defined on channel '${channelId}'`)
    const { version, initRequired: enforceInit, endorsementPlugin } = definition.endorsementInfo
    return { version, enforceInit, packageId: `${chaincode}:${version}`, endorsementPlugin }
  }
  const execute = async (context: TransactionContext, chaincode: string, input: ChaincodeInput): Promise<ChaincodeResult> => {
    const contract = SYSTEM[chaincode] ?? contracts[chaincode]
    if (contract === undefined) throw new Error(`${chaincode} is not running`)
    // Those that use it are called on a channel.
    const answer = await contract(context as Parameters<Contract>[0], input)
    const told = answer instanceof Uint8Array ? { payload: answer } : (answer as Partial<Response> | undefined)
    const response = { status: 200, message: '', payload: new Uint8Array(), ...told }
    const event =
      chaincode === CHAINCODE ? { chaincodeId: chaincode, txId: context.txId, eventName: 'done', payload: new Uint8Array() } : undefined
    return { response, event }
  }
  return { isSystem, endorsementInfo, execute }
}

/** A collection of the members of both organisations. */
export function collectionOfBoth(name: string): ChaincodeDefinition['collections']['config'][number] {
  const memberOrgsPolicy = { signaturePolicy: signaturePolicyBytes("OR('Org1MSP.member', 'Org2MSP.member')") }
  return { staticCollection: collection(name, { memberOrgsPolicy }) }
}
