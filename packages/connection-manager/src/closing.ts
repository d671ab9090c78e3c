import { type Clock, type DisconnectReason, deadline, disconnectSymbol, isDisconnectable, type Millis } from '@kumiko/interface'
import { AbortError, type Connection } from '@libp2p/interface'

/**
 * Ends a connection, with a reason where it can carry one, and waits until it has ended. When the signal fires it is cut off instead.
 * Does not throw.
 */
export async function endConnection(connection: Connection, reason: DisconnectReason, signal: AbortSignal): Promise<void> {
  if (isOver(connection)) return
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  const cutOff = (): void => {
    connection.abort(signal.reason instanceof Error ? signal.reason : new AbortError())
    resolve()
  }
  connection.addEventListener('close', () => resolve(), { once: true })
  signal.addEventListener('abort', cutOff, { once: true })
  try {
    if (signal.aborted) return cutOff()
    if (isDisconnectable(connection)) connection[disconnectSymbol](reason)
    else await connection.close({ signal })
    if (!isOver(connection)) await ended
  } catch (error) {
    connection.abort(error instanceof Error ? error : new AbortError(String(error)))
  } finally {
    signal.removeEventListener('abort', cutOff)
  }
}

/** Runs a task with a signal that fires after a time, or with the caller's own signal. */
export async function within<T>(
  clock: Clock,
  durationMs: Millis,
  task: (signal: AbortSignal) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const inTime = deadline(clock, durationMs, signal)
  try {
    return await task(inTime)
  } finally {
    inTime.clear()
  }
}

/** Tells whether a connection has ended, however it did. */
export function isOver({ status }: Connection): boolean {
  return status === 'closed' || status === 'aborted' || status === 'reset'
}
