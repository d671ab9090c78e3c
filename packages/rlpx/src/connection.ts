import { nodeIdOf } from '@kumiko/identity'
import {
  Alarm,
  type ByteStream,
  type Cancel,
  type Capability,
  type CapabilityId,
  type Clock,
  type DisconnectReason,
  type Fault,
  KumikoError,
  type Millis,
  type NodeId,
  type Peer,
  type Refusal,
  raceAbort,
  type TrafficMeter,
} from '@kumiko/interface'
import type { Abortable } from './abort.ts'
import { type ChannelLink, DEFAULT_QUEUE_BOUNDS, type QueueBounds, QueuedChannel } from './channel.ts'
import { Egress } from './egress.ts'
import type { Hello, SharedCapability } from './hello.ts'
import { Session, type SessionEnd, type SessionEvent, type SessionMessage, type SessionOptions } from './session.ts'

/** What a connection is set up with. */
export interface ConnectionOptions {
  readonly session: SessionOptions
  readonly clock: Clock
  /** Asked when the remote's identity is proven, and when its capabilities are known. A refusal is told to the remote. */
  readonly checkpoints?: Checkpoints
  readonly traffic?: TrafficMeter
  readonly queue?: QueueBounds
  /** How long the remote may take to read what we write. Default 20 s, as in go-ethereum. */
  readonly writeMs?: Millis
  /**
   * How many bytes may wait for the remote to read them; beyond, it is given up. Default 64 MiB: a capability that heeds what `send` returns
   * has one message waiting at most.
   */
  readonly writeBytesMax?: number
  /** Keep messages until {@link RlpxConnection.serve}: whoever sets the connection up further hears of it first. Default false. */
  readonly awaitServe?: boolean
  /** Told at once of the connection that begins, whatever becomes of it. */
  readonly onBegin?: (connection: RlpxConnection) => void
}

/** The two moments at which a connection may be refused. */
export interface Checkpoints {
  /** @param publicKey - 64 bytes. */
  encrypted(publicKey: Uint8Array): Refusal | undefined
  /** @param protocols - `/name/version` of each shared capability. */
  upgraded(protocols: readonly string[]): Refusal | undefined
}

/** A capability as both sides speak it on one connection. */
export interface CapabilityChannel {
  readonly capability: Capability
  readonly channel: QueuedChannel
}

const WRITE_MS = 20_000
const WRITE_BYTES_MAX = 1 << 26
/** How long a remote that was told why has to close, so that it reads the reason. */
const LINGER_MS = 2_000

/** Whom we are connected with, as far as that is known. */
interface Remote {
  /** 64 bytes. */
  readonly publicKey: Uint8Array
  readonly hello?: Hello
}

/** An open RLPx connection over a stream of bytes: the driver of a {@link Session}. */
export class RlpxConnection implements Peer, ChannelLink {
  readonly direction: 'inbound' | 'outbound'
  readonly remote: { readonly host: string; readonly port: number }
  /** Resolves when Hello was exchanged and both checkpoints passed; rejects with a KumikoError `rlpx/…` that tells what went wrong. */
  readonly ready: Promise<void>
  readonly #stream: ByteStream
  readonly #session: Session
  readonly #options: ConnectionOptions
  readonly #egress: Egress
  readonly #alarm: Alarm
  readonly #closed = Promise.withResolvers<void>()
  /** Until it is settled. */
  #setup: PromiseWithResolvers<void> | undefined
  #remote: Remote = { publicKey: new Uint8Array(64) }
  #channels: readonly CapabilityChannel[] = []
  /** What keeps the stream from being read: channels that are full, and a message that nobody is ready for. */
  #holds = 0
  /** A message that came before {@link serve}, where that is awaited. */
  #early: SessionMessage | undefined
  #isServed: boolean
  #end: SessionEnd | undefined
  #onEnd: ((end: SessionEnd) => void)[] = []
  #abort: AbortController | undefined
  /** Gives up waiting for a remote that was told why. */
  #lingering: Cancel | undefined

  /** Use {@link connectRlpx} or {@link acceptRlpx}. */
  constructor(stream: ByteStream, options: ConnectionOptions, remotePublicKey: Uint8Array | undefined) {
    const { clock, traffic, writeMs = WRITE_MS, writeBytesMax: bytesMax = WRITE_BYTES_MAX } = options
    this.#stream = stream
    this.#options = options
    this.#isServed = options.awaitServe !== true
    this.direction = remotePublicKey === undefined ? 'inbound' : 'outbound'
    this.remote = stream.remote
    this.#setup = Promise.withResolvers<void>()
    this.ready = this.#setup.promise
    // Whoever gave up before it was ready does not wait for it; that must not end the process.
    this.ready.catch(() => {})
    this.#session = new Session(options.session, remotePublicKey, clock.now())
    this.#egress = new Egress({
      session: this.#session,
      stream,
      clock,
      traffic,
      writeMs,
      bytesMax,
      onBehind: () => this.#arm(),
      onOverflow: () => this.#finish({ do: 'end', by: 'local', fault: { fault: 'rlpx/write-overflow' } }),
    })
    this.#alarm = new Alarm(clock, () => this.#expire())
    stream.handler = {
      onData: (chunk) => this.#read(chunk),
      onDrain: () => this.#egress.caughtUp(),
      onClose: (error) => this.#streamClosed(error),
    }
    options.onBegin?.(this)
    this.#egress.flush()
    this.#arm()
  }

  /** Resolves when the stream is closed; never rejects. */
  get closed(): Promise<void> {
    return this.#closed.promise
  }

  /** How it ended, or undefined while it is open. */
  get end(): SessionEnd | undefined {
    return this.#end
  }

  /** Calls back once when it ends; at once if it has. */
  onEnd(callback: (end: SessionEnd) => void): void {
    if (this.#end === undefined) this.#onEnd.push(callback)
    else callback(this.#end)
  }

  /** The shared capabilities, in the order of their names. */
  get channels(): readonly CapabilityChannel[] {
    return this.#channels
  }

  get nodeId(): NodeId {
    return nodeIdOf(this.#remote.publicKey)
  }

  get publicKey(): Uint8Array {
    return this.#options.session.curve.compress(this.#remote.publicKey)
  }

  get clientId(): string {
    return this.#remote.hello?.clientId ?? ''
  }

  get capabilities(): readonly CapabilityId[] {
    return this.#remote.hello?.capabilities ?? []
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      if (this.#end !== undefined) this.#abort.abort(closedError(this.#end))
    }
    return this.#abort.signal
  }

  /** Lets messages through, where the options said to await this. */
  serve(): void {
    this.#isServed = true
    const early = this.#early
    this.#early = undefined
    if (early === undefined) return
    this.#deliver(early)
    this.holds(false)
  }

  disconnect(reason: DisconnectReason): void {
    if (this.#end === undefined) this.#finish(this.#session.disconnect(reason))
  }

  /** Closes at once, telling nobody. */
  destroy(): void {
    if (this.#end === undefined) this.#finish({ do: 'end', by: 'local' })
    this.#stream.destroy()
  }

  send(index: number, code: number, payload: Uint8Array): boolean {
    if (this.#end !== undefined) return true
    this.#session.send(index, code, payload)
    const capability = this.#channels[index]?.capability
    if (capability !== undefined) this.#options.traffic?.message('sent', capability, code, payload.length)
    this.#egress.flushSoon()
    return !this.#egress.isBehind
  }

  async drain(options?: Abortable): Promise<void> {
    if (this.#end !== undefined) throw closedError(this.#end)
    await this.#egress.drain(options)
  }

  holds(isFull: boolean): void {
    this.#holds += isFull ? 1 : -1
    if (isFull && this.#holds === 1) this.#stream.pause()
    if (isFull || this.#holds > 0 || this.#end !== undefined) return
    this.#session.excuse(this.#options.clock.now())
    this.#stream.resume()
    process.nextTick(() => this.#pump())
  }

  #read(chunk: Uint8Array): void {
    if (this.#end !== undefined) return
    this.#options.traffic?.bytes('received', chunk.length)
    this.#session.push(chunk, this.#options.clock.now())
    this.#pump()
  }

  #pump(): void {
    const now = this.#options.clock.now()
    while (this.#holds === 0 && this.#end === undefined) {
      const event = this.#session.next(now)
      if (event === undefined) break
      this.#handle(event)
    }
    this.#egress.flushSoon()
  }

  #handle(event: SessionEvent): void {
    switch (event.do) {
      case 'message':
        this.#take(event)
        break
      case 'identified':
        this.#identified(event.publicKey)
        break
      case 'hello':
        this.#greeted(event.hello, event.shared)
        break
      case 'end':
        this.#finish(event)
    }
  }

  #identified(publicKey: Uint8Array): void {
    this.#remote = { publicKey }
    const refusal = this.#options.checkpoints?.encrypted(publicKey)
    if (refusal !== undefined) {
      this.#refuse(refusal)
      return
    }
    this.#session.greet()
    this.#egress.flush()
    this.#arm()
  }

  #greeted(hello: Hello, shared: readonly SharedCapability[]): void {
    this.#remote = { publicKey: this.#remote.publicKey, hello }
    const { checkpoints, queue = DEFAULT_QUEUE_BOUNDS } = this.#options
    this.#channels = shared.map(({ capability }, index) => ({ capability, channel: new QueuedChannel(capability, this, index, queue) }))
    const protocols = shared.map(({ capability }) => protocolOf(capability))
    const refusal = checkpoints?.upgraded(protocols) ?? (shared.length === 0 ? USELESS : undefined)
    if (refusal !== undefined) {
      this.#refuse(refusal)
      return
    }
    this.#arm()
    this.#setup?.resolve()
    this.#setup = undefined
  }

  #refuse({ reason, code, detail }: Refusal): void {
    this.#setup?.reject(new KumikoError(code, detail, { context: { reason } }))
    this.#setup = undefined
    this.#finish(this.#session.disconnect(reason))
  }

  #take(message: SessionMessage): void {
    if (this.#isServed) {
      this.#deliver(message)
      return
    }
    this.#early = message
    this.holds(true)
  }

  #deliver({ index, code, payload }: SessionMessage): void {
    const entry = this.#channels[index]
    if (entry === undefined) return
    this.#options.traffic?.message('received', entry.capability, code, payload.length)
    try {
      entry.channel.deliver(code, payload)
    } catch (cause) {
      this.#finish({ ...this.#session.disconnect('subprotocol-error'), fault: { fault: 'rlpx/handler-threw', detail: String(cause) } })
    }
  }

  #arm(): void {
    if (this.#end === undefined) this.#alarm.set(Math.min(this.#session.deadline, this.#egress.deadline))
  }

  #expire(): void {
    const now = this.#options.clock.now()
    if (this.#end !== undefined) return
    if (now >= this.#egress.deadline) {
      this.#finish({ do: 'end', by: 'local', fault: { fault: 'rlpx/write-timeout' } })
      return
    }
    if (this.#holds > 0) this.#session.excuse(now)
    const end = this.#session.expire(now)
    if (end !== undefined) this.#finish(end)
    this.#egress.flush()
    this.#arm()
  }

  #streamClosed(error: Error | undefined): void {
    const fault = error === undefined ? { fault: 'rlpx/closed' } : { fault: 'rlpx/closed', detail: error.message.slice(0, 200) }
    this.#finish({ do: 'end', by: 'remote', fault })
    this.#lingering?.()
    this.#closed.resolve()
  }

  /** Says what is left to be said, and closes: gently if the remote was told why, so that it reads that. */
  #finish(end: SessionEnd): void {
    if (this.#end !== undefined) return
    this.#egress.flush()
    this.#end = end
    this.#alarm.cancel()
    if (end.reason === undefined) this.#stream.destroy()
    else this.#linger()
    for (const { channel } of this.#channels) channel.close()
    this.#egress.fail(() => closedError(end))
    // An error costs more than all else here, and few wait for one.
    const waiting = this.#setup ?? this.#abort
    if (waiting !== undefined) this.#tellWaiters(closedError(end))
    const callbacks = this.#onEnd
    this.#onEnd = []
    for (const callback of callbacks) callback(end)
  }

  #linger(): void {
    const { clock } = this.#options
    this.#lingering = clock.at(clock.now() + LINGER_MS, () => this.#stream.destroy())
    if (this.#holds > 0) this.#stream.resume()
    this.#stream.end()
  }

  #tellWaiters(error: KumikoError): void {
    this.#setup?.reject(error)
    this.#setup = undefined
    this.#abort?.abort(error)
  }
}

/** Dials: shakes hands with, and says Hello to, the node that holds `remotePublicKey`. Resolves when messages may flow. */
export function connectRlpx(
  stream: ByteStream,
  remotePublicKey: Uint8Array,
  options: ConnectionOptions,
  signal?: AbortSignal,
): Promise<RlpxConnection> {
  return settle(new RlpxConnection(stream, options, remotePublicKey), signal)
}

/** The other side of {@link connectRlpx}. */
export function acceptRlpx(stream: ByteStream, options: ConnectionOptions, signal?: AbortSignal): Promise<RlpxConnection> {
  return settle(new RlpxConnection(stream, options, undefined), signal)
}

async function settle(connection: RlpxConnection, signal: AbortSignal | undefined): Promise<RlpxConnection> {
  try {
    await raceAbort(connection.ready, signal)
    // A Disconnect may come right behind Hello: it tells why, which a connection that is closed already would not.
    if (connection.end !== undefined) throw closedError(connection.end)
    return connection
  } catch (error) {
    if (connection.end === undefined) connection.destroy()
    throw error
  }
}

/** The libp2p protocol id of a capability: `/eth/69`. */
export function protocolOf({ name, version }: CapabilityId): string {
  return `/${name}/${version}`
}

const USELESS: Refusal = { reason: 'useless-peer', code: 'rlpx/useless-peer', detail: 'no capability is shared' }

/** What whoever waits is told when a connection has ended. */
function closedError({ by, reason, fault }: SessionEnd): KumikoError {
  const context = { by, ...(reason === undefined ? {} : { reason }), ...(fault === undefined ? {} : { fault }) }
  if (fault !== undefined) return new KumikoError(fault.fault, describe(fault), { context })
  const who = by === 'remote' ? 'the remote disconnected' : 'we disconnected'
  return new KumikoError('rlpx/disconnected', `${who}: ${reason ?? 'no reason given'}`, { context })
}

function describe({ fault, detail }: Fault): string {
  return detail === undefined ? `the connection ended: ${fault}` : `the connection ended: ${fault} (${detail})`
}
