import { isIPv6 } from 'node:net'
import { type Clock, type Fault, isFault } from '@kumiko/interface'
import type { Gateway } from './gateway.ts'
import type { NatMethod } from './method.ts'
import { findPcp } from './pcp-gateway.ts'
import { findPmp } from './pmp-gateway.ts'
import { stunGateway } from './stun-gateway.ts'
import type { Surroundings } from './surroundings.ts'
import { findUpnp } from './upnp-gateway.ts'

type Attempt = (signal: AbortSignal) => Promise<Gateway | Fault>

/**
 * Finds the gateway that a method means. Where it may be several, all are asked at once, and the first that answers is taken.
 *
 * @returns The last fault where none answers.
 * @throws The signal's reason.
 */
export async function findGateway(
  clock: Clock,
  surroundings: Surroundings,
  method: Exclude<NatMethod, { how: 'none' }>,
  signal: AbortSignal,
): Promise<Gateway | Fault> {
  if (method.how === 'extip') return knownAddress(method.ip)
  if (method.how === 'stun') return stunGateway(clock, surroundings, method.server)
  const named = 'gateway' in method && method.gateway !== undefined ? [method.gateway] : undefined
  const gateways = method.how === 'upnp' ? [] : (named ?? (await surroundings.gateways()))
  const attempts: Attempt[] = []
  if (method.how === 'pcp' || method.how === 'any')
    for (const ip of gateways) attempts.push((until) => findPcp(clock, surroundings, ip, until))
  if (method.how === 'pmp' || method.how === 'any')
    for (const ip of gateways) attempts.push((until) => findPmp(clock, surroundings, ip, until))
  if (method.how === 'upnp' || method.how === 'any') attempts.push((until) => findUpnp(clock, surroundings, until))
  return await first(attempts, signal)
}

/** Nothing is asked: our address is known, and ports are the same outside as inside. */
function knownAddress(ip: string): Gateway {
  return {
    name: `the address ${isIPv6(ip) ? `[${ip}]` : ip}`,
    localIp: undefined,
    externalIp: async () => ip,
    map: async ({ internalPort }) => ({ externalPort: internalPort, lifetimeMs: Number.POSITIVE_INFINITY }),
    unmap: async () => {},
  }
}

/** The others are ended when one has succeeded. */
async function first(attempts: readonly Attempt[], signal: AbortSignal): Promise<Gateway | Fault> {
  signal.throwIfAborted()
  const controller = new AbortController()
  const abort = (): void => controller.abort(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  let last: Fault = { fault: 'nat/no-gateway', detail: 'no gateway is known' }
  const running = attempts.map(async (attempt) => {
    const found = await attempt(controller.signal)
    if (!isFault(found)) return found
    last = found
    throw new Error(found.fault)
  })
  try {
    return await Promise.any(running)
  } catch {
    signal.throwIfAborted()
    return last
  } finally {
    signal.removeEventListener('abort', abort)
    controller.abort(new Error('another gateway was found'))
    await Promise.allSettled(running)
  }
}
