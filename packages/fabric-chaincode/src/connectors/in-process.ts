import { ChaincodeId, ChaincodeMessage, ChaincodeMessageType, Response } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import type { ChaincodeConnector, ChaincodeStreams } from '../runtime/connector.ts'
import {
  eventOf,
  type FabricShim,
  functionOf,
  loadFabricShim,
  type ShimChaincode,
  type ShimContract,
  type ShimRequest,
  type ShimResponse,
  shimInput,
  shimMessage,
} from './fabric-shim.ts'
import { type LinkedChaincode, messageLink } from './message-link.ts'
import type { TransactionFailure, TransactionObserver } from './transaction-observer.ts'

/** A class that extends `Contract` of `fabric-contract-api`. */
export type ContractClass = new () => object

/** What is run: contracts, the first of them the default; or what implements `ChaincodeInterface` of `fabric-shim`. */
export type ChaincodeCode = { readonly contracts: readonly ContractClass[] } | { readonly chaincode: ShimChaincode }

/** How code is run in this process. */
export type InProcessChaincodeOptions = ChaincodeCode & {
  /** It registers under this name: a package id, or `name:version`. */
  readonly packageId: string
  /** What `stub.getMspID()` tells: the peer's organisation. Default: the environment's `CORE_PEER_LOCALMSPID`, as elsewhere. */
  readonly mspId?: string
  /** For the contracts' metadata: of their `package.json` elsewhere. Default: empty. */
  readonly title?: string
  /** For the contracts' metadata. Default: empty. */
  readonly version?: string
  /** What a contract's module exports as `serializers`. Default: JSON. */
  readonly serializers?: { readonly transaction: string; readonly serializers: Readonly<Record<string, unknown>> }
  /** Is told of each transaction. Default: nobody. */
  readonly observer?: TransactionObserver
}

/** Code that runs in this process. */
export interface InProcessChaincode extends ChaincodeConnector {
  /** Transactions that begin from now on are run by this; those that run go on as they are. @throws KumikoError `fabric-chaincode/bad-contract`. */
  replace(code: ChaincodeCode): void
}

/** What `fabric-shim` takes; anything else would end the process. */
const RECEIVED: ReadonlySet<number> = new Set([
  ChaincodeMessageType.registered,
  ChaincodeMessageType.ready,
  ChaincodeMessageType.init,
  ChaincodeMessageType.transaction,
  ChaincodeMessageType.response,
  ChaincodeMessageType.error,
])

const ERROR_STATUS = 500

/**
 * Runs contracts in this process, in the same debugger: by `fabric-shim` itself, over a link in memory, so that a contract does the same as
 * in a process of its own. `fabric-shim` and `fabric-contract-api` must be installed; they are loaded with the first transaction.
 *
 * What a contract throws is its answer, with Fabric's text. One that does not return is timed out; one that never leaves the processor to
 * others cannot be stopped, as nothing in this process can.
 */
export function inProcessChaincode(options: InProcessChaincodeOptions): InProcessChaincode {
  return new InProcess(options)
}

class InProcess implements InProcessChaincode {
  readonly #options: InProcessChaincodeOptions
  #code: ChaincodeCode
  /** Undefined before it was needed. */
  #chaincode: ShimChaincode | undefined

  constructor(options: InProcessChaincodeOptions) {
    this.#options = options
    this.#code = options
  }

  runs(packageId: string): boolean {
    return packageId === this.#options.packageId
  }

  replace(code: ChaincodeCode): void {
    this.#chaincode = chaincodeOf(loadFabricShim(), code, this.#options)
    this.#code = code
  }

  async launch(packageId: string, streams: ChaincodeStreams, signal: AbortSignal): Promise<void> {
    const shim = loadFabricShim()
    this.#chaincode ??= chaincodeOf(shim, this.#code, this.#options)
    const { mspId, observer } = this.#options
    let receive = (_: unknown): void => {}
    const { peer, chaincode } = messageLink((message) => RECEIVED.has(message.type) && receive(shimMessage(message)))
    const stream: ConstructorParameters<FabricShim['Handler']>[0] = {
      on: (event, listener) => {
        if (event === 'data') receive = listener
      },
      write: (message) => chaincode.send(ChaincodeMessage.create(decoded(message.serializeBinary()))),
      end: () => chaincode.end(),
    }
    const Handler = handlerClass(shim, { chaincode, code: () => this.#chaincode, mspId, observer })
    const handler = new Handler(stream, this.#chaincode)
    signal.addEventListener('abort', () => chaincode.end(), { once: true })
    const payload = ChaincodeId.encode({ name: packageId })
    handler.chat({ serializeBinary: () => ChaincodeMessage.encode({ type: ChaincodeMessageType.register, payload }) })
    await streams.attach(peer)
  }
}

interface Surroundings {
  readonly chaincode: LinkedChaincode
  /** What runs the next transaction. */
  readonly code: () => ShimChaincode | undefined
  readonly mspId: string | undefined
  readonly observer: TransactionObserver | undefined
}

/** The shim's handler, but for what it does with a transaction: there it leaves failures to the process. */
function handlerClass(shim: FabricShim, { chaincode, code, mspId, observer }: Surroundings): FabricShim['Handler'] {
  return class extends shim.Handler {
    override handleInit(request: ShimRequest): void {
      void this.#run(request, 'Init')
    }

    override handleTransaction(request: ShimRequest): void {
      void this.#run(request, 'Invoke')
    }

    async #run(request: ShimRequest, action: 'Init' | 'Invoke'): Promise<void> {
      const { channel_id: channelId, txid } = request
      chaincode.send(ChaincodeMessage.create({ ...(await this.#answer(request, action)), channelId, txid }))
    }

    async #answer(request: ShimRequest, action: 'Init' | 'Invoke'): Promise<Partial<ChaincodeMessage>> {
      const { channel_id: channelId, txid, proposal } = request
      try {
        const stub = new shim.Stub(this, channelId, txid, shimInput(request.payload), proposal)
        if (mspId !== undefined) Object.defineProperty(stub, 'getMspID', { value: () => mspId })
        const where = `[${channelId}-${txid.slice(0, 8)}]`
        const transaction = { channelId, txId: txid, function: functionOf(stub) }
        observer?.begun(transaction)
        const { response, error } = await responseOf(async () => await code()?.[action](stub), `${where} Calling chaincode ${action}()`)
        observer?.ended(transaction, failureOf(response, error ?? thrown.get(stub)))
        return { type: ChaincodeMessageType.completed, payload: Response.encode(response), chaincodeEvent: eventOf(stub) }
      } catch (error) {
        return { type: ChaincodeMessageType.error, payload: new TextEncoder().encode(String(error)) }
      }
    }
  }
}

interface Outcome {
  readonly response: Response
  /** What was thrown. */
  readonly error?: unknown
}

/** A chaincode's answer; what it throws is one. */
async function responseOf(answer: () => Promise<ShimResponse | undefined>, what: string): Promise<Outcome> {
  try {
    const { status, message = '', payload = '' } = (await answer()) ?? { status: 0 }
    if (typeof status !== 'number' || status === 0) return { response: refused(`${what} has not called success or error.`) }
    // As generated code does with a text where bytes are meant.
    const bytes = typeof payload === 'string' ? Buffer.from(payload, 'base64') : payload
    return { response: { status, message: String(message), payload: bytes } }
  } catch (error) {
    return { response: refused(error instanceof Error ? error.message : String(error)), error }
  }
}

/** From here on an answer is a failure. @see Fabric `core/chaincode/shim/interfaces.go` ERRORTHRESHOLD */
const FAILED_STATUS = 400

function failureOf({ status, message }: Response, error: unknown): TransactionFailure | undefined {
  return status < FAILED_STATUS ? undefined : { status, message, ...(error !== undefined && { error }) }
}

function refused(message: string): Response {
  return { status: ERROR_STATUS, message, payload: new Uint8Array() }
}

function decoded(bytes: Uint8Array): Partial<ChaincodeMessage> {
  const message = ChaincodeMessage.decode(bytes)
  return 'fault' in message ? {} : message
}

function chaincodeOf(shim: FabricShim, code: ChaincodeCode, options: InProcessChaincodeOptions): ShimChaincode {
  if ('chaincode' in code) return code.chaincode
  try {
    return contractChaincode(shim, code.contracts, options)
  } catch (error) {
    const message = `the contracts of ${options.packageId} cannot be run: ${error instanceof Error ? error.message : String(error)}`
    throw new KumikoError('fabric-chaincode/bad-contract', message, { cause: error, context: { packageId: options.packageId } })
  }
}

function contractChaincode(shim: FabricShim, contracts: readonly ContractClass[], options: InProcessChaincodeOptions): ShimChaincode {
  const json = { transaction: 'jsonSerializer', serializers: { jsonSerializer: shim.JsonSerializer } }
  const { serializers = json, title = '', version = '' } = options
  const all = { transaction: serializers.transaction, serializers: { ...serializers.serializers, ...json.serializers } }
  const chaincode = new shim.ContractChaincode([...contracts], all, {}, title, version)
  // What one chaincode declares as its default contract is the default of the process: but here are several chaincodes.
  const [first] = Object.keys(chaincode.contractImplementations)
  if (chaincode.contractImplementations[chaincode.defaultContractName] === undefined && first !== undefined)
    chaincode.defaultContractName = first
  // Among them are the schemas of annotated types, which are none.
  for (const { contractInstance } of Object.values(chaincode.contractImplementations)) if (contractInstance) keepThrown(contractInstance)
  return chaincode
}

/** What contracts threw, by the stub of the transaction: `fabric-shim` hands on no more than its message. */
const thrown = new WeakMap<object, unknown>()

/** What `fabric-shim` calls of a contract for a transaction, with its context. */
const CALLED = ['beforeTransaction', 'aroundTransaction', 'afterTransaction', 'unknownTransaction'] as const

function keepThrown(contract: ShimContract): void {
  for (const name of CALLED) {
    const method = contract[name]
    const value = async (context: { readonly stub: object }, ...rest: unknown[]): Promise<unknown> => {
      try {
        return await method.call(contract, context, ...rest)
      } catch (error) {
        thrown.set(context.stub, error)
        throw error
      }
    }
    Object.defineProperty(contract, name, { value, configurable: true, writable: true })
  }
}
