import { createRequire } from 'node:module'
import { ChaincodeEvent, ChaincodeInput, type ChaincodeMessage } from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'

/** What a chaincode is, as `fabric-shim` runs it; a contract is made one. */
export interface ShimChaincode {
  Init(stub: unknown): Promise<ShimResponse>
  Invoke(stub: unknown): Promise<ShimResponse>
}

/** What a chaincode answers, as it comes from its author. */
export interface ShimResponse {
  readonly status: number
  readonly message?: string
  readonly payload?: Uint8Array | string
}

/** Message of `@hyperledger/fabric-protos`. */
interface ShimMessage {
  serializeBinary(): Uint8Array
}

interface ShimStream {
  on(event: 'data' | 'end' | 'error', listener: (argument: unknown) => void): void
  write(message: ShimMessage): void
  end(): void
}

/** What `ChaincodeMessageHandler` makes of a message. */
export interface ShimRequest {
  readonly payload: Uint8Array
  readonly txid: string
  readonly channel_id: string
  readonly proposal: unknown
}

/** A transaction, as the chaincode sees it. */
export interface ShimStub {
  readonly chaincodeEvent?: ShimMessage
  getBufferArgs(): readonly Uint8Array[]
}

/** An instance of a contract: what is called of it for a transaction. */
export type ShimContract = Readonly<
  Record<
    'beforeTransaction' | 'aroundTransaction' | 'afterTransaction' | 'unknownTransaction',
    (context: { readonly stub: object }, ...rest: unknown[]) => Promise<unknown>
  >
>

interface ShimHandler {
  handleInit(request: ShimRequest): void
  handleTransaction(request: ShimRequest): void
  chat(first: ShimMessage): void
}

type ShimHandlerClass = new (stream: ShimStream, chaincode: ShimChaincode) => ShimHandler
type ShimStubClass = new (handler: ShimHandler, channelId: string, txId: string, input: unknown, proposal: unknown) => ShimStub
type ContractChaincodeClass = new (
  contracts: unknown[],
  serializers: unknown,
  metadata: unknown,
  title: string,
  version: string,
) => ShimChaincode & {
  defaultContractName: string
  readonly contractImplementations: Readonly<Record<string, { readonly contractInstance?: ShimContract }>>
}

/** The parts of `fabric-shim` that run a chaincode. */
export interface FabricShim {
  readonly Handler: ShimHandlerClass
  readonly Stub: ShimStubClass
  readonly ContractChaincode: ContractChaincodeClass
  readonly JsonSerializer: unknown
}

/** Events for which `fabric-shim` makes itself a listener of the process: it would keep failures of its host from ending it. */
const PROCESS_EVENTS = ['uncaughtException', 'unhandledRejection'] as const

/** The listener's name, by which it is known where a contract's module brought it along before. */
const LISTENER = 'loggerUnhandledRejectionFn'

/** Loggers of `fabric-shim` that tell of each transaction. */
const LOGGERS = [
  'lib/chaincode.js',
  'lib/handler.js',
  'lib/iterators.js',
  'lib/stub.js',
  'contracts-spi/chaincodefromcontract.js',
  'contracts-spi/datamarshall.js',
]

/** Loggers of `fabric-contract-api` that would, if they were set to `debug`. */
const CONTRACT_LOGGERS = ['./lib/contract.js', './lib/jsontransactionserializer.js']

/** Of winston. */
interface ShimLogger {
  silent: boolean
  debug(...told: unknown[]): unknown
  isLevelEnabled(level: string): boolean
}

interface ShimLoggers {
  getLogger(name: string): ShimLogger
}

/** Which ciphers gRPC takes, in the environment of the whole process: `fabric-shim` sets it, for connections that it does not have here. */
const CIPHERS = 'GRPC_SSL_CIPHER_SUITES'

let loaded: FabricShim | undefined

/**
 * Loads `fabric-shim`. Its listeners for failures of the whole process, and what it sets for it, are taken away again; it prints nothing of its own unless
 * `CORE_CHAINCODE_LOGGING_LEVEL` is set.
 * @throws KumikoError `fabric-chaincode/no-shim` where it is not installed.
 */
export function loadFabricShim(): FabricShim {
  loaded ??= load()
  return loaded
}

function load(): FabricShim {
  const before = PROCESS_EVENTS.map((event) => process.listeners(event))
  const ciphers = process.env[CIPHERS]
  try {
    return parts()
  } catch (error) {
    const message = 'contracts in process are run by fabric-shim, which cannot be loaded: npm install fabric-shim fabric-contract-api'
    throw new KumikoError('fabric-chaincode/no-shim', message, { cause: error })
  } finally {
    for (const [index, event] of PROCESS_EVENTS.entries()) removeNew(event, before[index] ?? [])
    if (ciphers === undefined) delete process.env[CIPHERS]
    else process.env[CIPHERS] = ciphers
  }
}

function removeNew(event: (typeof PROCESS_EVENTS)[number], before: readonly unknown[]): void {
  for (const listener of process.listeners(event)) {
    // Both kinds of listeners, seen as functions.
    if (!before.includes(listener) || listener.name === LISTENER) process.removeListener(event, listener as (...args: unknown[]) => void)
  }
}

/** What the modules of `fabric-shim` 2.5 export: the only place that knows. */
function parts(): FabricShim {
  const require = createRequire(import.meta.url)
  const { ChaincodeMessageHandler } = require('fabric-shim/lib/handler') as { ChaincodeMessageHandler: ShimHandlerClass }
  const Stub = require('fabric-shim/lib/stub') as ShimStubClass
  const ContractChaincode = require('fabric-shim/lib/contract-spi/chaincodefromcontract') as ContractChaincodeClass
  const requireOfShim = createRequire(require.resolve('fabric-shim'))
  const { JSONSerializer } = requireOfShim('fabric-contract-api') as { JSONSerializer: unknown }
  const loggers = LOGGERS.map((require('fabric-shim/lib/logger') as ShimLoggers).getLogger)
  if (process.env.CORE_CHAINCODE_LOGGING_LEVEL === undefined) for (const logger of loggers) logger.silent = true
  const contractLoggers = CONTRACT_LOGGERS.map((requireOfShim('fabric-contract-api/lib/logger') as ShimLoggers).getLogger)
  for (const logger of [...loggers, ...contractLoggers]) skipDebug(logger)
  return { Handler: ChaincodeMessageHandler, Stub: quiet(Stub), ContractChaincode, JsonSerializer: JSONSerializer }
}

/** Spares what a logger does not tell: winston puts it together all the same, and looks at the level last. */
function skipDebug(logger: ShimLogger): void {
  const { debug } = logger
  logger.debug = (...told) => (logger.silent || !logger.isLevelEnabled('debug') ? logger : debug.apply(logger, told))
}

/** A stub whose requests may fail with nobody waiting for them: no failure of the process is made of that. */
function quiet(Stub: ShimStubClass): ShimStubClass {
  class QuietStub extends Stub {}
  for (const name of Object.getOwnPropertyNames(Stub.prototype)) {
    const method: unknown = Reflect.get(Stub.prototype, name)
    if (name === 'constructor' || typeof method !== 'function') continue
    const value = function (this: unknown, ...args: unknown[]): unknown {
      const result: unknown = method.apply(this, args)
      if (result instanceof Promise) result.catch(() => {})
      return result
    }
    Object.defineProperty(QuietStub.prototype, name, { value, configurable: true, writable: true })
  }
  return QuietStub
}

/** A message, as `fabric-shim` looks at it. */
export function shimMessage({ type, payload, txid, channelId, proposal }: ChaincodeMessage): unknown {
  const signed = proposal && { getSignature: () => proposal.signature, getProposalBytes: () => proposal.proposalBytes }
  return {
    getType: () => type,
    getPayload_asU8: () => payload,
    getTxid: () => txid,
    getChannelId: () => channelId,
    getProposal: () => signed,
    getChaincodeEvent: () => undefined,
  }
}

/** A transaction's input, as `fabric-shim` looks at it. @throws Error where it is malformed, which our own is not. */
export function shimInput(payload: Uint8Array): unknown {
  const input = ChaincodeInput.decode(payload)
  if (isFault(input)) throw new Error(input.detail ?? input.fault)
  return { getArgsList_asU8: () => input.args }
}

/** What a transaction calls. Empty where it calls nothing. */
export function functionOf(stub: ShimStub): string {
  return new TextDecoder().decode(stub.getBufferArgs()[0])
}

/** The event that a transaction has set. */
export function eventOf({ chaincodeEvent }: ShimStub): ChaincodeEvent | undefined {
  if (chaincodeEvent === undefined) return
  const event = ChaincodeEvent.decode(chaincodeEvent.serializeBinary())
  return isFault(event) ? undefined : event
}
