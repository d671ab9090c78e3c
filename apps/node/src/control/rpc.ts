import { KumikoError } from '@kumiko/interface'
import { z } from 'zod'

/** A request may be so long. */
export const REQUEST_BYTES_MAX = 1024 * 1024

/** An answer may be so long: ten thousand peers with all that they serve. */
export const ANSWER_BYTES_MAX: number = 16 * 1024 * 1024

/** Codes of an answer that is an error. @see JSON-RPC 2.0 § 5.1 */
export const RPC_ERRORS = { parse: -32_700, request: -32_600, method: -32_601, params: -32_602, failed: -32_000 } as const

/** What a client asks for. */
export interface RpcRequest {
  readonly id: string | number
  readonly method: string
  readonly params: Readonly<Record<string, unknown>>
}

/** What went wrong, as an answer tells it. */
export interface RpcError {
  readonly code: number
  readonly message: string
  /** The stable code of a KumikoError, where it is one. */
  readonly data?: { readonly code: string }
}

/** What a client is told: values as they come, and at last one answer. */
export type RpcMessage =
  | { readonly jsonrpc: '2.0'; readonly method: 'value'; readonly params: { readonly id: string | number; readonly value: unknown } }
  | { readonly jsonrpc: '2.0'; readonly id: string | number | null; readonly result: unknown }
  | { readonly jsonrpc: '2.0'; readonly id: string | number | null; readonly error: RpcError }

const id = z.union([z.string().max(256), z.number()])

const request = z.object({
  jsonrpc: z.literal('2.0'),
  id,
  method: z.string().max(256),
  params: z.record(z.string(), z.unknown()).default({}),
})

const message = z.union([
  z.object({ jsonrpc: z.literal('2.0'), method: z.literal('value'), params: z.object({ id, value: z.unknown() }) }),
  z.object({
    jsonrpc: z.literal('2.0'),
    id: id.nullable(),
    error: z.object({ code: z.number(), message: z.string(), data: z.object({ code: z.string() }).optional() }),
  }),
  z.object({ jsonrpc: z.literal('2.0'), id: id.nullable(), result: z.unknown() }),
])

/** Reads what a client sent. @returns Why not, where it is no request. */
export function readRequest(line: string): RpcRequest | RpcError {
  const value = readJson(line)
  if (value === undefined) return { code: RPC_ERRORS.parse, message: 'no JSON' }
  const read = request.safeParse(value)
  return read.success ? read.data : { code: RPC_ERRORS.request, message: 'no request of JSON-RPC 2.0 with named params' }
}

/** Reads what a server sent; undefined where it is no message of ours. */
export function readMessage(line: string): RpcMessage | undefined {
  const read = message.safeParse(readJson(line))
  // Zod's optional members may be there and undefined, which nobody can tell from here.
  return read.success ? (read.data as RpcMessage) : undefined
}

/** The answer to a request that failed. */
export function failure(of: string | number | null, error: RpcError): RpcMessage {
  return { jsonrpc: '2.0', id: of, error }
}

/** What a method threw, as an answer tells it. */
export function rpcErrorOf(error: unknown): RpcError {
  if (error instanceof z.ZodError) {
    const [issue] = error.issues
    const where = issue === undefined || issue.path.length === 0 ? 'params' : issue.path.join('.')
    return { code: RPC_ERRORS.params, message: `${where}: ${issue?.message ?? 'wrong'}` }
  }
  if (error instanceof Error && error.name === 'TimeoutError')
    return { code: RPC_ERRORS.failed, message: 'it took too long: give it more time', data: { code: 'node/timeout' } }
  const told = error instanceof Error ? error.message : String(error)
  return { code: RPC_ERRORS.failed, message: told, ...(error instanceof KumikoError ? { data: { code: error.code } } : {}) }
}

function readJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
