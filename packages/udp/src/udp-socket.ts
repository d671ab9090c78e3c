import { isIPv4, isIPv6 } from 'node:net'
import { normalIp } from '@kumiko/identity'
import {
  type Clock,
  checkOptionNames,
  type IpFamily,
  KumikoError,
  type PacketReceiver,
  systemClock,
  type UdpEndpoint,
  type UdpPort,
  type UdpSocket,
} from '@kumiko/interface'
import { codeOf, FamilySocket, type UdpCounters } from './family-socket.ts'

/** Options of {@link udpSocket}. */
export interface UdpSocketOptions {
  /** 0–65535, the same in both families. 0: any that is free in both. */
  readonly port: number
  /**
   * Addresses of this machine, at most one of each family. Default: all addresses of both families (`0.0.0.0` and `::`). A family that the
   * machine does not have is passed over where the other one can be bound.
   */
  readonly hosts?: readonly string[]
  /** When a socket that broke is bound anew. Default: the system's. */
  readonly clock?: Clock
  /** Told of what a receiver threw. Must not throw. Default: it is only counted. */
  readonly onError?: (error: unknown) => void
}

/** A UDP socket at a glance. Counts are since it was made. */
export interface UdpStatus {
  /** Where it is bound: an entry for each family. */
  readonly local: readonly UdpEndpoint[]
  readonly received: number
  /** Received, and a receiver's. */
  readonly claimed: number
  /** Received, and nobody's. */
  readonly unclaimed: number
  /** What receivers threw. */
  readonly receiverErrors: number
  /** Handed to the system. */
  readonly sent: number
  /** Not even tried: too many waited, the family is not served, or the endpoint is none. */
  readonly dropped: number
  /** Sends under way. */
  readonly waiting: number
  /** How often a socket that broke came back. */
  readonly rebinds: number
  /** What the system refused, by its code (`EMSGSIZE`); at most 64 codes, others as `other`. */
  readonly errors: Readonly<Record<string, number>>
}

/** The {@link UdpSocket} of this machine. */
export interface MachineUdpSocket extends UdpSocket {
  /** Where it is bound in a family; undefined while it is not, or where it does not serve the family. */
  local(family: IpFamily): UdpEndpoint | undefined
  status(): UdpStatus
}

/** For port 0: how often a port that is free in one family may be taken in the other. */
const BIND_TRIES = 16

/** What systems say where they lack a family. */
const LACKING: ReadonlySet<string> = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EPROTONOSUPPORT', 'EINVAL'])

const OPTIONS: Readonly<Record<keyof UdpSocketOptions, true>> = { port: true, hosts: true, clock: true, onError: true }

/**
 * Makes a UDP socket for several protocols. It is bound while any of them has it open, and may be opened again later.
 *
 * @throws KumikoError `udp/bad-option`.
 */
export function udpSocket(options: UdpSocketOptions): MachineUdpSocket {
  checkOptionNames('udp/bad-option', 'udpSocket', options, OPTIONS)
  const { port, hosts = ['0.0.0.0', '::'], clock = systemClock, onError = () => {} } = options
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw badOption('port', port, 'a whole number within 0–65535')
  const isOnePerFamily = hosts.filter(isIPv4).length <= 1 && hosts.filter(isIPv6).length <= 1
  if (hosts.length === 0 || !isOnePerFamily || hosts.some((host) => normalIp(host) === undefined)) {
    throw badOption('hosts', hosts, 'an IP address, or one of each family')
  }
  return new SharedSocket({ port, hosts, clock, onError })
}

/** A protocol's place in the order. */
interface Share {
  readonly receiver: PacketReceiver
  /** False until `open` has told its caller, who then is ready for packets. */
  isOpen: boolean
}

class SharedSocket implements MachineUdpSocket {
  readonly #options: Required<UdpSocketOptions>
  readonly #counters: UdpCounters = { received: 0, sent: 0, dropped: 0, rebinds: 0, errors: new Map() }
  #claimed = 0
  #receiverErrors = 0
  /** In the order in which they came; replaced, never written to, so that receivers may open and close while packets are offered. */
  #shares: readonly Share[] = []
  /** While it is bound, or being bound. */
  #bound: Promise<void> | undefined
  #closing: Promise<unknown> = Promise.resolve()
  #sockets: readonly FamilySocket[] = []

  constructor(options: Required<UdpSocketOptions>) {
    this.#options = options
  }

  async open(receiver: PacketReceiver): Promise<UdpPort> {
    const share: Share = { receiver, isOpen: false }
    this.#shares = [...this.#shares, share]
    this.#bound ??= this.#bind()
    const bound = this.#bound
    try {
      await bound
    } catch (error) {
      this.#shares = this.#shares.filter((other) => other !== share)
      if (this.#bound === bound) this.#bound = undefined
      throw error
    }
    share.isOpen = true
    return {
      local: (family) => (share.isOpen ? this.local(family) : undefined),
      send: (packet, to) => share.isOpen && this.#send(packet, to),
      close: () => this.#close(share),
    }
  }

  local(family: IpFamily): UdpEndpoint | undefined {
    return this.#sockets.find((socket) => socket.family === family)?.local
  }

  status(): UdpStatus {
    const { received, sent, dropped, rebinds, errors } = this.#counters
    return {
      local: this.#sockets.flatMap(({ local }) => local ?? []),
      received,
      claimed: this.#claimed,
      unclaimed: received - this.#claimed,
      receiverErrors: this.#receiverErrors,
      sent,
      dropped,
      waiting: this.#sockets.reduce((sum, { waiting }) => sum + waiting, 0),
      rebinds,
      errors: Object.fromEntries(errors),
    }
  }

  #send(packet: Uint8Array, to: UdpEndpoint): boolean {
    const family = to.ip.includes(':') ? 6 : 4
    for (const socket of this.#sockets) if (socket.family === family) return socket.send(packet, to)
    this.#counters.dropped += 1
    return false
  }

  #offer(packet: Uint8Array, from: UdpEndpoint): void {
    for (const { receiver, isOpen } of this.#shares) {
      if (!isOpen) continue
      try {
        if (!receiver(packet, from)) continue
        this.#claimed += 1
        return
      } catch (error) {
        this.#receiverErrors += 1
        this.#options.onError(error)
      }
    }
  }

  async #close(share: Share): Promise<void> {
    if (share.isOpen) {
      share.isOpen = false
      this.#shares = this.#shares.filter((other) => other !== share)
      if (this.#shares.length === 0) this.#unbind()
    }
    await this.#closing
  }

  #unbind(): void {
    const sockets = this.#sockets
    this.#sockets = []
    this.#bound = undefined
    this.#closing = Promise.all(sockets.map((socket) => socket.close()))
  }

  /** @throws KumikoError `udp/listen-failed`. */
  async #bind(): Promise<void> {
    await this.#closing
    for (let tries = 1; ; tries++) {
      const bound: FamilySocket[] = []
      try {
        await this.#bindAll(bound)
        this.#sockets = bound
        return
      } catch (error) {
        await Promise.all(bound.map((socket) => socket.close()))
        const isClash = this.#options.port === 0 && bound.length > 0 && codeOf(error) === 'EADDRINUSE'
        if (!isClash || tries >= BIND_TRIES) throw this.#listenFailed(error)
      }
    }
  }

  /** @param bound - Is given each socket that was bound, also where a later one fails. */
  async #bindAll(bound: FamilySocket[]): Promise<void> {
    let { port } = this.#options
    let lacking: unknown
    for (const host of this.#options.hosts) {
      const socket = this.#socketAt(host)
      try {
        port = await socket.bind(port)
        bound.push(socket)
      } catch (error) {
        if (!isUnspecified(host) || !LACKING.has(codeOf(error))) throw error
        lacking = error
      }
    }
    if (bound.length === 0) throw lacking
  }

  #socketAt(host: string): FamilySocket {
    const { clock } = this.#options
    const family = isIPv4(host) ? 4 : 6
    return new FamilySocket({ family, host, clock, counters: this.#counters, onPacket: (packet, from) => this.#offer(packet, from) })
  }

  #listenFailed(cause: unknown): KumikoError {
    const { hosts, port } = this.#options
    const why = cause instanceof Error ? cause.message : String(cause)
    const where = `${hosts.join(' and ')}, port ${port}`
    return new KumikoError('udp/listen-failed', `could not listen for UDP on ${where}: ${why}; ${mendOf(codeOf(cause))}`, {
      cause,
      context: { hosts, port },
    })
  }
}

/** What a caller can do about a socket that could not be bound. */
function mendOf(code: string): string {
  if (LACKING.has(code)) return 'choose an address that this machine has'
  if (code === 'EACCES' || code === 'EPERM') return 'choose a port above 1023, or grant the right to bind it'
  return 'choose another port, or 0 for any'
}

function isUnspecified(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

function badOption(option: string, value: unknown, want: string): KumikoError {
  return new KumikoError('udp/bad-option', `udpSocket has ${option} ${JSON.stringify(value)}: want ${want}`, { context: { option, value } })
}
