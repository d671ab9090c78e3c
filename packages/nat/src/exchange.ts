import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { type Cancel, type Clock, type Fault, isFault, type Millis, type UdpEndpoint } from '@kumiko/interface'

/** A question, and how its answer is known. */
export interface Exchange<T> {
  readonly to: UdpEndpoint
  /** @param localIp - Ours, as the other side sees it, if no NAT lies between. */
  readonly request: (localIp: string) => Uint8Array
  /** @returns Undefined for what is no answer to this question: it is passed over. */
  readonly read: (bytes: Uint8Array) => T | Fault | undefined
}

/** After each of these the question is asked again, or given up. RFC 6886 § 3.1: 250 ms, doubled each time. */
const WAITS_MS: readonly Millis[] = [250, 500, 1000, 2000]

/**
 * Asks by UDP and waits for the answer, on a socket of its own that takes packets from the one asked only.
 *
 * @returns The answer and our address, or the fault: `nat/no-answer`, `nat/unreachable`, or what `read` found.
 * @throws The signal's reason.
 */
export async function exchange<T>(
  clock: Clock,
  { to, request, read }: Exchange<T>,
  signal: AbortSignal,
): Promise<{ readonly answer: T; readonly localIp: string } | Fault> {
  signal.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<{ readonly answer: T; readonly localIp: string } | Fault>()
  const socket = createSocket(isIPv6(to.ip) ? 'udp6' : 'udp4')
  const where = `${to.ip} port ${to.port}`
  const fail = (error: unknown): void =>
    resolve({ fault: 'nat/unreachable', detail: `${where}: ${error instanceof Error ? error.message : error}` })
  const abort = (): void => reject(signal.reason)
  let cancel: Cancel = () => {}
  let isOver = false

  const ask = (attempt: number): void => {
    const waitMs = WAITS_MS[attempt]
    if (waitMs === undefined) {
      resolve({ fault: 'nat/no-answer', detail: where })
      return
    }
    socket.send(request(socket.address().address), (error) => {
      if (error !== null) fail(error)
    })
    cancel = clock.at(clock.now() + waitMs, () => ask(attempt + 1))
  }

  socket.on('error', fail)
  socket.on('message', (bytes) => {
    const answer = read(new Uint8Array(bytes))
    if (answer === undefined) return
    resolve(isFault(answer) ? answer : { answer, localIp: socket.address().address })
  })
  signal.addEventListener('abort', abort, { once: true })
  try {
    socket.connect(to.port, to.ip, (error?: Error) => {
      if (error != null) fail(error)
      else if (!isOver) ask(0)
    })
    return await promise
  } finally {
    isOver = true
    cancel()
    signal.removeEventListener('abort', abort)
    socket.close()
  }
}
