import { type Block, BlockMessage, Envelope, type Json, messageToJson, validationCodeName } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import { answerRpc, type RestChaincode } from './chaincode-rpc.ts'

/** A request as `OperationsRoute` of `@kumiko/operations` has it. */
export interface RestRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly body: Uint8Array
}

/** An answer, in JSON. */
export interface RestResponse {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

/** A path, or where it ends with a slash all below it, with what serves it. An `OperationsRoute`. */
export interface RestRoute {
  readonly path: string
  handle(request: RestRequest): Promise<RestResponse>
}

/** What the view reads of a channel's ledger. A `Ledger` of `@kumiko/fabric-ledger` is one. */
export interface RestLedger {
  readonly info: { readonly height: bigint; readonly currentHash: Uint8Array; readonly previousHash: Uint8Array }
  readonly blocks: {
    block(number: bigint): Promise<Block | undefined>
    transaction(
      txId: string,
    ): Promise<{ readonly blockNumber: bigint; readonly validationCode: number; readonly envelope: Uint8Array } | undefined>
  }
}

/** A peer as the network knows it. */
export interface RestPeer {
  readonly mspId: string
  /** `host:port`. */
  readonly endpoint: string
}

/** What a view is made of. */
export interface RestViewOptions {
  readonly ledger: (channelId: string) => RestLedger | undefined
  /** Shown where a request has no `?channel=…`. */
  readonly channelId: string
  readonly peers: (channelId: string) => Promise<readonly RestPeer[]>
  /** Runs chaincode, as whom the peer's operator decides. Default: `/chaincode` does nothing. */
  readonly chaincode?: RestChaincode
}

const NUMBER = /^\d{1,20}$/

/**
 * A small view of a channel over HTTP in the shape of Fabric 0.6's REST interface, for tools and eyes: `GET /chain`, `/chain/blocks/:n`,
 * `/transactions/:id`, `/network/peers`, and `POST /chaincode` with JSON-RPC 2.0. What blocks hold is that of Fabric today, shown as
 * `configtxlator` shows it. It asks nobody who he is: serve it on an operations listener, on loopback or with client certificates.
 * @see Fabric v0.6 `core/rest/rest_api.go`
 */
export function restView(options: RestViewOptions): RestRoute[] {
  const get = (path: string, show: (ledger: RestLedger, rest: string, channelId: string) => Promise<RestResponse>): RestRoute => ({
    path,
    handle: async (request) => {
      if (request.method !== 'GET') return failed(405, 'Only GET is served here.')
      const channelId = request.query.get('channel') ?? options.channelId
      const ledger = options.ledger(channelId)
      if (ledger === undefined) return failed(404, `Channel ${channelId} is not found.`)
      return await show(ledger, request.path.slice(path.length), channelId)
    },
  })
  return [
    get('/chain', async (ledger) => shown(showChain(ledger))),
    get('/chain/blocks/', showBlock),
    get('/transactions/', showTransaction),
    get('/network/peers', async (_, __, channelId) => shown({ peers: (await options.peers(channelId)).map(showPeer) })),
    { path: '/chaincode', handle: (request) => answerRpc(request, options.channelId, options.chaincode) },
  ]
}

/** Hashes in base64. */
function showChain({ info }: RestLedger): Json {
  const { height, currentHash, previousHash } = info
  return { height: Number(height), currentBlockHash: base64(currentHash), previousBlockHash: base64(previousHash) }
}

async function showBlock({ info, blocks }: RestLedger, number: string): Promise<RestResponse> {
  if (!NUMBER.test(number)) return failed(400, 'Block id must be an integer (uint64).')
  const block = BigInt(number) < info.height ? await blocks.block(BigInt(number)) : undefined
  if (block === undefined) return failed(404, 'ledger: resource not found')
  const { header, data, metadata } = block
  return shown(messageToJson(BlockMessage, { header, data: { data }, metadata: { metadata } }))
}

async function showTransaction({ blocks }: RestLedger, txId: string): Promise<RestResponse> {
  const found = await blocks.transaction(txId.slice(0, 1000))
  const envelope = found && Envelope.decode(found.envelope)
  if (found === undefined || envelope === undefined || isFault(envelope)) return failed(404, `Transaction ${txId} is not found.`)
  const { validationCode, blockNumber } = found
  const code = validationCodeName(validationCode) ?? String(validationCode)
  return shown({
    txid: txId,
    blockNumber: Number(blockNumber),
    validationCode: code,
    transactionEnvelope: messageToJson(Envelope, envelope),
  })
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function showPeer({ mspId, endpoint }: RestPeer): Json {
  return { ID: { name: mspId }, address: endpoint }
}

function shown(value: Json): RestResponse {
  return { status: 200, contentType: 'application/json', body: JSON.stringify(value) }
}

function failed(status: number, error: string): RestResponse {
  return { status, contentType: 'application/json', body: JSON.stringify({ Error: error }) }
}
