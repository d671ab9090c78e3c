/** Milliseconds. As a point in time: since the Unix epoch, on a clock that never goes back. */
export type Millis = number

/** Undoes a registration. Calling it again does nothing. */
export type Cancel = () => void

/** The only source of time in kumiko; tests replace it by a virtual one. */
export interface Clock {
  now(): Millis
  /**
   * Calls `callback` once, as soon as `now() >= deadline`; never before `at` has returned.
   *
   * @param deadline - `Infinity` never comes due and costs nothing.
   */
  at(deadline: Millis, callback: () => void): Cancel
}

/** setTimeout counts in a signed 32-bit number of milliseconds. */
const TIMEOUT_MAX_MS = 0x7fff_ffff

/** The machine's clock: Unix time at the start of the process plus the monotonic time since. */
export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  at(deadline, callback) {
    if (deadline === Number.POSITIVE_INFINITY) return () => {}
    let timer: ReturnType<typeof setTimeout>
    const arm = (): void => {
      const leftMs = deadline - systemClock.now()
      timer = setTimeout(
        () => (systemClock.now() >= deadline ? callback() : arm()),
        Math.min(Math.max(0, Math.ceil(leftMs)), TIMEOUT_MAX_MS),
      )
    }
    arm()
    return () => clearTimeout(timer)
  },
}

/**
 * Waits, or ends early with the signal's reason.
 *
 * @throws The signal's reason.
 */
export async function sleep(clock: Clock, durationMs: Millis, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const cancel = clock.at(clock.now() + durationMs, resolve)
  const abort = (): void => reject(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  try {
    await promise
  } finally {
    cancel()
    signal?.removeEventListener('abort', abort)
  }
}

/** A source of uniform numbers in [0, 1). Tests pass a seeded one; `Math.random` otherwise. */
export type Random = () => number

/** A source of bytes fit for keys. Tests pass a seeded one. */
export type RandomBytes = (length: number) => Uint8Array
