import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { normalIp } from '@kumiko/identity'
import type { Cancel, Clock, IpFamily, Millis, UdpEndpoint } from '@kumiko/interface'

/** Sends whose end has not been told: at most so many wait, and so many bytes. */
export const WAITING_MAX = 4096
export const WAITING_BYTES_MAX: number = 4 * 1024 * 1024

/** Asked for; the system may give less (on Linux, `net.core.rmem_max`). */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024

/** Error codes counted by name; beyond, they are counted as `other`. */
const CODES_MAX = 64

/** A socket that broke is bound anew after this long, and twice as long each time it fails again, up to the second. */
const REBIND_MS: Millis = 100
const REBIND_MAX_MS: Millis = 30_000

/** What is counted, of both families together. */
export interface UdpCounters {
  received: number
  sent: number
  dropped: number
  rebinds: number
  readonly errors: Map<string, number>
}

/** What a {@link FamilySocket} is made of. */
export interface FamilySocketInit {
  readonly family: IpFamily
  /** An address of this machine, or the unspecified one. */
  readonly host: string
  readonly clock: Clock
  readonly counters: UdpCounters
  /** Must not throw. */
  readonly onPacket: (packet: Uint8Array, from: UdpEndpoint) => void
}

/** A socket of one IP family, which comes back when it breaks. */
export class FamilySocket {
  readonly #init: FamilySocketInit
  #socket: Socket | undefined
  #local: UdpEndpoint | undefined
  #isClosed = false
  #cancelRebind: Cancel = () => {}
  #rebindMs = REBIND_MS
  #rebinding: Promise<void> = Promise.resolve()
  #waiting = 0
  #waitingBytes = 0

  constructor(init: FamilySocketInit) {
    this.#init = init
  }

  get family(): IpFamily {
    return this.#init.family
  }

  /** Where it was bound last; undefined before {@link bind}. */
  get local(): UdpEndpoint | undefined {
    return this.#local
  }

  /** Sends whose end has not been told. */
  get waiting(): number {
    return this.#waiting
  }

  /**
   * @param port - 0: any that is free.
   * @returns The port.
   * @throws The system's error.
   */
  async bind(port: number): Promise<number> {
    const { family, host } = this.#init
    const socket = createSocket({
      type: family === 4 ? 'udp4' : 'udp6',
      ipv6Only: family === 6,
      // Addresses only: dgram would put each through a resolver, a turn of the event loop later.
      lookup: (address, _, callback) => callback(null, address, family),
    })
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind({ port, address: host, exclusive: true }, resolve)
    }).catch(async (error: unknown) => {
      await close(socket)
      throw error
    })
    socket.removeAllListeners('error')
    enlarge(socket)
    socket.on('message', (bytes, from) => this.#take(bytes, from))
    socket.on('error', (error) => this.#broke(socket, error))
    socket.on('close', () => this.#broke(socket, undefined))
    this.#socket = socket
    this.#local = { ip: host, port: socket.address().port }
    return this.#local.port
  }

  /** @returns False where it was dropped at once. */
  send(packet: Uint8Array, to: UdpEndpoint): boolean {
    const size = packet.length
    if (this.#socket === undefined || this.#waiting >= WAITING_MAX || this.#waitingBytes + size > WAITING_BYTES_MAX) return this.#drop()
    try {
      this.#socket.send(packet, to.port, to.ip, (error) => {
        this.#waiting -= 1
        this.#waitingBytes -= size
        if (error === null) this.#init.counters.sent += 1
        else this.#count(error)
      })
    } catch (error) {
      this.#count(error)
      return this.#drop()
    }
    this.#waiting += 1
    this.#waitingBytes += size
    return true
  }

  /** Idempotent. Resolves when the port is free. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelRebind()
    await this.#rebinding
    const socket = this.#socket
    this.#socket = undefined
    if (socket !== undefined) await close(socket)
  }

  #take(bytes: Uint8Array, from: RemoteInfo): void {
    this.#init.counters.received += 1
    // Nobody can be answered there, and nobody is asked to.
    if (from.port === 0) return
    // A plain array: `slice` of a Buffer would share its memory.
    const packet = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#init.onPacket(packet, { ip: from.family === 'IPv4' ? from.address : canonical(from.address), port: from.port })
  }

  #drop(): false {
    this.#init.counters.dropped += 1
    return false
  }

  #broke(socket: Socket, error: unknown): void {
    if (error !== undefined) this.#count(error)
    if (this.#socket !== socket) return
    this.#socket = undefined
    void close(socket)
    this.#rebindLater()
  }

  #rebindLater(): void {
    if (this.#isClosed) return
    const { clock } = this.#init
    this.#cancelRebind = clock.at(clock.now() + this.#rebindMs, () => {
      this.#rebinding = this.#rebind()
    })
    this.#rebindMs = Math.min(this.#rebindMs * 2, REBIND_MAX_MS)
  }

  async #rebind(): Promise<void> {
    try {
      await this.bind(this.#local?.port ?? 0)
      this.#rebindMs = REBIND_MS
      this.#init.counters.rebinds += 1
    } catch (error) {
      this.#count(error)
      this.#rebindLater()
    }
  }

  #count(error: unknown): void {
    const { errors } = this.#init.counters
    const code = codeOf(error)
    const key = errors.has(code) || errors.size < CODES_MAX ? code : 'other'
    errors.set(key, (errors.get(key) ?? 0) + 1)
  }
}

/** `EADDRINUSE`, or `unknown`. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown'
}

/** As large as the system allows, halving from what is wanted: some systems refuse what Linux cuts down. */
function enlarge(socket: Socket): void {
  for (let bytes = RECEIVE_BUFFER_BYTES; bytes >= 256 * 1024; bytes /= 2) {
    try {
      socket.setRecvBufferSize(bytes)
      return
    } catch {
      // The next is smaller; the system's own size is good enough where none is taken.
    }
  }
}

async function close(socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    try {
      socket.close(resolve)
    } catch {
      // It is closed.
      resolve()
    }
  })
}

/** Without a zone, and IPv4-mapped as IPv4. */
function canonical(ip6: string): string {
  const ip = ip6.includes('%') ? ip6.slice(0, ip6.indexOf('%')) : ip6
  return ip.includes('.') ? (normalIp(ip) ?? ip) : ip
}
