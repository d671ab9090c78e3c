import type { DialRefusal } from '@kumiko/interface'
import type { Candidate, PeerKey } from './candidate.ts'

/** Why the plan itself dials a node. */
export type DialKind = 'static' | 'dynamic' | 'bootnode' | 'kept' | 'auto'

/** What the driver is to do. */
export type PlanEffect =
  /** Dial a node that the plan chose; its `id` is the peer's key. `mayResolve`: its record may be asked for where its addresses do not serve. */
  | { readonly do: 'dial'; readonly id: string; readonly kind: DialKind; readonly candidate: Candidate; readonly mayResolve: boolean }
  /** Start the dial that was asked for under this id. */
  | { readonly do: 'start'; readonly id: string }
  /** From now on so many candidates are wanted: ask the sources, one after another, while it is above 0. */
  | { readonly do: 'want'; readonly count: number }
  /** A peer that was to be kept connected was redialed in vain, time and again: it is kept no more. */
  | { readonly do: 'giveUp'; readonly peer: PeerKey }
  /** A candidate was refused. */
  | { readonly do: 'refuse'; readonly candidate: Candidate; readonly reason: DialRefusal }
