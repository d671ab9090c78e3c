import type { Clock, Millis } from '@kumiko/interface'
import { KumikoError } from '@kumiko/interface'

/** How long work may take, and who may stop it. */
export interface WithinOptions {
  readonly clock: Clock
  readonly timeoutMs: Millis
  readonly signal: AbortSignal
}

/**
 * Waits for work that may never end, or may not heed its signal.
 *
 * @param work - Its signal aborts when it is waited for no longer. What becomes of it then is of no matter.
 * @throws KumikoError `dialer/timeout`, or the signal's reason, or whatever the work throws.
 */
export async function within<T>({ clock, timeoutMs, signal }: WithinOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  signal.throwIfAborted()
  const controller = new AbortController()
  const { promise: ended, reject } = Promise.withResolvers<never>()
  const giveUp = (reason: unknown): void => {
    reject(reason)
    controller.abort(reason)
  }
  const abort = (): void => giveUp(signal.reason)
  signal.addEventListener('abort', abort)
  const disarm = clock.at(clock.now() + timeoutMs, () => giveUp(new KumikoError('dialer/timeout', 'it took too long')))
  try {
    return await Promise.race([work(controller.signal), ended])
  } finally {
    disarm()
    signal.removeEventListener('abort', abort)
  }
}
