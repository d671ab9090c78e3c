import { type Clock, type Fault, isFault, raceAbort } from '@kumiko/interface'
import { exchange } from './exchange.ts'
import type { Gateway } from './gateway.ts'
import type { StunServer } from './method.ts'
import { decodeStun, encodeStunRequest, TRANSACTION_BYTES } from './stun.ts'
import type { Surroundings } from './surroundings.ts'

/** Asked in this order where none is named. */
const PUBLIC_SERVERS: readonly StunServer[] = [
  { host: 'stun.l.google.com', port: 19_302 },
  { host: 'stun.cloudflare.com', port: 3478 },
  { host: 'stun.nextcloud.com', port: 3478 },
]

/** How long an address holds until it is asked for again. */
const ADDRESS_MS = 1_200_000

/** Our address as STUN servers see it. Ports are taken for the same outside as inside. RFC 8489 */
export function stunGateway(clock: Clock, surroundings: Surroundings, server: StunServer | undefined): Gateway {
  const servers = server === undefined ? PUBLIC_SERVERS : [server]
  return {
    name: `STUN ${server === undefined ? 'of public servers' : server.host}`,
    localIp: undefined,
    async externalIp(signal) {
      let last: string | Fault = { fault: 'nat/no-answer' }
      for (const each of servers) {
        last = await askOne(clock, surroundings, each, signal)
        if (!isFault(last)) return last
      }
      return last
    },
    map: async ({ internalPort }) => ({ externalPort: internalPort, lifetimeMs: ADDRESS_MS }),
    unmap: async () => {},
  }
}

async function askOne(clock: Clock, surroundings: Surroundings, { host, port }: StunServer, signal: AbortSignal): Promise<string | Fault> {
  const [ip] = await raceAbort(
    surroundings.resolve(host).catch(() => []),
    signal,
  )
  if (ip === undefined) return { fault: 'nat/unreachable', detail: `STUN: ${host} has no address` }
  const transaction = surroundings.randomBytes(TRANSACTION_BYTES)
  const request = encodeStunRequest(transaction)
  const read = (bytes: Uint8Array) => {
    const answer = decodeStun(bytes, transaction)
    return isFault(answer) && answer.fault === 'nat/bad-packet' ? undefined : answer
  }
  const told = await exchange(clock, { to: { ip, port }, request: () => request, read }, signal)
  return isFault(told) ? told : told.answer.ip
}
