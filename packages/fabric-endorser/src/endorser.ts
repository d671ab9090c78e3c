import type { ChaincodeResult, TransactionContext } from '@kumiko/fabric-chaincode'
import { RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import type { Simulator } from '@kumiko/fabric-ledger'
import type { FabricIdentity } from '@kumiko/fabric-msp'
import {
  type ChaincodeInput,
  type ChaincodeInterest,
  type PrivateReadWriteSet,
  ProposalResponse,
  proposalSignedData,
  toHex,
  writeReadWriteSet,
} from '@kumiko/fabric-protocol'
import { raceAbort } from '@kumiko/interface'
import type { Logger } from '@libp2p/interface'
import { expirationCheck, type ProcessProposal } from './auth-filter.ts'
import type { Endorser, EndorserChannel, EndorserOptions } from './contract.ts'
import { type EndorsementPlugin, escc } from './endorsement-plugin.ts'
import { type EndorserMetrics, endorserMetrics } from './endorser-metrics.ts'
import { chaincodeInterest } from './interest.ts'
import { isRefused, type Refused, type UnpackedProposal, unpackProposal } from './proposal.ts'
import { REFUSED, responsePayload } from './response-payload.ts'
import { SimulatedCollections } from './simulated-collections.ts'
import { validateProposal } from './validate-proposal.ts'

/** What a peer answers with where it failed. */
const FAILED = 500

/** They read the ledger themselves. @see Fabric `core/endorser/endorser.go` acquireTxSimulator */
const WITHOUT_SIMULATOR: ReadonlySet<string> = new Set(['qscc', 'cscc'])

const PROPOSE = 'peer/Propose'

const NOTHING = new Uint8Array()

/**
 * Makes an endorser.
 * @see Fabric `core/endorser/endorser.go`
 */
export function endorser(options: EndorserOptions): Endorser {
  const made = new ProposalEndorser(options)
  const { authFilters = [expirationCheck(options.clock)] } = options
  const process: ProcessProposal = (signed, { signal } = {}) => made.process(signed, signal)
  return { processProposal: authFilters.reduceRight((next, filter) => filter(next), process) }
}

/** A proposal that may be worked on. */
interface Admitted {
  readonly unpacked: UnpackedProposal
  /** Undefined for a proposal that is for the peer itself. */
  readonly channel: EndorserChannel | undefined
  readonly signal: AbortSignal | undefined
}

/** What a simulation came to. */
interface Simulated {
  readonly result: ChaincodeResult
  /** A `TxReadWriteSet`'s bytes. */
  readonly results: Uint8Array
  readonly interest: ChaincodeInterest | undefined
}

class ProposalEndorser {
  readonly #options: EndorserOptions
  readonly #plugins: ReadonlyMap<string, EndorsementPlugin>
  readonly #metrics: EndorserMetrics
  readonly #log: Logger | undefined

  constructor(options: EndorserOptions) {
    this.#options = options
    this.#plugins = new Map([['escc', escc], ...(options.endorsementPlugins ?? [])])
    this.#metrics = endorserMetrics(options.metrics)
    this.#log = options.logger?.forComponent('kumiko:fabric-endorser')
  }

  async process(signed: Parameters<ProcessProposal>[0], signal: AbortSignal | undefined): Promise<ProposalResponse> {
    const startedAt = this.#options.clock.now()
    this.#metrics.received()
    const unpacked = unpackProposal(signed)
    if (isRefused(unpacked)) throw this.#invalid(unpacked)
    const { channelId } = unpacked.read.channel
    const channel = channelId === '' ? undefined : this.#options.channel(channelId)
    if (channelId !== '' && channel === undefined) return failed(`channel '${channelId}' not found`)
    await this.#admit(unpacked, channel)
    try {
      const response = await this.#endorse({ unpacked, channel, signal })
      if (response.endorsement !== undefined || channel === undefined) this.#metrics.succeeded()
      return response
    } catch (error) {
      if (signal?.aborted === true) throw new RpcError(RpcStatus.cancelled, 'context canceled', [], error)
      this.#log?.error('could not endorse chaincode %s on channel %s - %e', unpacked.chaincode, channelId, error)
      return failed(messageOf(error))
    } finally {
      this.#metrics.took(channelId, this.#options.clock.now() - startedAt)
    }
  }

  /** Fabric's preProcess. @throws RpcError. */
  async #admit(unpacked: UnpackedProposal, channel: EndorserChannel | undefined): Promise<void> {
    const { localMsp, runtime } = this.#options
    const creator = validateProposal(unpacked, channel?.bundle.msps ?? localMsp)
    if (isRefused(creator)) throw this.#invalid({ refused: `error validating proposal: ${creator.refused}` })
    if (channel === undefined) return
    const { read, chaincode } = unpacked
    const { txId } = read.channel
    if (await channel.ledger.blocks.hasTransaction(txId)) {
      this.#metrics.duplicate(channel.channelId)
      throw refuse({ refused: `duplicate transaction found [${txId}]. Creator [${toHex(read.signature.creator)}]` })
    }
    const denied = runtime.isSystem(chaincode) ? undefined : this.#denied(unpacked, creator, channel)
    if (denied === undefined) return
    this.#metrics.denied(channel.channelId)
    throw refuse(denied)
  }

  #denied({ signed, read }: UnpackedProposal, creator: FabricIdentity, { channelId }: EndorserChannel): Refused | undefined {
    const { access } = this.#options
    const fault =
      access.checkIdentity === undefined
        ? access.check(PROPOSE, channelId, proposalSignedData(signed, read.signature))
        : access.checkIdentity(PROPOSE, channelId, creator)
    return fault && { refused: fault.detail ?? fault.fault }
  }

  async #endorse(admitted: Admitted): Promise<ProposalResponse> {
    const { unpacked, channel, signal } = admitted
    const { runtime } = this.#options
    const collections = channel && new SimulatedCollections(channel.bundle)
    const simulator = await this.#simulator(admitted, collections)
    try {
      const context = contextOf(admitted, simulator)
      const info = await within(
        `make sure the chaincode ${unpacked.chaincode} has been successfully defined on channel ${context.channelId} and try again`,
        () => raceAbort(runtime.endorsementInfo(context, unpacked.chaincode), signal),
      )
      const simulated = await within('error in simulation', () => this.#simulate(admitted, context, collections)).catch(
        (error: unknown) => {
          this.#metrics.simulationFailed(context.channelId)
          throw error
        },
      )
      const payload = responsePayload({
        ...simulated.result,
        proposalHash: unpacked.hash,
        results: simulated.results,
        name: unpacked.chaincode,
        version: info.version,
      })
      const { response } = simulated.result
      const interest = simulated.interest
      if (response.status >= FAILED) return ProposalResponse.create({ response, payload, interest })
      if (channel === undefined || response.status >= REFUSED) return ProposalResponse.create({ response })
      signal?.throwIfAborted()
      const { endorsement, payload: endorsed } = await this.#sign(info.endorsementPlugin, payload, unpacked, channel)
      return ProposalResponse.create({ version: 1, response, payload: endorsed, endorsement, interest })
    } finally {
      await simulator?.close()
    }
  }

  async #simulator({ unpacked, channel }: Admitted, collections: SimulatedCollections | undefined): Promise<Simulator | undefined> {
    if (channel === undefined || collections === undefined || WITHOUT_SIMULATOR.has(unpacked.chaincode)) return
    const { queryEntriesMax } = this.#options.limits ?? {}
    return await channel.ledger.simulate({
      isCollection: (namespace, collection, state) => collections.isCollection(namespace, collection, state),
      ...(queryEntriesMax !== undefined && { entriesMax: queryEntriesMax }),
    })
  }

  async #simulate(admitted: Admitted, context: TransactionContext, collections: SimulatedCollections | undefined): Promise<Simulated> {
    const { unpacked, channel, signal } = admitted
    const { runtime, decorators = [] } = this.#options
    // Chaincode trusts decorations: a client's own are dropped.
    const input = decorators.reduce<ChaincodeInput>((decorated, decorate) => decorate(unpacked.read.proposal, decorated), {
      ...unpacked.input,
      decorations: new Map(),
    })
    const result = await raceAbort(runtime.execute(context, unpacked.chaincode, input), signal)
    const { simulator, txId } = context
    if (simulator === undefined || channel === undefined || collections === undefined)
      return { result, results: NOTHING, interest: undefined }
    const set = await simulator.results()
    signal?.throwIfAborted()
    if (set.private !== undefined && result.response.status < REFUSED) await this.#keep(channel, txId, set.private, collections)
    return { result, results: writeReadWriteSet(set.public), interest: chaincodeInterest(set, (name) => runtime.isSystem(name)) }
  }

  /** Where Fabric keeps what a chaincode wrote even if it refused, we do not. */
  async #keep(channel: EndorserChannel, txId: string, set: PrivateReadWriteSet, collections: SimulatedCollections): Promise<void> {
    const { channelId, height } = channel
    const collectionConfigs = await within('failed to obtain collections config', () => collections.configsOf(set))
    const data = { endorsedAt: height, set, collectionConfigs }
    await this.#options.distributePrivateData?.({ ...data, channelId, txId })
    await channel.transient.persist(txId, height, data)
  }

  async #sign(name: string, payload: Uint8Array, { signed }: UnpackedProposal, { channelId }: EndorserChannel) {
    try {
      return await within('endorsing with plugin failed', async () => {
        const plugin = this.#plugins.get(name)
        if (plugin === undefined) throw new Error(`plugin with name ${name} could not be used: plugin with name ${name} wasn't found`)
        return await plugin({ payload, signedProposal: signed, channelId, signer: this.#options.signer })
      })
    } catch (error) {
      this.#metrics.endorsementFailed(channelId)
      throw error
    }
  }

  #invalid(refusal: Refused): RpcError {
    this.#metrics.invalid()
    this.#log?.trace('refused a proposal: %s', refusal.refused)
    return refuse(refusal)
  }
}

function contextOf({ unpacked, signal }: Admitted, simulator: Simulator | undefined): TransactionContext {
  const { signed, read } = unpacked
  const { channelId, txId } = read.channel
  return { channelId, txId, signedProposal: signed, proposal: read, simulator, ...(signal !== undefined && { signal }) }
}

/** Runs a step, and tells of which it was when it fails. */
async function within<T>(step: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw new Error(`${step}: ${messageOf(error)}`, { cause: error })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function failed(message: string): ProposalResponse {
  return ProposalResponse.create({ response: { status: FAILED, message, payload: NOTHING } })
}

function refuse({ refused }: Refused): RpcError {
  return new RpcError(RpcStatus.unknown, refused)
}
