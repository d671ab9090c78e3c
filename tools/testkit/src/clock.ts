import type { Cancel, Clock, Millis } from '@kumiko/interface'

/** A clock that moves only when told to. */
export interface VirtualClock extends Clock {
  /**
   * Moves on by `durationMs`, calling what comes due on the way, in order of deadline, then of registration. Between any two callbacks the
   * promises that they settled run to their end.
   *
   * @throws Error where another `advance` is under way.
   */
  advance(durationMs: Millis): Promise<void>
  /** Registrations that have not come due. */
  readonly pending: number
}

interface Timer {
  readonly deadline: Millis
  readonly order: number
  readonly callback: () => void
}

/** @param startMs - What `now()` tells at first. Default 1,000,000, so that "never" may be told from 0. */
export function virtualClock(startMs: Millis = 1_000_000): VirtualClock {
  let now = startMs
  let count = 0
  let isMoving = false
  /** In descending order, so that the next to come due is the last. */
  const timers: Timer[] = []

  const run = async (until: Millis): Promise<void> => {
    await settled()
    for (let timer = timers.at(-1); timer !== undefined && timer.deadline <= until; timer = timers.at(-1)) {
      timers.pop()
      now = Math.max(now, timer.deadline)
      timer.callback()
      await settled()
    }
    now = until
  }

  return {
    now: () => now,
    at(deadline, callback): Cancel {
      if (deadline === Number.POSITIVE_INFINITY) return () => {}
      const timer: Timer = { deadline, order: count++, callback }
      timers.splice(position(timers, timer), 0, timer)
      return () => {
        const at = position(timers, timer)
        if (timers[at] === timer) timers.splice(at, 1)
      }
    },
    async advance(durationMs) {
      if (isMoving) throw new Error('the virtual clock is moving already: await the advance before')
      isMoving = true
      try {
        await run(now + durationMs)
      } finally {
        isMoving = false
      }
    },
    get pending() {
      return timers.length
    },
  }
}

/** Where a timer stands in a list in descending order. */
function position(timers: readonly Timer[], timer: Timer): number {
  let low = 0
  let high = timers.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const other = timers[middle]
    if (other !== undefined && (other.deadline > timer.deadline || (other.deadline === timer.deadline && other.order > timer.order))) {
      low = middle + 1
    } else {
      high = middle
    }
  }
  return low
}

/** Resolves when no promise has anything left to run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
