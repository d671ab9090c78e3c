import type { Cancel, Clock, Millis } from '@kumiko/interface'

/** A clock that moves only when told to. */
export interface VirtualClock extends Clock {
  /**
   * Moves on by `durationMs`, calling what comes due on the way, in order of deadline, then of registration. Between any two callbacks the
   * promises that they settled run to their end.
   */
  advance(durationMs: Millis): Promise<void>
  /** Registrations that have not come due. */
  readonly pending: number
}

/** How many turns of the microtask queue settle what a callback began. */
const TURNS = 20

/** @param startMs - What `now()` tells at first. Default 1,000,000, so that "never" may be told from 0. */
export function virtualClock(startMs: Millis = 1_000_000): VirtualClock {
  let now = startMs
  let count = 0
  const due = new Map<number, { readonly deadline: Millis; readonly callback: () => void }>()

  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < TURNS; turn++) await Promise.resolve()
  }
  const next = (until: Millis): number | undefined => {
    let found: number | undefined
    let soonest = until
    for (const [id, { deadline }] of due) {
      if (deadline > soonest || (found !== undefined && deadline === soonest)) continue
      found = id
      soonest = deadline
    }
    return found
  }

  return {
    now: () => now,
    at(deadline, callback): Cancel {
      if (deadline === Number.POSITIVE_INFINITY) return () => {}
      const id = count++
      due.set(id, { deadline, callback })
      return () => due.delete(id)
    },
    async advance(durationMs) {
      const until = now + durationMs
      await settle()
      for (let id = next(until); id !== undefined; id = next(until)) {
        const entry = due.get(id)
        due.delete(id)
        if (entry === undefined) continue
        now = Math.max(now, entry.deadline)
        entry.callback()
        await settle()
      }
      now = until
    },
    get pending() {
      return due.size
    },
  }
}
