import { BoundedMap, type Cancel, type Clock, type Fault, isFault, type Millis, type RandomBytes } from '@kumiko/interface'
import type { Logger } from '@libp2p/interface'
import { type Announcement, isPublic, type PublicPort } from './announcement.ts'
import type { Gateway, Mapping, PortRequest } from './gateway.ts'
import { NONCE_BYTES } from './pcp.ts'
import { type OwnPort, PORTS_MAX, portsAt } from './ports.ts'

/** Mappings are renewed at half their life, and at least so often: a router that started anew has forgotten them, or has another address. */
const ROUND_MAX_MS: Millis = 600_000
/** However short a life the gateway gives. */
const ROUND_MIN_MS: Millis = 30_000
/** After a failure, and twice as long after each that follows. */
const RETRY_MS: Millis = 30_000
const RETRY_MAX_MS: Millis = 1_800_000
/** Listeners come and go together: that is waited for. */
const SETTLE_MS: Millis = 100
/** For all of a round. */
const PATIENCE_MS: Millis = 30_000
/** To remove all mappings at the end. */
const FAREWELL_MS: Millis = 3000

/** What keeps mappings up. */
export interface UpkeepInit {
  readonly clock: Clock
  readonly log: Logger
  readonly randomBytes: RandomBytes
  readonly announcement: Pick<Announcement, 'tell'>
  /** The user's word: it is told whatever it is, at once, and also where nothing is mapped. */
  readonly knownIp: string | undefined
  /** What is to be mapped now. */
  ports(): readonly OwnPort[]
  /** @throws The signal's reason. */
  find(signal: AbortSignal): Promise<Gateway | Fault>
}

/** A mapping that was asked for, and what came of it. */
interface Asked {
  readonly gateway: Gateway
  readonly request: PortRequest
  /** Undefined while nothing is known of it. */
  readonly mapping: Mapping | undefined
  /** When it ends if it is not renewed. */
  readonly endsAt: Millis
}

/**
 * When the next round is due: at half of what still holds, and sooner after failures.
 *
 * @param holdsMs - How long the mappings hold, the first to end; `Infinity` where none ends.
 * @param failures - In a row.
 */
export function nextRoundMs(holdsMs: Millis, failures: number): Millis {
  const retryMs = failures === 0 ? Number.POSITIVE_INFINITY : Math.min(RETRY_MS * 2 ** (failures - 1), RETRY_MAX_MS)
  const renewMs = holdsMs === Number.POSITIVE_INFINITY ? holdsMs : Math.max(ROUND_MIN_MS, Math.min(holdsMs / 2, ROUND_MAX_MS))
  return Math.min(retryMs, renewMs)
}

/** Finds the gateway, maps what is to be mapped, and does so again before it ends, and whenever the ports change. */
export class Upkeep {
  readonly #init: UpkeepInit
  readonly #controller = new AbortController()
  /** At most as many as ports; keyed by protocol and port inside. */
  readonly #asked = new Map<string, Asked>()
  /** The secrets of PCP mappings, kept for as long as we run; the oldest are forgotten. */
  readonly #nonces = new BoundedMap<string, Uint8Array>(4 * PORTS_MAX)
  #gateway: Gateway | undefined
  #externalIp: string | undefined
  #fault: Fault | undefined
  #failures = 0
  #cancelNext: Cancel = () => {}
  #running: Promise<void> | undefined
  #isDueAgain = false

  constructor(init: UpkeepInit) {
    this.#init = init
    this.#externalIp = init.knownIp
  }

  /** What the last round came to. */
  get state(): {
    readonly gateway: string | undefined
    readonly externalIp: string | undefined
    readonly ports: readonly PublicPort[]
    readonly fault: Fault | undefined
  } {
    return { gateway: this.#gateway?.name, externalIp: this.#externalIp, ports: this.#publicPorts(), fault: this.#fault }
  }

  /** The ports may have changed. Also begins it all. */
  changed(): void {
    if (this.#controller.signal.aborted) return
    if (this.#externalIp !== undefined) this.#tell()
    if (this.#running === undefined) this.#schedule(SETTLE_MS)
    else this.#isDueAgain = true
  }

  /** Removes what was mapped, as far as the gateway lets us within 3 s, and takes back what was told. */
  async stop(): Promise<void> {
    this.#controller.abort(new Error('the node stops'))
    this.#cancelNext()
    await this.#running
    await this.#within(FAREWELL_MS, new AbortController(), async (signal) => {
      await Promise.all([...this.#asked.keys()].map((key) => this.#remove(key, signal)))
    })
    this.#asked.clear()
    this.#externalIp = undefined
    this.#init.announcement.tell(undefined, [])
  }

  #schedule(afterMs: Millis): void {
    this.#cancelNext()
    const { clock } = this.#init
    this.#cancelNext = clock.at(clock.now() + afterMs, () => {
      this.#running = this.#runRound()
    })
  }

  async #runRound(): Promise<void> {
    this.#isDueAgain = false
    const fault = await this.#round()
    this.#running = undefined
    if (this.#controller.signal.aborted) return
    this.#note(fault)
    this.#tell()
    this.#schedule(this.#isDueAgain ? SETTLE_MS : nextRoundMs(this.#holdsMs(), this.#failures))
  }

  /** Never rejects. @returns Why not all that should be is mapped. */
  async #round(): Promise<Fault | undefined> {
    const controller = new AbortController()
    const abort = (): void => controller.abort(this.#controller.signal.reason)
    this.#controller.signal.addEventListener('abort', abort, { once: true })
    try {
      return await this.#within(PATIENCE_MS, controller, (signal) => this.#mapAll(signal))
    } finally {
      this.#controller.signal.removeEventListener('abort', abort)
    }
  }

  async #mapAll(signal: AbortSignal): Promise<Fault | undefined> {
    if (this.#init.ports().length === 0 && this.#init.knownIp === undefined) {
      await this.#keepOnly([], signal)
      this.#externalIp = undefined
      return undefined
    }
    const gateway = this.#gateway ?? (await this.#init.find(signal))
    if (isFault(gateway)) return gateway
    this.#gateway = gateway
    const externalIp = await gateway.externalIp(signal)
    if (isFault(externalIp)) return externalIp
    if (externalIp !== undefined) this.#externalIp = externalIp
    const ports = portsAt(this.#init.ports(), gateway.localIp)
    await this.#keepOnly(ports, signal)
    return await this.#mapEach(gateway, ports, signal)
  }

  async #mapEach(gateway: Gateway, ports: readonly OwnPort[], signal: AbortSignal): Promise<Fault | undefined> {
    let fault: Fault | undefined
    for (const port of new Map(ports.map((each) => [keyOf(each), each])).values())
      fault = (await this.#mapOne(gateway, port, signal)) ?? fault
    return fault
  }

  async #mapOne(gateway: Gateway, port: OwnPort, signal: AbortSignal): Promise<Fault | undefined> {
    const key = keyOf(port)
    const before = this.#asked.get(key)
    const request = before?.request ?? {
      protocol: port.protocol,
      internalPort: port.port,
      externalPort: port.port,
      nonce: this.#nonceOf(key),
    }
    // Noted before it is asked for: an answer that is lost may have mapped it all the same, and it is removed at the end.
    const asked: Asked = { mapping: undefined, endsAt: Number.POSITIVE_INFINITY, ...before, gateway, request }
    this.#asked.set(key, asked)
    const mapping = await gateway.map(request, signal)
    if (isFault(mapping)) return mapping
    const { externalIp, externalPort, lifetimeMs } = mapping
    if (lifetimeMs <= 0) return { fault: 'nat/bad-answer', detail: `${gateway.name}: the mapping ends at once` }
    this.#asked.set(key, { gateway, mapping, request: { ...request, externalPort }, endsAt: this.#init.clock.now() + lifetimeMs })
    if (externalIp !== undefined) this.#externalIp = externalIp
    return undefined
  }

  /** Removes mappings of ports that are not listened on any more. */
  async #keepOnly(ports: readonly OwnPort[], signal: AbortSignal): Promise<void> {
    const keys = new Set(ports.map(keyOf))
    for (const key of [...this.#asked.keys()]) if (!keys.has(key)) await this.#remove(key, signal)
  }

  async #remove(key: string, signal: AbortSignal): Promise<void> {
    const asked = this.#asked.get(key)
    this.#asked.delete(key)
    await asked?.gateway.unmap(asked.request, signal)
  }

  /** A gateway that fails is looked for anew; mappings hold until they end. */
  #note(fault: Fault | undefined): void {
    const { clock, log, knownIp } = this.#init
    for (const [key, { endsAt }] of this.#asked) if (endsAt <= clock.now()) this.#asked.delete(key)
    const isNews = this.#fault?.fault !== fault?.fault || this.#fault?.detail !== fault?.detail
    this.#fault = fault
    this.#failures = fault === undefined ? 0 : this.#failures + 1
    if (fault !== undefined) this.#gateway = undefined
    if (fault !== undefined && this.#publicPorts().length === 0) this.#externalIp = knownIp
    if (isNews && fault === undefined) log('mapping works again, by %s', this.#gateway?.name)
    else if (isNews) log.error('not every port is mapped: %s %s', fault?.fault, fault?.detail ?? '')
  }

  /** How long what is mapped holds. */
  #holdsMs(): Millis {
    const now = this.#init.clock.now()
    return Math.min(...[...this.#asked.values()].map(({ endsAt }) => endsAt - now))
  }

  #tell(): void {
    const { announcement, knownIp, log } = this.#init
    const ip = this.#externalIp
    const isOfUse = ip !== undefined && (ip === knownIp || isPublic(ip))
    if (ip !== undefined && !isOfUse)
      log('our address %s, as %s tells it, is behind another NAT: nobody is told of it', ip, this.#gateway?.name)
    announcement.tell(isOfUse ? ip : undefined, isOfUse ? this.#publicPorts() : [])
  }

  /** Mappings that hold, of ports that are still listened on. */
  #publicPorts(): PublicPort[] {
    const now = this.#init.clock.now()
    const ip = this.#externalIp
    return this.#init.ports().flatMap((port): PublicPort[] => {
      const { mapping, endsAt = 0 } = this.#asked.get(keyOf(port)) ?? {}
      if (mapping === undefined || endsAt <= now || ip === undefined) return []
      return [{ ...port, externalIp: mapping.externalIp ?? ip, externalPort: mapping.externalPort, lifetimeMs: endsAt - now }]
    })
  }

  #nonceOf(key: string): Uint8Array {
    const nonce = this.#nonces.get(key) ?? this.#init.randomBytes(NONCE_BYTES)
    this.#nonces.set(key, nonce)
    return nonce
  }

  /** Never rejects. @returns `nat/no-answer` where the time was too short. */
  async #within<T>(durationMs: Millis, controller: AbortController, run: (signal: AbortSignal) => Promise<T>): Promise<T | Fault> {
    const { clock, log } = this.#init
    const cancel = clock.at(clock.now() + durationMs, () => controller.abort(new Error('out of time')))
    try {
      return await run(controller.signal)
    } catch (error) {
      if (!controller.signal.aborted) log.error('a defect in port mapping - %e', error)
      return { fault: 'nat/no-answer', detail: String(error).slice(0, 200) }
    } finally {
      cancel()
    }
  }
}

function keyOf({ protocol, port }: OwnPort): string {
  return `${protocol} ${port}`
}
