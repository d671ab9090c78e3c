import type { Curve } from '@kumiko/identity'
import { type Capability, type DisconnectReason, type Fault, isFault, KumikoError, type Millis, type RandomBytes } from '@kumiko/interface'
import { decodeDisconnect, encodeDisconnect, reasonForFault } from './disconnect.ts'
import { FRAME_SIZE_MAX, type Frame, FrameReader, FrameWriter } from './frame.ts'
import { type HandshakeDone, Initiator, Recipient } from './handshake.ts'
import {
  BASE_CODES,
  BASE_MESSAGE_SIZE_MAX,
  decodeHello,
  encodeHello,
  type Hello,
  matchCapabilities,
  P2P_VERSION,
  P2P_VERSION_MIN,
  type SharedCapability,
} from './hello.ts'
import { macKey } from './mac.ts'
import { uncompress } from './snappy.ts'

/** What we are on every connection. */
export interface SessionOptions {
  readonly curve: Curve
  readonly randomBytes: RandomBytes
  /** Our static key, 32 bytes. */
  readonly secretKey: Uint8Array
  /** The public key that goes with it, 64 bytes. */
  readonly publicKey: Uint8Array
  /** Our name in Hello: `kumiko/0.1.0/linux-x64`. */
  readonly clientId: string
  /** Our port in Hello; 0: not told. */
  readonly listenPort: number
  readonly capabilities: readonly Capability[]
  readonly timing: SessionTiming
}

/** How long a session waits. */
export interface SessionTiming {
  /** For the handshake, and then again for Hello. */
  readonly handshakeMs: Millis
  /** Between our pings. */
  readonly pingMs: Millis
  /** For the next frame, whichever. */
  readonly readMs: Millis
}

/** As go-ethereum has it: 5 s, 15 s, 30 s. */
export const DEFAULT_TIMING: SessionTiming = { handshakeMs: 5_000, pingMs: 15_000, readMs: 30_000 }

/** The largest message that is taken, after decompression. @see devp2p/rlpx.md § Hello: "16 MiB" */
export const MESSAGE_SIZE_MAX: number = 1 << 24

/** What happened on a session. */
export type SessionEvent =
  /** The remote has proven its key. Answer with `greet` or `disconnect`. */
  | { readonly do: 'identified'; readonly publicKey: Uint8Array }
  /** The remote has said Hello. Messages may flow. */
  | { readonly do: 'hello'; readonly hello: Hello; readonly shared: readonly SharedCapability[] }
  | SessionMessage
  | SessionEnd

/** A message of a shared capability. */
export interface SessionMessage {
  readonly do: 'message'
  /** Of the capability among the shared ones. */
  readonly index: number
  /** From 0, less than the capability's length. */
  readonly code: number
  /** Decompressed. */
  readonly payload: Uint8Array
}

/** How a session ended. Write what is left to be taken, then close. */
export interface SessionEnd {
  readonly do: 'end'
  readonly by: 'remote' | 'local'
  /** What was told, if anything. */
  readonly reason?: DisconnectReason
  /** What the remote did wrong, if that is why. */
  readonly fault?: Fault
}

const HELLO = 0x00
const DISCONNECT = 0x01
const PING = 0x02
const PONG = 0x03
/** The data of Ping and Pong: an empty list. */
const EMPTY_LIST = Uint8Array.of(0xc0)

/**
 * One RLPx connection: handshake, Hello, messages, keep-alive. Holds no socket and no timer.
 *
 * Push what was read, ask for events until there are none, write what `take` gives; call `expire` at the `deadline`.
 */
export class Session {
  readonly #options: SessionOptions
  #handshake: Initiator | Recipient | undefined
  #frames: { readonly reader: FrameReader; readonly writer: FrameWriter } | undefined
  #phase: 'handshake' | 'hello' | 'open' | 'ended' = 'handshake'
  #remotePublicKey: Uint8Array | undefined
  #shared: readonly SharedCapability[] = []
  #isCompressed = false
  /** Sealed, to be taken. */
  #output: Uint8Array[] = []
  /** From the handshake, which tells of itself in `push`. */
  #early: SessionEvent | undefined
  #waitingSince: Millis
  #pingedAt: Millis
  #isBehind = false
  #owesPong = false

  /** @param remotePublicKey - Whom we dialed: 64 bytes, a point of the curve. Undefined on the side that was dialed. */
  constructor(options: SessionOptions, remotePublicKey: Uint8Array | undefined, now: Millis) {
    this.#options = options
    this.#waitingSince = now
    this.#pingedAt = now
    if (remotePublicKey === undefined) {
      this.#handshake = new Recipient(options)
    } else {
      const initiator = new Initiator(options, remotePublicKey)
      this.#output.push(initiator.auth)
      this.#handshake = initiator
    }
  }

  get isEnded(): boolean {
    return this.#phase === 'ended'
  }

  /** When `expire` is due. */
  get deadline(): Millis {
    const { handshakeMs, pingMs, readMs } = this.#options.timing
    if (this.#phase === 'ended') return Number.POSITIVE_INFINITY
    if (this.#phase !== 'open') return this.#waitingSince + handshakeMs
    return Math.min(this.#waitingSince + readMs, this.#pingedAt + pingMs)
  }

  /** @param chunk - As read from the socket; kept, not copied. */
  push(chunk: Uint8Array, now: Millis): void {
    if (this.#phase === 'ended') return
    if (this.#handshake !== undefined) this.#shake(this.#handshake.receive(chunk), now)
    else this.#frames?.reader.push(chunk)
  }

  /** What happened next, or undefined if more bytes are needed. */
  next(now: Millis): SessionEvent | undefined {
    if (this.#early !== undefined) {
      const event = this.#early
      this.#early = undefined
      return event
    }
    while (this.#frames !== undefined && (this.#phase === 'hello' || this.#phase === 'open')) {
      const isOpen = this.#phase === 'open'
      const frame = this.#frames.reader.next(isOpen ? FRAME_SIZE_MAX : BASE_MESSAGE_SIZE_MAX + 1)
      if (frame === undefined) return undefined
      this.#waitingSince = now
      const event = isFault(frame) ? this.#fail(frame) : isOpen ? this.#receive(frame) : this.#receiveHello(frame, now)
      if (event !== undefined) return event
    }
    return undefined
  }

  /** Whoever reads is behind and the socket is paused: silence is ours, not the remote's. */
  excuse(now: Millis): void {
    this.#waitingSince = now
  }

  /** Whether the remote is slow to take what we send. Meanwhile its pings are answered by one pong in all, so that they pile nothing up. */
  set isBehind(isBehind: boolean) {
    this.#isBehind = isBehind
    if (isBehind || !this.#owesPong) return
    this.#owesPong = false
    if (this.#phase === 'open') this.#write(PONG, EMPTY_LIST)
  }

  /** Pings, or ends a session that has waited too long. */
  expire(now: Millis): SessionEnd | undefined {
    const { pingMs, readMs } = this.#options.timing
    if (this.#phase === 'ended' || now < this.deadline) return undefined
    if (this.#phase === 'handshake') return this.#fail({ fault: 'rlpx/handshake-timeout' })
    if (this.#phase === 'hello') return this.#fail({ fault: 'rlpx/hello-timeout' })
    if (now >= this.#waitingSince + readMs) return this.#fail({ fault: 'rlpx/read-timeout' })
    if (now >= this.#pingedAt + pingMs) {
      this.#pingedAt = now
      this.#write(PING, EMPTY_LIST)
    }
    return undefined
  }

  /** Says Hello, once the remote is identified. */
  greet(): void {
    const { capabilities, clientId, listenPort, publicKey } = this.#options
    const hello = { version: P2P_VERSION, clientId, capabilities, listenPort, publicKey }
    this.#write(HELLO, encodeHello(hello))
  }

  /**
   * Sends a message of a shared capability. Ignored when the session has ended.
   *
   * @throws KumikoError `rlpx/bad-code`, `rlpx/message-too-large`.
   */
  send(index: number, code: number, payload: Uint8Array): void {
    const shared = this.#shared[index]
    if (this.#phase !== 'open' || shared === undefined) return
    const { capability, offset } = shared
    if (!(Number.isInteger(code) && code >= 0 && code < capability.length)) {
      throw new KumikoError(
        'rlpx/bad-code',
        `${capability.name}/${capability.version} has message codes 0 to ${capability.length - 1}, not ${code}`,
        {
          context: { code },
        },
      )
    }
    this.#write(offset + code, payload)
  }

  /** Tells the remote why, if it can be told, and ends. */
  disconnect(reason: DisconnectReason): SessionEnd {
    const isHeard = this.#frames !== undefined
    this.#say(reason)
    this.#phase = 'ended'
    return isHeard ? { do: 'end', by: 'local', reason } : { do: 'end', by: 'local' }
  }

  /** Bytes that wait to be taken. */
  get pending(): number {
    return this.#output.reduce((sum, { length }) => sum + length, 0) + (this.#frames?.writer.pending ?? 0)
  }

  /** What is to be written, in order. */
  take(): readonly Uint8Array[] {
    if (this.#frames !== undefined) this.#output.push(...this.#frames.writer.take())
    if (this.#output.length === 0) return NOTHING
    const output = this.#output
    this.#output = []
    return output
  }

  #shake(result: HandshakeDone | Fault | undefined, now: Millis): void {
    if (result === undefined) return
    this.#handshake = undefined
    if (isFault(result)) {
      this.#early = this.#fail(result)
      return
    }
    if (result.reply !== undefined) this.#output.push(result.reply)
    const key = macKey(result.secrets.mac)
    this.#frames = { reader: new FrameReader(result.secrets, key), writer: new FrameWriter(result.secrets, key) }
    this.#frames.reader.push(result.rest)
    this.#remotePublicKey = result.remotePublicKey
    this.#phase = 'hello'
    this.#waitingSince = now
    this.#early = { do: 'identified', publicKey: result.remotePublicKey }
  }

  #receiveHello({ code, data }: Frame, now: Millis): SessionEvent {
    if (code === DISCONNECT) return this.#dropped(data)
    if (code !== HELLO) return this.#fail({ fault: 'rlpx/expected-hello', detail: `message ${code}` })
    const hello = decodeHello(data)
    if (isFault(hello)) return this.#fail(hello)
    if (hello.version < P2P_VERSION_MIN) return this.#fail({ fault: 'rlpx/incompatible-version', detail: `${hello.version}` })
    if (Buffer.compare(hello.publicKey, this.#remotePublicKey ?? EMPTY_LIST) !== 0) return this.#fail({ fault: 'rlpx/unexpected-identity' })
    this.#shared = matchCapabilities(this.#options.capabilities, hello.capabilities)
    this.#isCompressed = hello.version >= P2P_VERSION
    this.#phase = 'open'
    this.#waitingSince = now
    this.#pingedAt = now
    return { do: 'hello', hello, shared: this.#shared }
  }

  #receive({ code, data }: Frame): SessionEvent | undefined {
    if (code < BASE_CODES) return this.#receiveBase(code, data)
    for (let index = this.#shared.length - 1; index >= 0; index--) {
      const { capability, offset } = this.#shared[index] as SharedCapability
      if (code < offset) continue
      if (code >= offset + capability.length) break
      const payload = this.#isCompressed ? uncompress(data, MESSAGE_SIZE_MAX) : Buffer.from(data)
      return isFault(payload) ? this.#fail(payload) : { do: 'message', index, code: code - offset, payload }
    }
    return this.#fail({ fault: 'rlpx/bad-code', detail: `${code} belongs to no shared capability` })
  }

  #receiveBase(code: number, data: Uint8Array): SessionEvent | undefined {
    if (code === DISCONNECT) return this.#dropped(data)
    if (code === PING && this.#isBehind) this.#owesPong = true
    else if (code === PING) this.#write(PONG, EMPTY_LIST)
    if (code === HELLO) return this.#fail({ fault: 'rlpx/repeated-hello' })
    // A Pong says what every frame says: the remote lives. Unknown codes are for versions to come.
    return undefined
  }

  #dropped(data: Uint8Array): SessionEnd {
    const reason = data.length > BASE_MESSAGE_SIZE_MAX ? undefined : decodeDisconnect(data, this.#isCompressed)
    this.#phase = 'ended'
    return reason === undefined ? { do: 'end', by: 'remote' } : { do: 'end', by: 'remote', reason }
  }

  #fail(fault: Fault): SessionEnd {
    const reason = reasonForFault(fault)
    if (reason !== undefined) this.#say(reason)
    this.#phase = 'ended'
    return reason === undefined ? { do: 'end', by: 'local', fault } : { do: 'end', by: 'local', reason, fault }
  }

  #say(reason: DisconnectReason): void {
    if (this.#phase !== 'ended') this.#write(DISCONNECT, encodeDisconnect(reason))
  }

  #write(code: number, payload: Uint8Array): void {
    const writer = this.#frames?.writer
    if (writer === undefined) return
    if (!writer.fits(payload.length)) this.#output.push(...writer.take())
    writer.append(code, payload, this.#isCompressed)
  }
}

const NOTHING: readonly Uint8Array[] = []
