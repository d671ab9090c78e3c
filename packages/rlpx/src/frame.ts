import { type Cipheriv, createCipheriv, createDecipheriv, type Decipheriv } from 'node:crypto'
import { type Fault, KumikoError } from '@kumiko/interface'
import { ByteQueue } from './byte-queue.ts'
import { FrameMac, MAC_BYTES, type MacKey, macKey, macsEqual } from './mac.ts'
import { compressedSizeMax, compressInto, copyBytes } from './snappy.ts'

/** What the handshake leaves to one side. @see devp2p/rlpx.md § Initial Handshake */
export interface Secrets {
  /** aes-secret, 32 bytes. */
  readonly aes: Uint8Array
  /** mac-secret, 32 bytes. */
  readonly mac: Uint8Array
  /** What the MAC of what we send starts with: mac-secret ^ the remote's nonce, then our handshake message. */
  readonly egress: readonly Uint8Array[]
  /** The same for what we receive. */
  readonly ingress: readonly Uint8Array[]
}

/** A frame's content: the message code, and its data, still compressed. */
export interface Frame {
  readonly code: number
  readonly data: Uint8Array
}

/** The size of a frame is a number of 3 bytes. */
export const FRAME_SIZE_MAX = 0xff_ffff
const HEADER_BYTES = 16
/** A list of two zeros: capability id and context id, which nobody uses. */
const HEADER_DATA = [0xc2, 0x80, 0x80]
/** A message code is written as an RLP integer of up to 4 bytes. */
const CODE_BYTES_MAX = 5

/** Header, its MAC, and the body's. */
const FRAME_OVERHEAD_BYTES = HEADER_BYTES + 2 * MAC_BYTES
/** From here on a body is not copied to stand beside its MAC, but leaves as a piece of its own. */
const VIEW_BYTES_MIN = 1 << 13

const padded = (size: number): number => (size + 15) & ~15

/** Buffers in which frames wait to be sealed: few connections send at the same moment, so few are kept. */
const ARENA_BYTES = 1 << 16
const ARENAS_KEPT = 8
const arenas: Buffer[] = []

/** Where a body that came in several chunks is put together; nothing of it is in use when `next` returns. */
const scratch = new Uint8Array(ARENA_BYTES + 1024)

/** Turns messages into frames. All that were appended are encrypted by one call and leave in one piece. */
export class FrameWriter {
  readonly #cipher: Cipheriv
  readonly #mac: FrameMac
  #arena: Buffer | undefined
  #used = 0
  /** Padded body sizes of the frames in the arena. */
  #bodies: number[] = []

  constructor(secrets: Secrets, key: MacKey = macKey(secrets.mac)) {
    this.#cipher = createCipheriv('aes-256-ctr', secrets.aes, new Uint8Array(16))
    this.#mac = new FrameMac(key, ...secrets.egress)
  }

  /** Bytes that wait to be taken. */
  get pending(): number {
    return this.#used + this.#bodies.length * 2 * MAC_BYTES
  }

  /** Tells whether a message would need a new buffer: take what waits before it is appended. */
  fits(payloadBytes: number): boolean {
    return this.#arena === undefined || this.#used + spaceFor(payloadBytes) <= this.#arena.length
  }

  /**
   * Adds a message.
   *
   * @param payload - Read at once.
   * @throws KumikoError `rlpx/message-too-large`; nothing is appended then.
   */
  append(code: number, payload: Uint8Array, isCompressed: boolean): void {
    const arena = this.#room(payload.length)
    const start = this.#used + HEADER_BYTES
    const codeEnd = writeCode(code, arena, start)
    const end = isCompressed ? compressInto(payload, arena, codeEnd) : copyBytes(payload, 0, payload.length, arena, codeEnd)
    const size = end - start
    if (payload.length > FRAME_SIZE_MAX || size > FRAME_SIZE_MAX) {
      throw new KumikoError(
        'rlpx/message-too-large',
        `a message of ${payload.length} bytes does not fit a frame of ${FRAME_SIZE_MAX}: send it in parts`,
        {
          context: { code, sizeBytes: payload.length },
        },
      )
    }
    arena.fill(0, this.#used, start)
    arena.writeUIntBE(size, this.#used, 3)
    arena.set(HEADER_DATA, this.#used + 3)
    const body = padded(size)
    arena.fill(0, end, start + body)
    this.#used = start + body
    this.#bodies.push(body)
  }

  /** Seals and hands over what was appended, in pieces that belong together. */
  take(): readonly Uint8Array[] {
    const arena = this.#arena
    if (arena === undefined || this.#bodies.length === 0) return []
    const ciphertext = this.#cipher.update(arena.subarray(0, this.#used))
    const copied = this.#bodies.reduce((sum, size) => sum + FRAME_OVERHEAD_BYTES + (size < VIEW_BYTES_MIN ? size : 0), 0)
    const sealed = Buffer.allocUnsafe(copied)
    const pieces: Uint8Array[] = []
    let from = 0
    let to = 0
    let pieceFrom = 0
    for (const size of this.#bodies) {
      const header = ciphertext.subarray(from, from + HEADER_BYTES)
      const body = ciphertext.subarray(from + HEADER_BYTES, from + HEADER_BYTES + size)
      to = copyBytes(header, 0, HEADER_BYTES, sealed, to)
      to = copyBytes(this.#mac.header(header), 0, MAC_BYTES, sealed, to)
      if (size < VIEW_BYTES_MIN) {
        to = copyBytes(body, 0, size, sealed, to)
      } else {
        pieces.push(sealed.subarray(pieceFrom, to), body)
        pieceFrom = to
      }
      to = copyBytes(this.#mac.body(body), 0, MAC_BYTES, sealed, to)
      from += HEADER_BYTES + size
    }
    pieces.push(sealed.subarray(pieceFrom, to))
    this.#reset(arena)
    return pieces
  }

  #room(payloadBytes: number): Buffer {
    if (!this.fits(payloadBytes)) throw new KumikoError('rlpx/not-taken', 'what was appended must be taken before more is')
    this.#arena ??=
      spaceFor(payloadBytes) <= ARENA_BYTES
        ? (arenas.pop() ?? Buffer.allocUnsafeSlow(ARENA_BYTES))
        : Buffer.allocUnsafeSlow(spaceFor(payloadBytes))
    return this.#arena
  }

  #reset(arena: Buffer): void {
    if (arena.length === ARENA_BYTES && arenas.length < ARENAS_KEPT) arenas.push(arena)
    this.#arena = undefined
    this.#used = 0
    this.#bodies = []
  }
}

function spaceFor(payloadBytes: number): number {
  return HEADER_BYTES + CODE_BYTES_MAX + compressedSizeMax(payloadBytes) + 16
}

/** Writes a code as an RLP integer. @returns Where it ends. */
function writeCode(code: number, target: Uint8Array, start: number): number {
  if (code > 0 && code < 0x80) {
    target[start] = code
    return start + 1
  }
  let size = 0
  for (let rest = code; rest > 0; rest = Math.floor(rest / 256)) size++
  target[start] = 0x80 + size
  for (let i = 0, rest = code; i < size; i++, rest = Math.floor(rest / 256)) target[start + size - i] = rest & 0xff
  return start + 1 + size
}

const FAULT = {
  headerMac: { fault: 'rlpx/bad-header-mac' },
  bodyMac: { fault: 'rlpx/bad-frame-mac' },
  code: { fault: 'rlpx/bad-code', detail: 'not an RLP integer of up to 4 bytes' },
} as const satisfies Record<string, Fault>

/** Turns a stream of bytes into frames. */
export class FrameReader {
  readonly #decipher: Decipheriv
  readonly #mac: FrameMac
  readonly #queue = new ByteQueue()
  /** The size of the frame whose body is awaited, or 0 while a header is. */
  #size = 0

  constructor(secrets: Secrets, key: MacKey = macKey(secrets.mac)) {
    this.#decipher = createDecipheriv('aes-256-ctr', secrets.aes, new Uint8Array(16))
    this.#mac = new FrameMac(key, ...secrets.ingress)
  }

  /** @param chunk - As read from the socket; kept, not copied. */
  push(chunk: Uint8Array): void {
    this.#queue.push(chunk)
  }

  /**
   * The next frame, if it is complete. After a fault the reader is of no more use.
   *
   * @param sizeMax - The largest frame that is taken, at most {@link FRAME_SIZE_MAX}. Larger ones fault as soon as their header is read.
   */
  next(sizeMax: number): Frame | Fault | undefined {
    if (this.#size === 0) {
      const fault = this.#readHeader(sizeMax)
      if (fault !== undefined) return fault
      if (this.#size === 0) return undefined
    }
    const bodySize = padded(this.#size)
    const bytes = this.#queue.take(bodySize + MAC_BYTES, scratch)
    if (bytes === undefined) return undefined
    const ciphertext = bytes.subarray(0, bodySize)
    if (!macsEqual(this.#mac.body(ciphertext), bytes.subarray(bodySize))) return FAULT.bodyMac
    const plain = this.#decipher.update(ciphertext)
    const size = this.#size
    this.#size = 0
    return frameOf(plain, size)
  }

  #readHeader(sizeMax: number): Fault | undefined {
    const bytes = this.#queue.take(HEADER_BYTES + MAC_BYTES)
    if (bytes === undefined) return undefined
    const ciphertext = bytes.subarray(0, HEADER_BYTES)
    if (!macsEqual(this.#mac.header(ciphertext), bytes.subarray(HEADER_BYTES))) return FAULT.headerMac
    const size = this.#decipher.update(ciphertext).readUIntBE(0, 3)
    if (size === 0) return { fault: 'rlpx/empty-frame' }
    if (size > sizeMax) return { fault: 'rlpx/frame-too-large', detail: `${size} bytes where ${sizeMax} are allowed` }
    this.#size = size
    return undefined
  }
}

function frameOf(plain: Uint8Array, size: number): Frame | Fault {
  const first = plain[0] as number
  if (first < 0x80) return first === 0 ? FAULT.code : { code: first, data: plain.subarray(1, size) }
  const codeBytes = first - 0x80
  if (codeBytes > CODE_BYTES_MAX - 1 || 1 + codeBytes > size) return FAULT.code
  let code = 0
  for (let i = 1; i <= codeBytes; i++) code = code * 256 + (plain[i] as number)
  const isCanonical = codeBytes === 0 || (plain[1] !== 0 && (codeBytes > 1 || code >= 0x80))
  return isCanonical ? { code, data: plain.subarray(1 + codeBytes, size) } : FAULT.code
}
