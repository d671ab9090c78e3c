import { type Clock, type Fault, isFault } from '@kumiko/interface'
import { exchange } from './exchange.ts'
import { type Gateway, LEASE_S, type Mapping, type PortRequest } from './gateway.ts'
import { decodePcp, encodePcpAnnounce, encodePcpMap, type PcpAnswer } from './pcp.ts'
import type { Surroundings } from './surroundings.ts'

/** Asks for a PCP server at an address. RFC 6887 */
export async function findPcp(clock: Clock, { pmpPort: port }: Surroundings, ip: string, signal: AbortSignal): Promise<Gateway | Fault> {
  const to = { ip, port }

  const ask = async (request: PortRequest, lifetimeS: number, until: AbortSignal) =>
    await exchange(
      clock,
      {
        to,
        request: (clientIp) => encodePcpMap({ ...request, clientIp, lifetimeS, externalPort: lifetimeS === 0 ? 0 : request.externalPort }),
        read: (bytes) => answerTo(bytes, request),
      },
      until,
    )

  const map = async (request: PortRequest, until: AbortSignal): Promise<Mapping | Fault> => {
    const told = await ask(request, LEASE_S, until)
    if (isFault(told)) return told
    const { answer } = told
    if (answer.about !== 'map' || answer.externalPort === 0) return { fault: 'nat/bad-answer', detail: 'PCP: no port was given' }
    return { externalIp: answer.externalIp, externalPort: answer.externalPort, lifetimeMs: answer.lifetimeS * 1000 }
  }

  const unmap = async (request: PortRequest, until: AbortSignal): Promise<void> => {
    await ask(request, 0, until)
  }

  const found = await exchange(clock, { to, request: encodePcpAnnounce, read: (bytes) => answerTo(bytes, undefined) }, signal)
  if (isFault(found)) return found
  return { name: `PCP ${ip}`, localIp: found.localIp, externalIp: async () => undefined, map, unmap }
}

/** Undefined for what answers something else. @param request - Undefined for an announcement. */
function answerTo(bytes: Uint8Array, request: PortRequest | undefined): PcpAnswer | Fault | undefined {
  const answer = decodePcp(bytes)
  if (isFault(answer)) return answer.fault === 'nat/bad-packet' ? undefined : answer
  if (answer.about === 'announce') return request === undefined ? answer : undefined
  const isOurs = request?.internalPort === answer.internalPort && request.nonce.every((byte, i) => answer.nonce[i] === byte)
  return isOurs ? answer : undefined
}
