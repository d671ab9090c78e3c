import { curve } from '@kumiko/identity'
import { type Capability, type Fault, isFault } from '@kumiko/interface'
import { seeded } from '@kumiko/testkit'
import { type Frame, FrameReader, FrameWriter } from '../src/frame.ts'
import { type HandshakeDone, Initiator } from '../src/handshake.ts'
import { encodeHello, type Hello, P2P_VERSION } from '../src/hello.ts'
import { DEFAULT_TIMING, Session, type SessionEvent, type SessionOptions } from '../src/session.ts'

/** Two capabilities, so that offsets matter: `aa/1` at 0x10 with 4 codes, `bb/2` at 0x14 with 300. */
export const AA: Capability = { name: 'aa', version: 1, length: 4 }
export const BB: Capability = { name: 'bb', version: 2, length: 300 }

/** A node for tests; the same seed, the same keys and chances. */
export function testNode(seed: number, changes: Partial<SessionOptions> = {}): SessionOptions {
  const { bytes } = seeded(seed)
  const secretKey = bytes(32)
  return {
    curve,
    randomBytes: bytes,
    secretKey,
    publicKey: curve.publicKey(secretKey),
    clientId: `node/${seed}`,
    listenPort: 30303,
    capabilities: [BB, AA],
    timing: DEFAULT_TIMING,
    ...changes,
  }
}

/** All events that are ready. Greets who is identified, unless told not to. */
export function eventsOf(session: Session, now: number, isPolite = true): SessionEvent[] {
  const events: SessionEvent[] = []
  for (let event = session.next(now); event !== undefined; event = session.next(now)) {
    events.push(event)
    if (event.do === 'identified' && isPolite) session.greet()
    if (event.do === 'end') break
  }
  return events
}

/** What a session wants to write, as one piece. */
export function outputOf(session: Session): Buffer {
  return Buffer.concat([...session.take()])
}

/** Carries bytes between two sessions until both are silent. @returns What each of them told. */
export function exchange(a: Session, b: Session, now: number): [SessionEvent[], SessionEvent[]] {
  const told: [SessionEvent[], SessionEvent[]] = [[], []]
  for (;;) {
    const [fromA, fromB] = [outputOf(a), outputOf(b)]
    if (fromA.length + fromB.length === 0) return told
    b.push(fromA, now)
    a.push(fromB, now)
    told[0].push(...eventsOf(a, now))
    told[1].push(...eventsOf(b, now))
  }
}

/** Two sessions that have said Hello. */
export function openPair(now = 0, changes: Partial<SessionOptions> = {}): { dialer: Session; listener: Session } {
  const options = testNode(2, changes)
  const dialer = new Session(testNode(1, changes), options.publicKey, now)
  const listener = new Session(options, undefined, now)
  exchange(dialer, listener, now)
  return { dialer, listener }
}

/** A remote that shakes hands properly, then says whatever it is told to. */
export class RawRemote {
  readonly options: SessionOptions
  readonly #initiator: Initiator
  #frames: { readonly reader: FrameReader; readonly writer: FrameWriter } | undefined

  constructor(options: SessionOptions, remotePublicKey: Uint8Array) {
    this.options = options
    this.#initiator = new Initiator(options, remotePublicKey)
  }

  get auth(): Uint8Array {
    return this.#initiator.auth
  }

  /** @returns Frames that it read. */
  receive(bytes: Uint8Array): Frame[] {
    if (this.#frames === undefined) {
      const done = this.#initiator.receive(bytes)
      if (done === undefined) return []
      this.#open(done)
    } else {
      this.#frames.reader.push(bytes)
    }
    const frames: Frame[] = []
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) frames.push(frame)
    return frames
  }

  /** A sealed frame whose content is `code` and `data`. */
  frame(code: number, data: Uint8Array, isCompressed = false): Uint8Array {
    const writer = this.#frames?.writer
    writer?.append(code, data, isCompressed)
    return Buffer.concat(writer?.take() ?? [])
  }

  hello(changes: Partial<Hello> = {}): Uint8Array {
    const { capabilities, clientId, listenPort, publicKey } = this.options
    return this.frame(0, encodeHello({ version: P2P_VERSION, capabilities, clientId, listenPort, publicKey, ...changes }))
  }

  #open(done: HandshakeDone | Fault): void {
    if (isFault(done)) throw new Error(done.fault)
    this.#frames = { reader: new FrameReader(done.secrets), writer: new FrameWriter(done.secrets) }
    this.#frames.reader.push(done.rest)
  }

  #next(): Frame | undefined {
    const frame = this.#frames?.reader.next(0xff_ffff)
    if (isFault(frame)) throw new Error(frame.fault)
    return frame === undefined ? undefined : { code: frame.code, data: Uint8Array.from(frame.data) }
  }
}

/** A session that was dialed by a raw remote; `isOpen`: both have said Hello. */
export function rawPair(
  isOpen: boolean,
  changes: Partial<SessionOptions> = {},
  hello: Partial<Hello> = {},
): { session: Session; remote: RawRemote } {
  const options = testNode(2, changes)
  const session = new Session(options, undefined, 0)
  const remote = new RawRemote(testNode(1), options.publicKey)
  session.push(remote.auth, 0)
  eventsOf(session, 0)
  remote.receive(outputOf(session))
  if (isOpen) {
    session.push(remote.hello(hello), 0)
    eventsOf(session, 0)
  }
  return { session, remote }
}
