import type { Millis } from '@kumiko/interface'
import type { PeerKey } from './candidate.ts'
import type { DialKind } from './plan-effect.ts'

/** A dial that is under way. */
export interface ActiveDial {
  /** Whom it is to reach, where that is known. */
  readonly peer: PeerKey | undefined
  readonly kind: DialKind | 'requested'
  readonly startedAt: Millis
}

/** The dials that are under way, by id. As many as the plan starts. */
export class ActiveDials {
  readonly #dials = new Map<string, ActiveDial>()

  get size(): number {
    return this.#dials.size
  }

  begin(id: string, dial: ActiveDial): void {
    this.#dials.set(id, dial)
  }

  /** Undefined where there is none of this id. */
  end(id: string): ActiveDial | undefined {
    const dial = this.#dials.get(id)
    this.#dials.delete(id)
    return dial
  }

  /** Tells whether one of them is to reach a peer. */
  reaches(peer: PeerKey): boolean {
    return this.#dials.values().some((dial) => dial.peer === peer)
  }

  has(kind: ActiveDial['kind']): boolean {
    return this.#dials.values().some((dial) => dial.kind === kind)
  }
}
