import { nodeIdOf } from '@kumiko/identity'
import {
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
  type TrafficMeter,
} from '@kumiko/interface'
import { type Abortable, type ChannelLink, DEFAULT_QUEUE_BOUNDS, type QueueBounds, QueuedChannel } from './channel.ts'
import type { SharedCapability } from './hello.ts'
import { Session, type SessionEnd, type SessionEvent, type SessionOptions } from './session.ts'

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
/** How long a remote that was told why has to close, so that it reads the reason. */
const LINGER_MS = 2_000
/** Sealed at once rather than at the end of the tick. */
const FLUSH_BYTES = 1 << 16

/** An open RLPx connection over a stream of bytes: the driver of a {@link Session}. */
export class RlpxConnection implements Peer, ChannelLink {
  readonly direction: 'inbound' | 'outbound'
  readonly remote: { readonly host: string; readonly port: number }
  /** Resolves when Hello was exchanged and both checkpoints passed; rejects with a KumikoError `rlpx/…` that tells what went wrong. */
  readonly ready: Promise<void>
  readonly #stream: ByteStream
  readonly #session: Session
  readonly #options: ConnectionOptions
  /** Until it is settled. */
  #setup: PromiseWithResolvers<void> | undefined
  readonly #closed = Promise.withResolvers<void>()
  #remotePublicKey: Uint8Array = NO_KEY
  #clientId = ''
  #capabilities: readonly CapabilityId[] = []
  #channels: readonly CapabilityChannel[] = []
  #end: SessionEnd | undefined
  #onEnd: ((end: SessionEnd) => void)[] = []
  #abort: AbortController | undefined
  #drained: PromiseWithResolvers<void> | undefined
  /** How many channels are full. */
  #full = 0
  #isFlushing = false
  #behindSince: Millis | undefined
  #cancelTimer: Cancel | undefined
  #timerAt: Millis = Number.POSITIVE_INFINITY

  /** Use {@link connectRlpx} or {@link acceptRlpx}. */
  constructor(stream: ByteStream, options: ConnectionOptions, remotePublicKey: Uint8Array | undefined) {
    this.#stream = stream
    this.#options = options
    this.direction = remotePublicKey === undefined ? 'inbound' : 'outbound'
    this.remote = stream.remote
    this.#setup = Promise.withResolvers<void>()
    this.ready = this.#setup.promise
    this.#session = new Session(options.session, remotePublicKey, options.clock.now())
    stream.handler = {
      onData: (chunk) => this.#read(chunk),
      onDrain: () => this.#caughtUp(),
      onClose: (error) => this.#streamClosed(error),
    }
    // Whoever gave up before it was ready does not wait for it; that must not end the process.
    this.#setup.promise.catch(() => {})
    options.onBegin?.(this)
    this.#flush()
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
    return nodeIdOf(this.#remotePublicKey)
  }

  get publicKey(): Uint8Array {
    return this.#options.session.curve.compress(this.#remotePublicKey)
  }

  get clientId(): string {
    return this.#clientId
  }

  get capabilities(): readonly CapabilityId[] {
    return this.#capabilities
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      if (this.#end !== undefined) this.#abort.abort(closedError(this.#end))
    }
    return this.#abort.signal
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
    this.#flushSoon()
    return this.#behindSince === undefined
  }

  async drain({ signal }: Abortable = {}): Promise<void> {
    signal?.throwIfAborted()
    if (this.#end !== undefined) throw closedError(this.#end)
    if (this.#behindSince === undefined) return
    this.#drained ??= Promise.withResolvers<void>()
    await (signal === undefined ? this.#drained.promise : raceAbort(this.#drained.promise, signal))
  }

  holds(isFull: boolean): void {
    this.#full += isFull ? 1 : -1
    if (isFull && this.#full === 1) this.#stream.pause()
    if (isFull || this.#full > 0 || this.#end !== undefined) return
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
    while (this.#full === 0 && this.#end === undefined) {
      const event = this.#session.next(now)
      if (event === undefined) break
      this.#handle(event)
    }
    this.#flushSoon()
  }

  #handle(event: SessionEvent): void {
    switch (event.do) {
      case 'message':
        this.#deliver(event.index, event.code, event.payload)
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
    this.#remotePublicKey = publicKey
    const refusal = this.#options.checkpoints?.encrypted(publicKey)
    if (refusal !== undefined) {
      this.#refuse(refusal)
      return
    }
    this.#session.greet()
    this.#flush()
    this.#arm()
  }

  #greeted(
    { clientId, capabilities }: { clientId: string; capabilities: readonly CapabilityId[] },
    shared: readonly SharedCapability[],
  ): void {
    this.#clientId = clientId
    this.#capabilities = capabilities
    const bounds = this.#options.queue ?? DEFAULT_QUEUE_BOUNDS
    this.#channels = shared.map(({ capability }, index) => ({ capability, channel: new QueuedChannel(capability, this, index, bounds) }))
    const refusal =
      this.#options.checkpoints?.upgraded(shared.map(({ capability }) => protocolOf(capability))) ??
      (shared.length === 0 ? USELESS : undefined)
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

  #deliver(index: number, code: number, payload: Uint8Array): void {
    const entry = this.#channels[index]
    if (entry === undefined) return
    this.#options.traffic?.message('received', entry.capability, code, payload.length)
    try {
      entry.channel.deliver(code, payload)
    } catch (cause) {
      this.#finish({ ...this.#session.disconnect('subprotocol-error'), fault: { fault: 'rlpx/handler-threw', detail: String(cause) } })
    }
  }

  #flushSoon(): void {
    const { pending } = this.#session
    if (pending >= FLUSH_BYTES) this.#flush()
    if (this.#isFlushing || pending === 0 || pending >= FLUSH_BYTES) return
    this.#isFlushing = true
    process.nextTick(() => {
      this.#isFlushing = false
      this.#flush()
    })
  }

  #flush(): void {
    const pieces = this.#session.take()
    if (pieces.length === 0) return
    for (const { length } of pieces) this.#options.traffic?.bytes('sent', length)
    if (!this.#stream.write(...pieces)) this.#fellBehind()
  }

  #fellBehind(): void {
    if (this.#behindSince !== undefined) return
    this.#behindSince = this.#options.clock.now()
    this.#session.isBehind = true
    this.#arm()
  }

  #caughtUp(): void {
    this.#behindSince = undefined
    this.#session.isBehind = false
    this.#drained?.resolve()
    this.#drained = undefined
    this.#flushSoon()
  }

  /** Keeps one timer, which may come early: then it is only armed again. So nothing has to be re-armed on each message. */
  #arm(): void {
    if (this.#end !== undefined) return
    const writeBy = (this.#behindSince ?? Number.POSITIVE_INFINITY) + (this.#options.writeMs ?? WRITE_MS)
    const deadline = Math.min(this.#session.deadline, writeBy)
    if (this.#timerAt <= deadline) return
    this.#cancelTimer?.()
    this.#timerAt = deadline
    this.#cancelTimer = this.#options.clock.at(deadline, () => this.#expire())
  }

  #expire(): void {
    const now = this.#options.clock.now()
    this.#timerAt = Number.POSITIVE_INFINITY
    if (this.#end !== undefined) return
    if (this.#behindSince !== undefined && now >= this.#behindSince + (this.#options.writeMs ?? WRITE_MS)) {
      this.#finish({ do: 'end', by: 'local', fault: { fault: 'rlpx/write-timeout' } })
      return
    }
    if (this.#full > 0) this.#session.excuse(now)
    const end = this.#session.expire(now)
    if (end !== undefined) this.#finish(end)
    this.#flush()
    this.#arm()
  }

  #streamClosed(error: Error | undefined): void {
    this.#finish({
      do: 'end',
      by: 'remote',
      fault: error === undefined ? { fault: 'rlpx/closed' } : { fault: 'rlpx/closed', detail: error.message.slice(0, 200) },
    })
    this.#cancelTimer?.()
    this.#closed.resolve()
  }

  /** Says what is left to be said, and closes: gently if the remote was told why, so that it reads that. */
  #finish(end: SessionEnd): void {
    if (this.#end !== undefined) return
    this.#flush()
    this.#end = end
    this.#cancelTimer?.()
    if (end.reason === undefined) {
      this.#stream.destroy()
    } else {
      const { clock } = this.#options
      this.#cancelTimer = clock.at(clock.now() + LINGER_MS, () => this.#stream.destroy())
      if (this.#full > 0) this.#stream.resume()
      this.#stream.end()
    }
    for (const { channel } of this.#channels) channel.close()
    // An error costs more than all else here, and few wait for one.
    if ((this.#setup ?? this.#drained ?? this.#abort) !== undefined) this.#tellWaiters(closedError(end))
    const callbacks = this.#onEnd
    this.#onEnd = []
    for (const callback of callbacks) callback(end)
  }

  #tellWaiters(error: KumikoError): void {
    this.#setup?.reject(error)
    this.#drained?.reject(error)
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
    await (signal === undefined ? connection.ready : raceAbort(connection.ready, signal))
    // A Disconnect may come right behind Hello: it tells why, which a connection that is closed already would not.
    if (connection.end !== undefined) throw closedError(connection.end)
    return connection
  } catch (error) {
    if (connection.end === undefined) connection.destroy()
    throw error
  }
}

async function raceAbort(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** The libp2p protocol id of a capability: `/eth/69`. */
export function protocolOf({ name, version }: CapabilityId): string {
  return `/${name}/${version}`
}

const NO_KEY = new Uint8Array(64)

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
