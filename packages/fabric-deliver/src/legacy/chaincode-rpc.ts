import { encodeUtf8, type Json } from '@kumiko/fabric-protocol'
import type { RestRequest, RestResponse } from './rest-view.ts'

/** Runs chaincode for who asks by `/chaincode`. */
export interface RestChaincode {
  /** @returns What the chaincode answers. */
  query(channelId: string, chaincode: string, args: readonly Uint8Array[]): Promise<Uint8Array>
  /** @returns The id of the transaction, which is ordered and not yet committed. */
  invoke(channelId: string, chaincode: string, args: readonly Uint8Array[]): Promise<string>
}

interface RpcError {
  readonly status: number
  readonly code: number
  readonly message: string
  readonly data: string
}

interface RpcCall {
  readonly method: 'invoke' | 'query'
  readonly chaincode: string
  readonly args: readonly Uint8Array[]
}

/** A JSON-RPC 2.0 request, as Fabric 0.6 takes it. One without an id is heard, and not answered. */
export async function answerRpc(request: RestRequest, channelId: string, chaincode: RestChaincode | undefined): Promise<RestResponse> {
  if (request.method !== 'POST') return respond(405, { Error: 'Only POST is served here.' })
  const parsed = parse(request.body)
  if (parsed === undefined) return tell(undefined, badRequest(-32700, 'Parse error', 'Error unmarshalling chaincode request payload'))
  const call = readCall(parsed, chaincode)
  const outcome = 'code' in call ? call : await perform(call, request.query.get('channel') ?? channelId, chaincode)
  if (parsed.id === undefined) return respond(200, undefined)
  return tell(parsed.id, outcome)
}

async function perform(
  { method, chaincode, args }: RpcCall,
  channelId: string,
  runner: RestChaincode | undefined,
): Promise<string | RpcError> {
  try {
    if (runner === undefined) return noMethod()
    if (method === 'invoke') return await runner.invoke(channelId, chaincode, args)
    return new TextDecoder().decode(await runner.query(channelId, chaincode, args))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return method === 'invoke'
      ? { status: 200, code: -32002, message: 'Invocation failure', data: `Error when invoking chaincode: ${why}` }
      : { status: 200, code: -32003, message: 'Query failure', data: `Error when querying chaincode: ${why}` }
  }
}

function readCall(request: Readonly<Record<string, unknown>>, runner: RestChaincode | undefined): RpcCall | RpcError {
  const { jsonrpc, method, params } = request
  if (jsonrpc !== '2.0') return badRequest(-32600, 'Invalid request', 'Invalid JSON RPC 2.0 version string. Must be 2.0.')
  if (typeof method !== 'string') return badRequest(-32600, 'Invalid request', 'Missing JSON RPC 2.0 method string.')
  if (runner === undefined || (method !== 'invoke' && method !== 'query')) return noMethod()
  if (!isRecord(params)) return badParams('Client must supply ChaincodeSpec for chaincode invoke or query request.')
  const { chaincodeID, ctorMsg } = params
  if (!isRecord(chaincodeID)) return badParams('Payload must contain a ChaincodeID.')
  if (typeof chaincodeID.name !== 'string' || chaincodeID.name === '') return badParams('Chaincode name may not be blank.')
  const args = isRecord(ctorMsg) ? argsOf(ctorMsg) : undefined
  if (args === undefined) return badParams('Payload must contain a CtorMsg with a Chaincode function name.')
  return { method, chaincode: chaincodeID.name, args }
}

/** `args` alone, or `function` before them. */
function argsOf({ function: name, args = [] }: Readonly<Record<string, unknown>>): readonly Uint8Array[] | undefined {
  if (!Array.isArray(args)) return
  const all: unknown[] = name === undefined ? args : [name, ...args]
  const texts = all.filter((each) => typeof each === 'string')
  return texts.length === 0 || texts.length < all.length ? undefined : texts.map(encodeUtf8)
}

function parse(body: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body))
    return isRecord(value) ? value : undefined
  } catch {
    return
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function tell(id: unknown, outcome: string | RpcError): RestResponse {
  const base = { jsonrpc: '2.0', id: typeof id === 'string' || typeof id === 'number' ? id : null }
  if (typeof outcome === 'string') return respond(200, { ...base, result: { status: 'OK', message: outcome } })
  const { status, code, message, data } = outcome
  return respond(status, { ...base, error: { code, message, data } })
}

function respond(status: number, body: Json | undefined): RestResponse {
  return { status, contentType: 'application/json', body: body === undefined ? '' : JSON.stringify(body) }
}

function badRequest(code: number, message: string, data: string): RpcError {
  return { status: 400, code, message, data }
}

function badParams(data: string): RpcError {
  return { status: 200, code: -32602, message: 'Invalid params', data }
}

function noMethod(): RpcError {
  return { status: 404, code: -32601, message: 'Method not found', data: 'Requested method does not exist.' }
}
