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

/** So far behind the machine's time, the clock follows at once. */
const BEHIND_MAX_MS = 1000

/** How long the machine slept, or found that it was late, since the start of the process. */
let skippedMs = 0

/**
 * The machine's clock: Unix time at the start of the process plus the monotonic time since, and the time that the machine slept, which that does
 * not count: who is late by some seconds sends packets that have expired for everyone else. A machine's time that goes back is not followed.
 */
export const systemClock: Clock = {
  now() {
    const now = performance.timeOrigin + performance.now() + skippedMs
    const behindMs = Date.now() - now
    if (behindMs <= BEHIND_MAX_MS) return now
    skippedMs += behindMs
    return now + behindMs
  },
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
