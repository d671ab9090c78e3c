import type { Ledger, LedgerQueryOptions, Simulator } from '@kumiko/fabric-ledger'
import type { AccessControl, ChannelBundle } from '@kumiko/fabric-msp'
import {
  ChaincodeInput,
  ChaincodeMessage,
  ChaincodeMessageType,
  type ChaincodeSpec,
  proposalSignedData,
  Response,
} from '@kumiko/fabric-protocol'
import { type Clock, isFault, KumikoError, systemClock } from '@kumiko/interface'
import type { ComponentLogger, Logger, Metrics } from '@libp2p/interface'
import type {
  ChaincodeDefinitions,
  ChaincodeEndorsementInfo,
  ChaincodeResult,
  ChaincodeRuntime,
  SystemChaincode,
  TransactionContext,
} from '../contract.ts'
import { isCollectionOf } from '../requests/collections.ts'
import { Execution } from '../requests/execution.ts'
import { refusal, wordsOf } from '../requests/refusal.ts'
import type { StreamLimits } from '../stream/chaincode-stream.ts'
import { type ChaincodeMetrics, chaincodeMetrics } from './chaincode-metrics.ts'
import { parseChaincodeName } from './chaincode-name.ts'
import { badInvocation, checkInvocation } from './check-invocation.ts'
import type { ChaincodeConnector, ChaincodeDuplex, ChaincodeStreams } from './connector.ts'
import { Launches } from './launches.ts'
import { StreamDriver } from './stream-driver.ts'

/** A channel of the peer, as chaincodes see it. */
export interface ChaincodeChannel {
  /** As it is configured now. */
  readonly bundle: ChannelBundle
  readonly ledger: Pick<Ledger, 'simulate'>
  /** Whether a chaincode has a collection. Default: {@link isCollectionOf} the bundle. */
  readonly isCollection?: NonNullable<LedgerQueryOptions['isCollection']>
}

/** How a runtime is made. */
export interface ChaincodeRuntimeOptions {
  readonly definitions: ChaincodeDefinitions
  /** Chaincodes that the peer brings along. Default: none. */
  readonly system?: readonly SystemChaincode[]
  /** Undefined where the peer is not on the channel. */
  readonly channel: (channelId: string) => ChaincodeChannel | undefined
  /** Asked before a chaincode calls another one that is no system chaincode. */
  readonly accessControl: AccessControl
  /** Ways to have chaincodes running, in the order that they are asked. Default: none. */
  readonly connectors?: readonly ChaincodeConnector[]
  /** Whether chaincodes may register that nobody launched: development. Default false. */
  readonly acceptsUnlaunched?: boolean
  /** Default 30 s, as Fabric's `chaincode.executetimeout`. */
  readonly executeTimeoutMs?: number
  /** Until a launched chaincode has registered. Default 5 min, as Fabric's `chaincode.startuptimeout`. */
  readonly startTimeoutMs?: number
  /** Between signs of life; the Node.js shim ends its process when it gets one. Default 0: none, as Fabric's `chaincode.keepalive`. */
  readonly keepaliveMs?: number
  /** Results of one query at most. Default 100,000, as Fabric's `ledger.state.totalQueryLimit`. */
  readonly queryResultsMax?: number
  /** Transactions of one chaincode at once. Default 10,000. */
  readonly executionsMax?: number
  /** Default: the system's. */
  readonly clock?: Clock
  readonly logger?: ComponentLogger
  readonly metrics?: Metrics
}

/** A runtime, and where it takes streams. */
export interface StreamingChaincodeRuntime extends ChaincodeRuntime, ChaincodeStreams {
  /** Names of the chaincodes that are connected now: package ids, or `name:version`. */
  connected(): readonly string[]
  /** Ends all streams, and what was launched. Transactions that run fail. */
  stop(): void
}

/** Once its stream is there: Fabric waits for ever. */
const REGISTER_TIMEOUT_MS = 30_000

/** A transaction with a state. */
type ChannelContext = TransactionContext & { readonly simulator: Simulator }

/**
 * Runs chaincode, wherever it is: in this process, in one that dialed the peer, or at an address that the peer dials.
 * @see Fabric `core/chaincode/chaincode_support.go`
 */
export function chaincodeRuntime(options: ChaincodeRuntimeOptions): StreamingChaincodeRuntime {
  return new Runtime(options)
}

class Runtime implements StreamingChaincodeRuntime {
  readonly #options: ChaincodeRuntimeOptions
  readonly #system: ReadonlyMap<string, SystemChaincode>
  readonly #limits: StreamLimits
  readonly #queryResultsMax: number
  readonly #clock: Clock
  readonly #log: Logger | undefined
  readonly #metrics: ChaincodeMetrics
  readonly #launches: Launches
  /** By the name that they registered under: as many as were launched; in development as many as there are streams. */
  readonly #connected = new Map<string, StreamDriver>()

  constructor(options: ChaincodeRuntimeOptions) {
    const { system = [], connectors = [], clock = systemClock, startTimeoutMs = 300_000 } = options
    const { executeTimeoutMs = 30_000, keepaliveMs = 0, executionsMax = 10_000, queryResultsMax = 100_000 } = options
    this.#options = options
    this.#system = new Map(system.map((chaincode) => [chaincode.name, chaincode]))
    this.#limits = { registerTimeoutMs: REGISTER_TIMEOUT_MS, executeTimeoutMs, keepaliveMs, executionsMax }
    this.#queryResultsMax = queryResultsMax
    this.#clock = clock
    this.#log = options.logger?.forComponent('kumiko:fabric-chaincode')
    this.#metrics = chaincodeMetrics(options.metrics)
    this.#launches = new Launches({ connectors, streams: this, clock, startTimeoutMs, metrics: this.#metrics })
  }

  isSystem(chaincode: string): boolean {
    return this.#system.has(chaincode)
  }

  connected(): readonly string[] {
    return [...this.#connected].filter(([, driver]) => driver.isReady).map(([name]) => name)
  }

  async endorsementInfo(context: TransactionContext, chaincode: string): Promise<ChaincodeEndorsementInfo> {
    if (this.isSystem(chaincode)) return systemInfo(chaincode)
    if (!hasSimulator(context)) throw noChannel(context)
    return await this.#options.definitions.endorsementInfo(context.channelId, chaincode, context.simulator)
  }

  async execute(context: TransactionContext, chaincode: string, input: ChaincodeInput): Promise<ChaincodeResult> {
    const { txId } = context
    const message = await this.#invoke(context, chaincode, input).catch((error: unknown) => {
      throw withWords(error, `failed to execute transaction ${txId}: ${wordsOf(error, txId)}`)
    })
    if (message.type === ChaincodeMessageType.error) throw returnedError(message)
    const response = Response.decode(message.payload)
    if (isFault(response)) throw badResponse(txId, response.detail ?? response.fault)
    return { response, event: message.chaincodeEvent && { ...message.chaincodeEvent, chaincodeId: chaincode, txId } }
  }

  async attach(stream: ChaincodeDuplex, refuse?: (name: string) => string | undefined): Promise<void> {
    let name: string | undefined
    const driver: StreamDriver = new StreamDriver(stream, {
      limits: this.#limits,
      clock: this.#clock,
      metrics: this.#metrics,
      registry: {
        register: (given) => {
          const refused = refuse?.(given) ?? this.#refuse(given)
          if (refused !== undefined) return refused
          name = given
          this.#connected.set(name, driver)
          return undefined
        },
        ready: (given) => this.#launches.registered(given, driver),
      },
    })
    try {
      await driver.run()
    } catch (error) {
      this.#log?.('the stream of chaincode %s failed: %s', name ?? '(none)', wordsOf(error, ''))
      throw error
    } finally {
      if (name !== undefined) this.#disconnected(name, driver)
    }
  }

  stop(): void {
    for (const driver of this.#connected.values()) driver.end('the peer is stopping')
    this.#launches.endAll()
  }

  #refuse(name: string): string | undefined {
    // One whose stream is ending is as good as gone.
    if (this.#connected.get(name)?.isReady === true) return `duplicate chaincodeID: ${name}`
    if (this.#options.acceptsUnlaunched === true || this.#launches.isAwaited(name)) return undefined
    return `peer will not accept external chaincode connection ${name} (except in dev mode)`
  }

  #disconnected(name: string, driver: StreamDriver): void {
    if (this.#connected.get(name) !== driver) return
    this.#connected.delete(name)
    this.#launches.end(name)
  }

  /** @returns What the chaincode sent at the transaction's end. */
  async #invoke(context: TransactionContext, chaincode: string, input: ChaincodeInput): Promise<ChaincodeMessage> {
    const system = this.#system.get(chaincode)
    if (system !== undefined) return await invokeSystem(system, context, input)
    if (!hasSimulator(context)) throw noChannel(context)
    const packageId = await this.#checkInvocation(context, chaincode, input).catch((error: unknown) => {
      throw withWords(error, `invalid invocation: ${wordsOf(error, context.txId)}`)
    })
    const driver = await this.#driver(packageId)
    const execution = new Execution(context, { namespace: chaincode, isInit: input.isInit, peer: this.#peer() })
    const message = ChaincodeMessage.create({
      type: input.isInit ? ChaincodeMessageType.init : ChaincodeMessageType.transaction,
      payload: ChaincodeInput.encode(input),
      txid: context.txId,
      channelId: context.channelId,
      proposal: context.signedProposal,
    })
    const outcome = await driver.execute(execution, message, context.signal)
    if (typeof outcome === 'string') throw notExecuted('fabric-chaincode/busy', outcome)
    if ('failure' in outcome && outcome.failure === 'timeout') this.#metrics.executeTimedOut(packageId)
    if ('failure' in outcome) throw notExecuted(`fabric-chaincode/${outcome.failure}`, outcome.message)
    return outcome
  }

  /** @returns What runs it registers under this name. @throws KumikoError where the channel's definition lets it not be called so. */
  async #checkInvocation(context: ChannelContext, chaincode: string, { isInit }: ChaincodeInput): Promise<string> {
    const { channelId, txId, simulator } = context
    const info = await this.endorsementInfo(context, chaincode).catch((error: unknown) => {
      throw withWords(error, `[channel ${channelId}] failed to get chaincode container info for ${chaincode}: ${wordsOf(error, txId)}`)
    })
    await checkInvocation(simulator, chaincode, info, isInit)
    return info.packageId
  }

  async #driver(packageId: string): Promise<StreamDriver> {
    const driver = this.#connected.get(packageId)
    if (driver?.isReady === true) return driver
    try {
      return await this.#launches.launch(packageId)
    } catch (error) {
      const message = `could not launch chaincode ${packageId}: ${wordsOf(error, '')}`
      throw new KumikoError('fabric-chaincode/not-launched', message, { cause: error, context: { packageId } })
    }
  }

  #peer(): Execution['peer'] {
    return {
      bundle: (channelId) => this.#options.channel(channelId)?.bundle,
      invoke: (execution, spec) => this.#invokeFor(execution, spec),
      queryResultsMax: this.#queryResultsMax,
    }
  }

  /** A chaincode calls another one. @see Fabric `core/chaincode/handler.go` HandleInvokeChaincode */
  async #invokeFor({ context }: Execution, { chaincodeId, input }: ChaincodeSpec): Promise<Uint8Array> {
    const called = parseChaincodeName(chaincodeId?.name ?? '')
    const channelId = called.channelId === '' ? context.channelId : called.channelId
    this.#assertAccess(context, called.name, channelId)
    const simulator = channelId === context.channelId ? undefined : await this.#simulate(channelId)
    try {
      const { args = [], isInit = false } = input ?? {}
      const callee = { ...context, channelId, simulator: simulator ?? context.simulator }
      return ChaincodeMessage.encode(await this.#invoke(callee, called.name, { args, isInit, decorations: new Map() }))
    } catch (error) {
      throw refusal(`execute failed: ${wordsOf(error, context.txId)}`)
    } finally {
      await simulator?.close()
    }
  }

  #assertAccess({ signedProposal, proposal }: TransactionContext, chaincode: string, channelId: string): void {
    if (this.isSystem(chaincode)) return
    const signed = proposalSignedData(signedProposal, proposal.signature)
    const denied = this.#options.accessControl.check('peer/ChaincodeToChaincode', channelId, signed)
    if (denied !== undefined) throw refusal(denied.detail ?? denied.fault)
  }

  async #simulate(channelId: string): Promise<Simulator> {
    const channel = this.#options.channel(channelId)
    if (channel === undefined) throw refusal(`failed to find ledger for channel: ${channelId}`)
    return await channel.ledger.simulate({ isCollection: channel.isCollection ?? isCollectionOf(() => channel.bundle) })
  }
}

function hasSimulator(context: TransactionContext): context is ChannelContext {
  return context.simulator !== undefined
}

function systemInfo(chaincode: string): ChaincodeEndorsementInfo {
  return { version: 'syscc', enforceInit: false, packageId: `${chaincode}.syscc`, endorsementPlugin: 'escc' }
}

async function invokeSystem(system: SystemChaincode, context: TransactionContext, input: ChaincodeInput): Promise<ChaincodeMessage> {
  if (input.isInit) throw badInvocation(`invalid invocation: chaincode '${system.name}' does not require initialization but called as init`)
  const payload = Response.encode(await system.invoke(context, input))
  return ChaincodeMessage.create({
    type: ChaincodeMessageType.completed,
    payload,
    txid: context.txId,
    channelId: context.channelId,
  })
}

/** The same failure, told with more words. */
function withWords(error: unknown, message: string): KumikoError {
  const code = error instanceof KumikoError ? error.code : 'fabric-chaincode/failed'
  const context = error instanceof KumikoError ? error.context : {}
  return new KumikoError(code, message, { cause: error, context })
}

function returnedError({ payload, txid }: ChaincodeMessage): KumikoError {
  const message = `transaction returned with failure: ${new TextDecoder().decode(payload)}`
  return new KumikoError('fabric-chaincode/returned-error', message, { context: { txId: txid } })
}

function badResponse(txId: string, detail: string): KumikoError {
  const message = `failed to unmarshal response for transaction ${txId}: ${detail}`
  return new KumikoError('fabric-chaincode/bad-response', message, { context: { txId } })
}

function notExecuted(code: string, words: string): KumikoError {
  return new KumikoError(code, `error sending: ${words}`)
}

/** Chaincode that is not the peer's own is of a channel. */
function noChannel({ channelId }: TransactionContext): KumikoError {
  return new KumikoError('fabric-chaincode/no-channel', `could not get channel config for channel '${channelId}'`)
}
