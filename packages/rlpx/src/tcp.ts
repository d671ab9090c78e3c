import { createServer, type Server, Socket, type SocketConstructorOpts } from 'node:net'
import { type ByteStream, type ByteStreamHandler, KumikoError } from '@kumiko/interface'

/** Node's socket as a {@link ByteStream}. Sets TCP_NODELAY: a frame that waits for the one before it costs 40 ms and more. */
export function socketStream(socket: Socket): ByteStream {
  socket.setNoDelay(true)
  let handler: ByteStreamHandler | undefined
  let failure: Error | undefined
  socket.on('data', (chunk: Buffer) => handler?.onData(chunk))
  socket.on('drain', () => handler?.onDrain())
  socket.on('error', (error) => {
    failure = error
  })
  socket.on('close', () => handler?.onClose(failure))
  // The remote has ended: whatever we still owe it, it does not want.
  socket.on('end', () => socket.destroy())
  return {
    remote: { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 },
    get handler() {
      return handler
    },
    set handler(next) {
      handler = next
    },
    get queuedBytes() {
      return socket.writableLength
    },
    write: (...pieces) => writeTo(socket, pieces),
    pause: () => {
      socket.pause()
    },
    resume: () => {
      socket.resume()
    },
    end: () => {
      socket.end()
    },
    destroy: () => {
      socket.destroy()
    },
  }
}

/** How much may wait in a socket until it counts as behind, in bytes: some large frames, or thousands of small ones. */
const SOCKET: SocketConstructorOpts & { readonly highWaterMark: number } = { highWaterMark: 1 << 18 }

/** One system call, however many pieces. */
function writeTo(socket: Socket, pieces: readonly Uint8Array[]): boolean {
  socket.cork()
  let canSendMore = true
  for (const piece of pieces) canSendMore = socket.write(piece)
  socket.uncork()
  return canSendMore
}

/**
 * Connects by TCP.
 *
 * @param host - An IP address or a DNS name.
 * @throws KumikoError `rlpx/connect-failed` with the system's error as cause, or the signal's reason.
 */
export function dialTcp(host: string, port: number, signal?: AbortSignal): Promise<ByteStream> {
  const { promise, resolve, reject } = Promise.withResolvers<ByteStream>()
  if (signal?.aborted) return Promise.reject(signal.reason)
  const socket = new Socket(SOCKET).connect({ host, port })
  const settle = (act: () => void): void => {
    signal?.removeEventListener('abort', abort)
    socket.off('error', fail)
    act()
  }
  const abort = (): void => {
    settle(() => reject(signal?.reason))
    socket.destroy()
  }
  const fail = (cause: Error): void =>
    settle(() =>
      reject(
        new KumikoError('rlpx/connect-failed', `cannot connect to ${host}:${port}: ${cause.message}`, { cause, context: { host, port } }),
      ),
    )
  signal?.addEventListener('abort', abort, { once: true })
  socket.once('error', fail)
  socket.once('connect', () => settle(() => resolve(socketStream(socket))))
  return promise
}

/** Where streams of bytes come from. */
export interface StreamNetwork {
  /** @throws The signal's reason, or why there is no stream. */
  dial(host: string, port: number, signal?: AbortSignal): Promise<ByteStream>
  /** @param onStream - Sets the stream's handler before it returns. */
  listen(host: string, port: number, onStream: (stream: ByteStream) => void): Promise<StreamListener>
}

/** A listener of a {@link StreamNetwork}. */
export interface StreamListener {
  readonly host: string
  /** The real one, where 0 was asked for. */
  readonly port: number
  /** Takes no more connections; those that are open stay. */
  close(): Promise<void>
}

/**
 * Listens by TCP.
 *
 * @param onStream - Must set the stream's handler before it returns.
 * @throws KumikoError `rlpx/listen-failed`.
 */
export async function listenTcp(host: string, port: number, onStream: (stream: ByteStream) => void): Promise<StreamListener> {
  const server = createServer({ noDelay: true, ...SOCKET }, (socket) => onStream(socketStream(socket)))
  await listening(server, host, port)
  server.on('error', () => {})
  const address = server.address()
  if (address === null || typeof address === 'string')
    throw new KumikoError('rlpx/listen-failed', `cannot listen on ${host}:${port}: no address`)
  return { host: address.address, port: address.port, close: () => closeServer(server) }
}

/**
 * Does not wait for the connections that it took: they are others' to close. Node frees a handle in the phase that follows its
 * immediates, so that it takes two turns until nothing of the server is left.
 */
async function closeServer(server: Server): Promise<void> {
  server.close()
  await new Promise(setImmediate)
  await new Promise(setImmediate)
}

/** The network of {@link dialTcp} and {@link listenTcp}. */
export const tcpNetwork: StreamNetwork = { dial: dialTcp, listen: listenTcp }

function listening(server: Server, host: string, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', (cause: NodeJS.ErrnoException) => {
    const mend = cause.code === 'EADDRINUSE' ? 'the port is taken: choose another, or 0 for any' : cause.message
    reject(new KumikoError('rlpx/listen-failed', `cannot listen on ${host}:${port}: ${mend}`, { cause, context: { host, port } }))
  })
  server.listen({ host, port }, resolve)
  return promise
}
