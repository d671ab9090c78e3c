import { Status } from '@kumiko/fabric-deliver'
import type { BroadcastResponse } from '@kumiko/fabric-protocol'

/** Why an envelope is not taken: what the client is told. */
export type Rejection = BroadcastResponse

/** The envelope will be in a block. */
export const ACCEPTED: BroadcastResponse = { status: Status.success, info: '' }

/** A longer text of ours is cut. */
const INFO_MAX = 1000

/** The envelope is wrong: no orderer would take it. */
export function badRequest(info: string): Rejection {
  return { status: Status.badRequest, info: info.slice(0, INFO_MAX) }
}

/** Who signed the envelope may not write to the channel. */
export function forbidden(why: string): Rejection {
  return { status: Status.forbidden, info: `${why.slice(0, INFO_MAX)}: permission denied` }
}

/** The channel takes nothing now: another orderer, or the same one later, may. */
export function unavailable(info: string): Rejection {
  return { status: Status.serviceUnavailable, info: info.slice(0, INFO_MAX) }
}

/** The same rejection, told with what was being done. */
export function during(what: string, rejection: Rejection): Rejection {
  return { ...rejection, info: `${what}: ${rejection.info}` }
}
