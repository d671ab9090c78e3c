import type { Check } from './check.ts'
import { DIALING } from './dialing.ts'
import { EVENTS } from './events.ts'
import { GATER } from './gater.ts'
import { LIFECYCLE } from './lifecycle.ts'
import { LIMITS } from './limits.ts'
import { LISTENING } from './listening.ts'
import { OBSERVING } from './observing.ts'
import { PEERS } from './peers.ts'
import { PROTOCOLS } from './protocols.ts'
import { SERVICES } from './services.ts'
import { STREAMS } from './streams.ts'

/** All checks, by area. */
export const CHECKS: readonly Check[] = [
  ...LIFECYCLE,
  ...LISTENING,
  ...DIALING,
  ...EVENTS,
  ...PROTOCOLS,
  ...STREAMS,
  ...GATER,
  ...LIMITS,
  ...PEERS,
  ...SERVICES,
  ...OBSERVING,
]
