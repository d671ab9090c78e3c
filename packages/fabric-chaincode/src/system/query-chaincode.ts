import type { BlockReader, Ledger, LedgerInfo } from '@kumiko/fabric-ledger'
import type { AccessControl } from '@kumiko/fabric-msp'
import {
  type Block,
  BlockchainInfo,
  Envelope,
  ProcessedTransactionMessage,
  type Response,
  readEnvelope,
  toHex,
  writeBlock,
} from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'
import type { SystemChaincode } from '../contract.ts'
import { askedFor, denial, failure, success, textOf } from './answer.ts'

/** What `qscc` is made of. */
export interface QueryChaincodeOptions {
  /** Undefined where the peer is not on it. */
  readonly channel: (channelId: string) => { readonly ledger: Pick<Ledger, 'info' | 'blocks'> } | undefined
  readonly access: AccessControl
}

/** A ledger with its channel's blocks. */
interface Queried {
  readonly info: LedgerInfo
  readonly blocks: BlockReader
}

const NAME = 'qscc'

/** The number that stands for the last block. */
const LAST_BLOCK = 2n ** 64n - 1n

/**
 * `qscc`: blocks and transactions of a channel's ledger.
 * @see Fabric `core/scc/qscc/query.go`
 */
export function queryChaincode({ channel, access }: QueryChaincodeOptions): SystemChaincode {
  return {
    name: NAME,
    invoke: async (context, { args }) => {
      const [first, second, argument] = args
      if (first === undefined || second === undefined) return failure(`Incorrect number of arguments, ${args.length}`)
      const asked = askedFor(context)
      if (asked !== NAME) {
        return failure(
          `Rejecting invoke of QSCC from another chaincode because of potential for deadlocks, original invocation for '${asked}'`,
        )
      }
      const [name, channelId] = [textOf(first), textOf(second)]
      if (name !== 'GetChainInfo' && argument === undefined) return failure(`missing 3rd argument for ${name}`)
      const ledger = channel(channelId)?.ledger
      if (ledger === undefined) return failure(`Invalid chain ID, ${channelId}`)
      const denied = denial(access, `${NAME}/${name}`, channelId, context)
      if (denied !== undefined) return failure(`access denied for [${name}][${channelId}]: [${denied}]`)
      const run = FUNCTIONS.get(name)
      return run === undefined ? failure(`Requested function ${name} not found.`) : await run(ledger, argument ?? new Uint8Array())
    },
  }
}

const FUNCTIONS: ReadonlyMap<string, (ledger: Queried, argument: Uint8Array) => Promise<Response>> = new Map([
  ['GetChainInfo', chainInfo],
  ['GetBlockByNumber', blockByNumber],
  ['GetBlockByHash', blockByHash],
  ['GetBlockByTxID', blockByTransaction],
  ['GetTransactionByID', transactionById],
])

async function chainInfo({ info, blocks }: Queried): Promise<Response> {
  const { height, currentHash, previousHash } = info
  const snapshot = blocks.first === 0n ? undefined : { lastBlockInSnapshot: blocks.first - 1n }
  return success(
    BlockchainInfo.encode({
      height,
      currentBlockHash: currentHash,
      previousBlockHash: previousHash,
      bootstrappingSnapshotInfo: snapshot,
    }),
  )
}

async function blockByNumber({ info, blocks }: Queried, argument: Uint8Array): Promise<Response> {
  const text = textOf(argument)
  const problem = numberProblem(text)
  if (problem !== undefined)
    return failure(`Failed to parse block number with error strconv.ParseUint: parsing ${quoted(text)}: ${problem}`)
  const asked = BigInt(text)
  const number = asked === LAST_BLOCK ? info.height - 1n : asked
  const refused = (why: string) => failure(`Failed to get block number ${asked}, error ${why}`)
  if (number < blocks.first)
    return refused(`cannot serve block [${number}]. The ledger is bootstrapped from a snapshot. First available block = [${blocks.first}]`)
  return answer(await blocks.block(number), refused, `no such block number [${number}] in index`)
}

async function blockByHash({ blocks }: Queried, hash: Uint8Array): Promise<Response> {
  const refused = (why: string) => failure(`Failed to get block hash ${textOf(hash)}, error ${why}`)
  return answer(await blocks.blockByHash(hash), refused, `no such block hash [${toHex(hash)}] in index`)
}

async function blockByTransaction({ blocks }: Queried, argument: Uint8Array): Promise<Response> {
  const txId = textOf(argument)
  const refused = (why: string) => failure(`Failed to get block for txID ${txId}, error ${why}`)
  const found = await transactionOf(blocks, txId)
  return typeof found === 'string' ? refused(found) : answer(await blocks.block(found.blockNumber), refused, missing(txId))
}

async function transactionById({ blocks }: Queried, argument: Uint8Array): Promise<Response> {
  const txId = textOf(argument)
  const found = await transactionOf(blocks, txId)
  if (typeof found === 'string') return failure(`Failed to get transaction with id ${txId}, error ${found}`)
  const { envelope, validationCode } = found
  const transactionEnvelope = readEnvelope(envelope)
  if (isFault(transactionEnvelope)) return failure(`Failed to get transaction with id ${txId}, error ${transactionEnvelope.detail}`)
  return success(ProcessedTransactionMessage.encode({ transactionEnvelope: Envelope.create(transactionEnvelope), validationCode }))
}

/** @returns Why it is not there, in Fabric's words. */
async function transactionOf(blocks: BlockReader, txId: string) {
  try {
    return (await blocks.transaction(txId)) ?? missing(txId)
  } catch (error) {
    if (!(error instanceof KumikoError) || error.code !== 'fabric-ledger/before-snapshot') throw error
    return `details for the TXID [${txId}] not available. ${bootstrapped(blocks)}`
  }
}

function answer(block: Block | undefined, refused: (why: string) => Response, why: string): Response {
  return block === undefined ? refused(why) : success(writeBlock(block))
}

function missing(txId: string): string {
  return `no such transaction ID [${txId}] in index`
}

function bootstrapped({ first }: BlockReader): string {
  return `Ledger bootstrapped from a snapshot. First available block = [${first}]`
}

function numberProblem(text: string): string | undefined {
  if (!/^\d+$/.test(text)) return 'invalid syntax'
  // Twenty digits hold all numbers of 64 bits; leading noughts count for none.
  const digits = text.replace(/^0+/, '')
  return digits.length > 20 || BigInt(digits || '0') > LAST_BLOCK ? 'value out of range' : undefined
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 200))
}
