import { connect, type Socket } from 'node:net'
import { KumikoError } from '@kumiko/interface'
import { controlPath, isOwners } from './endpoint.ts'
import { Lines } from './lines.ts'
import { ANSWER_BYTES_MAX, type RpcMessage, readMessage } from './rpc.ts'

/** What a running node told us went wrong. */
class ControlError extends KumikoError {}

/** How a call is made. */
export interface CallOptions {
  /** Told of what comes before the answer. */
  readonly onValue?: (value: unknown) => void
  /** Ends the call, here and at the node. */
  readonly signal?: AbortSignal
}

/**
 * Asks the node that runs on a data folder to do something.
 *
 * @returns What it answers.
 * @throws KumikoError `node/not-running`, `node/control-lost`; {@link ControlError} with what the node says; the signal's reason.
 */
export async function callNode(
  dataDir: string,
  method: string,
  params: Readonly<Record<string, unknown>>,
  { onValue = () => {}, signal }: CallOptions = {},
): Promise<unknown> {
  signal?.throwIfAborted()
  const socket = await open(dataDir)
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const lost = (): void => reject(new KumikoError('node/control-lost', 'the node has gone before it answered: does it still run?'))
  const stop = (): void => reject(signal?.reason)
  const lines = new Lines(ANSWER_BYTES_MAX)
  signal?.addEventListener('abort', stop)
  socket.on('error', lost)
  socket.on('close', lost)
  socket.on('data', (chunk: Uint8Array) => {
    const whole = lines.push(chunk)
    if (whole === undefined) return lost()
    for (const message of whole.map(readMessage)) {
      if (message !== undefined) hear(message, { onValue, resolve, reject })
    }
  })
  socket.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })}\n`)
  try {
    return await promise
  } finally {
    signal?.removeEventListener('abort', stop)
    socket.destroy()
  }
}

interface Listener {
  readonly onValue: (value: unknown) => void
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

function hear(message: RpcMessage, { onValue, resolve, reject }: Listener): void {
  if ('method' in message) onValue(message.params.value)
  else if ('error' in message) reject(new ControlError(message.error.data?.code ?? 'node/control-failed', message.error.message))
  else resolve(message.result)
}

async function open(dataDir: string): Promise<Socket> {
  try {
    if (!(await isOwners(controlPath(dataDir), dataDir))) throw new Error('the socket is somebody else’s')
    return await connected(connect(controlPath(dataDir)))
  } catch (cause) {
    const message = `no node runs on data folder "${dataDir}": start one with kumiko node start --data-dir, or name its folder`
    throw new KumikoError('node/not-running', message, { cause, context: { dataDir } })
  }
}

async function connected(socket: Socket): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.once('connect', resolve)
  socket.once('error', reject)
  await promise
  socket.off('error', reject)
  return socket
}
