import { createSocket, type Socket } from 'node:dgram'
import { normalIp } from '@kumiko/identity'
import { type Cancel, type Clock, type Fault, isFault, type Millis } from '@kumiko/interface'
import { type Gateway, LEASE_S, type Mapping, type PortRequest } from './gateway.ts'
import { http } from './http.ts'
import {
  type CallRefusal,
  decodeSearchAnswer,
  encodeCall,
  encodeSearch,
  GATEWAY_TYPES,
  type MappingService,
  readAnswer,
  readDescription,
  textOf,
} from './igd.ts'
import type { Surroundings } from './surroundings.ts'

/** The search is sent at once and again; then answers are waited for. */
const SEARCHES_MS: readonly Millis[] = [0, 700]
const SEARCH_END_MS: Millis = 3000
/** Descriptions that are read in one search. */
const LOCATIONS_MAX = 8
/** Other ports that are tried where the wanted one is taken. */
const OTHER_PORTS = 5

/** Errors of UPnP. WANIPConnection:2 § 2.5.16 */
const CONFLICT = 718
const PERMANENT_ONLY = 725

/** Searches for a UPnP gateway on all interfaces; the first that tells an external address is taken. */
export async function findUpnp(clock: Clock, surroundings: Surroundings, signal: AbortSignal): Promise<Gateway | Fault> {
  signal.throwIfAborted()
  const search = new Search(clock, surroundings, signal)
  try {
    return await search.result
  } finally {
    search.end()
  }
}

class Search {
  readonly #clock: Clock
  readonly #surroundings: Surroundings
  readonly #done = Promise.withResolvers<Gateway | Fault>()
  /** Ends what is being read when the search ends. */
  readonly #controller = new AbortController()
  readonly #sockets: readonly Socket[]
  readonly #cancels: readonly Cancel[]
  readonly #locations = new Set<string>()
  readonly #abort: () => void
  readonly #signal: AbortSignal
  #last: Fault = { fault: 'nat/no-answer', detail: 'UPnP: no gateway answered' }
  #reading = 0
  #isOver = false

  constructor(clock: Clock, surroundings: Surroundings, signal: AbortSignal) {
    this.#clock = clock
    this.#surroundings = surroundings
    this.#signal = signal
    this.#abort = () => this.#done.reject(signal.reason)
    signal.addEventListener('abort', this.#abort, { once: true })
    this.#sockets = surroundings.interfaces().map((ip) => this.#open(ip))
    this.#cancels = [
      ...SEARCHES_MS.map((afterMs) => clock.at(clock.now() + afterMs, () => this.#send())),
      clock.at(clock.now() + SEARCH_END_MS, () => this.#enough()),
    ]
  }

  get result(): Promise<Gateway | Fault> {
    return this.#done.promise
  }

  end(): void {
    for (const cancel of this.#cancels) cancel()
    for (const socket of this.#sockets) socket.close()
    this.#signal.removeEventListener('abort', this.#abort)
    this.#controller.abort(new Error('the search is over'))
  }

  #open(ip: string): Socket {
    const socket = createSocket('udp4')
    // An interface that cannot be searched is no reason to give up on the others.
    socket.on('error', () => {})
    socket.on('message', (bytes, from) => this.#heard(new Uint8Array(bytes), from.address))
    socket.bind(0, ip, () => {
      try {
        socket.setMulticastInterface(ip)
        socket.setMulticastTTL(2)
      } catch {
        // It may lack multicast, and is not searched then.
      }
    })
    return socket
  }

  #send(): void {
    const { ssdp } = this.#surroundings
    for (const socket of this.#sockets)
      for (const type of GATEWAY_TYPES) socket.send(encodeSearch(type, ssdp), ssdp.port, ssdp.ip, () => {})
  }

  #heard(bytes: Uint8Array, from: string): void {
    const location = decodeSearchAnswer(bytes, from)
    if (isFault(location) || this.#locations.has(location.href) || this.#locations.size >= LOCATIONS_MAX) return
    this.#locations.add(location.href)
    this.#reading += 1
    void this.#read(location)
  }

  async #read(location: URL): Promise<void> {
    const found = await gatewayAt(this.#clock, location, this.#surroundings, this.#controller.signal).catch(
      (): Fault => ({ fault: 'nat/no-answer' }),
    )
    this.#reading -= 1
    if (!isFault(found)) return this.#done.resolve(found)
    this.#last = found
    if (this.#isOver) this.#enough()
  }

  /** Those who have answered are waited for. */
  #enough(): void {
    this.#isOver = true
    if (this.#reading === 0) this.#done.resolve(this.#last)
  }
}

/** @returns The gateway whose service tells an external address. */
async function gatewayAt(clock: Clock, location: URL, { randomBytes }: Surroundings, signal: AbortSignal): Promise<Gateway | Fault> {
  const page = await http(clock, location, signal)
  if (isFault(page)) return page
  if (page.status !== 200) return { fault: 'nat/bad-answer', detail: `${location.host}: HTTP ${page.status}` }
  const services = readDescription(page.text, location)
  if (isFault(services)) return services
  let last: Fault = { fault: 'nat/no-answer' }
  for (const service of services) {
    const gateway = new UpnpGateway(clock, service, page.localIp, randomBytes)
    const ip = await gateway.externalIp(signal)
    if (!isFault(ip)) return gateway
    last = ip
  }
  return last
}

class UpnpGateway implements Gateway {
  readonly name: string
  readonly localIp: string
  readonly #clock: Clock
  readonly #service: MappingService
  readonly #randomBytes: Surroundings['randomBytes']

  constructor(clock: Clock, service: MappingService, localIp: string, randomBytes: Surroundings['randomBytes']) {
    this.name = `UPnP ${service.controlUrl.host}`
    this.localIp = localIp
    this.#clock = clock
    this.#service = service
    this.#randomBytes = randomBytes
  }

  async externalIp(signal: AbortSignal): Promise<string | Fault> {
    const answer = await this.#call('GetExternalIPAddress', {}, signal)
    if (typeof answer !== 'string') return answer
    const ip = normalIp(textOf(answer, 'NewExternalIPAddress') ?? '')
    return ip === undefined || ip === '0.0.0.0' ? { fault: 'nat/bad-answer', detail: `${this.name} has no external address` } : ip
  }

  /** A port that is taken is replaced by the gateway's choice, or by chance where it leaves that to us. */
  async map(request: PortRequest, signal: AbortSignal): Promise<Mapping | Fault> {
    let result = await this.#add(request, request.externalPort, signal)
    if (!isConflict(result)) return result
    if (this.#service.type.endsWith(':WANIPConnection:2')) return await this.#addAny(request, signal)
    for (let i = 0; i < OTHER_PORTS && isConflict(result); i++) {
      const [high = 0, low = 0] = this.#randomBytes(2)
      result = await this.#add(request, 10_000 + (((high << 8) | low) % 50_000), signal)
    }
    return result
  }

  async unmap({ externalPort, protocol }: PortRequest, signal: AbortSignal): Promise<void> {
    const parameters = { NewRemoteHost: '', NewExternalPort: externalPort, NewProtocol: protocol.toUpperCase() }
    await this.#call('DeletePortMapping', parameters, signal)
  }

  async #add(request: PortRequest, externalPort: number, signal: AbortSignal): Promise<Mapping | Fault> {
    let answer = await this.#call('AddPortMapping', this.#parameters(request, externalPort, LEASE_S), signal)
    if (typeof answer !== 'string' && 'code' in answer && answer.code === PERMANENT_ONLY) {
      answer = await this.#call('AddPortMapping', this.#parameters(request, externalPort, 0), signal)
    }
    return typeof answer === 'string' ? { externalPort, lifetimeMs: LEASE_S * 1000 } : answer
  }

  async #addAny(request: PortRequest, signal: AbortSignal): Promise<Mapping | Fault> {
    const answer = await this.#call('AddAnyPortMapping', this.#parameters(request, request.externalPort, LEASE_S), signal)
    if (typeof answer !== 'string') return answer
    const port = Number(textOf(answer, 'NewReservedPort'))
    if (!Number.isInteger(port) || port < 1 || port > 65_535) return { fault: 'nat/bad-answer', detail: `${this.name}: no port was given` }
    return { externalPort: port, lifetimeMs: LEASE_S * 1000 }
  }

  #parameters({ protocol, internalPort }: PortRequest, externalPort: number, leaseS: number): Record<string, string | number> {
    return {
      NewRemoteHost: '',
      NewExternalPort: externalPort,
      NewProtocol: protocol.toUpperCase(),
      NewInternalPort: internalPort,
      NewInternalClient: this.localIp,
      NewEnabled: 1,
      NewPortMappingDescription: `kumiko ${protocol} ${internalPort}`,
      NewLeaseDuration: leaseS,
    }
  }

  /** @returns The answer's XML. */
  async #call(
    action: string,
    parameters: Readonly<Record<string, string | number>>,
    signal: AbortSignal,
  ): Promise<string | CallRefusal | Fault> {
    const { type, controlUrl } = this.#service
    const headers = { 'Content-Type': 'text/xml; charset="utf-8"', SOAPAction: `"${type}#${action}"` }
    const answer = await http(this.#clock, controlUrl, signal, { headers, body: encodeCall(type, action, parameters) })
    return isFault(answer) ? answer : readAnswer(answer.text, answer.status, action)
  }
}

function isConflict(result: Mapping | Fault): boolean {
  return 'code' in result && result.code === CONFLICT
}
