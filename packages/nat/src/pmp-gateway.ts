import { type Clock, type Fault, isFault } from '@kumiko/interface'
import { exchange } from './exchange.ts'
import { type Gateway, LEASE_S, type Mapping, type PortRequest } from './gateway.ts'
import { decodePmp, encodePmpAddressRequest, encodePmpMapRequest, type PmpAnswer } from './pmp.ts'
import type { Surroundings } from './surroundings.ts'

/** Asks for a NAT-PMP gateway at an address. RFC 6886 */
export async function findPmp(clock: Clock, { pmpPort: port }: Surroundings, ip: string, signal: AbortSignal): Promise<Gateway | Fault> {
  const to = { ip, port }

  const ask = async (request: Uint8Array, about: PmpAnswer['about'], until: AbortSignal, internalPort?: number) =>
    await exchange(clock, { to, request: () => request, read: (bytes) => answerTo(bytes, about, internalPort) }, until)

  const externalIp = async (until: AbortSignal): Promise<string | Fault> => {
    const told = await ask(encodePmpAddressRequest(), 'external-ip', until)
    if (isFault(told)) return told
    return told.answer.about === 'external-ip' ? told.answer.externalIp : { fault: 'nat/bad-answer' }
  }

  const map = async ({ protocol, internalPort, externalPort }: PortRequest, until: AbortSignal): Promise<Mapping | Fault> => {
    const told = await ask(encodePmpMapRequest(protocol, internalPort, externalPort, LEASE_S), protocol, until, internalPort)
    if (isFault(told)) return told
    const { answer } = told
    if (answer.about === 'external-ip' || answer.externalPort === 0)
      return { fault: 'nat/bad-answer', detail: 'NAT-PMP: no port was given' }
    return { externalPort: answer.externalPort, lifetimeMs: answer.lifetimeS * 1000 }
  }

  const unmap = async ({ protocol, internalPort }: PortRequest, until: AbortSignal): Promise<void> => {
    await ask(encodePmpMapRequest(protocol, internalPort, 0, 0), protocol, until, internalPort)
  }

  const found = await ask(encodePmpAddressRequest(), 'external-ip', signal)
  return isFault(found) ? found : { name: `NAT-PMP ${ip}`, localIp: found.localIp, externalIp, map, unmap }
}

/** Undefined for what answers something else. */
function answerTo(bytes: Uint8Array, about: PmpAnswer['about'], internalPort: number | undefined): PmpAnswer | Fault | undefined {
  const answer = decodePmp(bytes)
  if (isFault(answer)) return answer.fault === 'nat/bad-packet' ? undefined : answer
  if (answer.about !== about) return undefined
  return answer.about === 'external-ip' || answer.internalPort === internalPort ? answer : undefined
}
