import type { ClearableSignal } from '@libp2p/interface'
import { setMaxListeners, TimeoutError } from '@libp2p/interface'
import type { Clock, Millis } from './clock.ts'

/**
 * A signal that aborts after `durationMs` with a `TimeoutError`, or with `parent`. It holds a timer until it is cleared, so it must be.
 *
 * @param parent - Aborts the new signal with its own reason.
 */
export function deadline(clock: Clock, durationMs: Millis, parent?: AbortSignal): ClearableSignal {
  const controller = new AbortController()
  setMaxListeners(Number.POSITIVE_INFINITY, controller.signal)
  const abort = (): void => controller.abort(parent?.reason)
  const cancel = clock.at(clock.now() + durationMs, () => controller.abort(new TimeoutError(`Not done within ${durationMs} ms`)))
  if (parent?.aborted === true) abort()
  else parent?.addEventListener('abort', abort, { once: true })
  return Object.assign(controller.signal, {
    clear: () => {
      cancel()
      parent?.removeEventListener('abort', abort)
    },
  })
}
