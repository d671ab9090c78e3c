import type { Fault } from '@kumiko/interface'

/** How a deliver service ends what was asked of it. `common.Status`. */
export const Status = {
  success: 200,
  badRequest: 400,
  forbidden: 403,
  notFound: 404,
  requestEntityTooLarge: 413,
  internalServerError: 500,
  notImplemented: 501,
  serviceUnavailable: 503,
} as const

const FAULTS: ReadonlyMap<number, readonly [fault: string, detail: string]> = new Map([
  [Status.success, ['fabric-deliver/ended', 'the server sees the request as fulfilled']],
  [
    Status.badRequest,
    [
      'fabric-deliver/bad-request',
      'the request does not suit the server: look at our clock, the client TLS certificate, and the numbers asked for',
    ],
  ],
  [Status.forbidden, ['fabric-deliver/forbidden', 'our identity may not read this channel, or has expired']],
  [Status.notFound, ['fabric-deliver/not-found', 'the server has no such channel, or no such block yet']],
  [Status.serviceUnavailable, ['fabric-deliver/unavailable', 'the server says that it cannot serve the channel now']],
])

/** What a status means to who waits for blocks. `fabric-deliver/refused` for those that Fabric's servers do not send. */
export function statusFault(status: number): Fault {
  const [fault, detail] = FAULTS.get(status) ?? ['fabric-deliver/refused', 'the server does not serve this']
  return { fault, detail: `${detail} (status ${status})` }
}

/**
 * Whether only we can mend it: no access, or a request that no server takes. One server alone may say so out of malice or because it lags; where
 * all do, waiting helps nobody.
 */
export function isRefusal({ fault }: Fault): boolean {
  return fault === 'fabric-deliver/forbidden' || fault === 'fabric-deliver/bad-request'
}
