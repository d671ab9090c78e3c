import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { AUTHORITATIVE_ANSWER, decode, encode, type Packet, TRUNCATED_RESPONSE } from 'dns-packet'

/** What a name is answered with: its records, or what goes wrong with it. `mute`: nothing. */
export type DnsAnswer = readonly string[] | 'servfail' | 'mute'

/** A query as it came. */
export interface DnsQuery {
  readonly name: string
  readonly over: 'udp' | 'tcp'
}

/** A DNS server on loopback, over UDP and TCP, that knows TXT records. */
export interface DnsServer extends AsyncDisposable {
  /** `127.0.0.1:port`, as resolvers take it. */
  readonly address: string
  /** Every query so far. */
  readonly queries: readonly DnsQuery[]
  /** Answers by name, in lower case as DNS compares them. Any other name does not exist. */
  readonly answers: Map<string, DnsAnswer>
  /** Adds a zone's records, one a name. */
  publish(zone: ReadonlyMap<string, string>): void
}

/** RFC 1035 § 2.3.4: an answer over UDP, where the query does not allow for more (RFC 6891 § 6.2.3). */
const UDP_SIZE_MAX_BYTES = 512

/** RFC 1035 § 3.3: a string of a TXT record. */
const STRING_MAX_BYTES = 255

const SERVFAIL = 2
const NXDOMAIN = 3

/** Starts a server. What does not fit into a packet is cut off, so that the client comes again over TCP. */
export async function dnsServer(...zones: readonly ReadonlyMap<string, string>[]): Promise<DnsServer> {
  const answers = new Map<string, DnsAnswer>()
  const queries: DnsQuery[] = []
  const respond = (query: Uint8Array, over: DnsQuery['over']): Buffer | undefined => {
    const packet = read(query)
    const name = packet?.questions?.[0]?.name
    if (packet === undefined || name === undefined) return undefined
    queries.push({ name, over })
    const answer = answers.get(name.toLowerCase())
    return answer === 'mute' ? undefined : response(packet, name, answer, over)
  }
  const { tcp, udp, port, sockets } = await listen(respond)
  const publish = (zone: ReadonlyMap<string, string>): void => {
    for (const [name, text] of zone) answers.set(name.toLowerCase(), [text])
  }
  zones.forEach(publish)
  return {
    address: `127.0.0.1:${port}`,
    answers,
    queries,
    publish,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      udp.close()
      tcp.close()
      await once(tcp, 'close')
    },
  }
}

type Respond = (query: Uint8Array, over: DnsQuery['over']) => Buffer | undefined

interface Listening {
  readonly tcp: Server
  readonly udp: UdpSocket
  readonly port: number
  readonly sockets: ReadonlySet<Socket>
}

/** Ports that are free for TCP may be taken for UDP: another one is tried then. */
async function listen(respond: Respond, tries = 10): Promise<Listening> {
  const sockets = new Set<Socket>()
  const tcp = createServer((socket) => {
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)))
    serve(socket, respond)
  }).listen(0, '127.0.0.1')
  await once(tcp, 'listening')
  const { port } = tcp.address() as AddressInfo
  const udp = createSocket('udp4', (query, from) => {
    const answer = respond(query, 'udp')
    if (answer !== undefined) udp.send(answer, from.port, from.address)
  })
  udp.bind(port, '127.0.0.1')
  try {
    await once(udp, 'listening')
  } catch (error) {
    tcp.close()
    if (tries === 1) throw error
    return await listen(respond, tries - 1)
  }
  return { tcp, udp, port, sockets }
}

/** RFC 1035 § 4.2.2: two bytes of length before each message. */
function serve(socket: Socket, respond: Respond): void {
  let pending = Buffer.alloc(0)
  socket.on('data', (chunk: Uint8Array) => {
    pending = Buffer.concat([pending, chunk])
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE()) {
      const end = 2 + pending.readUInt16BE()
      const answer = respond(pending.subarray(2, end), 'tcp')
      pending = pending.subarray(end)
      if (answer !== undefined) socket.write(Buffer.concat([Buffer.of(answer.length >> 8, answer.length & 0xff), answer]))
    }
  })
}

function response(query: Packet, name: string, answer: DnsAnswer | undefined, over: DnsQuery['over']): Buffer {
  const head = { type: 'response', id: query.id ?? 0, questions: query.questions ?? [] } as const
  if (answer === undefined || typeof answer === 'string') {
    return encode({ ...head, flags: AUTHORITATIVE_ANSWER | (answer === undefined ? NXDOMAIN : SERVFAIL) })
  }
  const answers = answer.map((text) => ({ type: 'TXT', name, ttl: 1, data: stringsOf(text) }) as const)
  const whole = encode({ ...head, flags: AUTHORITATIVE_ANSWER, answers })
  const isTooLong = over === 'udp' && whole.length > udpSizeOf(query)
  return isTooLong ? encode({ ...head, flags: AUTHORITATIVE_ANSWER | TRUNCATED_RESPONSE }) : whole
}

/** What the query allows for. */
function udpSizeOf({ additionals = [] }: Packet): number {
  const options = additionals.find((record) => record.type === 'OPT')
  return Math.max(UDP_SIZE_MAX_BYTES, options?.udpPayloadSize ?? 0)
}

function stringsOf(text: string): Buffer[] {
  const bytes = Buffer.from(text)
  const count = Math.max(1, Math.ceil(bytes.length / STRING_MAX_BYTES))
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * STRING_MAX_BYTES, (i + 1) * STRING_MAX_BYTES))
}

function read(bytes: Uint8Array): Packet | undefined {
  try {
    return decode(Buffer.from(bytes))
  } catch {
    return undefined
  }
}
