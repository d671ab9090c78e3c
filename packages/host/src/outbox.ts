import type { MessageStream } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'

/** So much waits for the end of the turn, at most; more is sent at once. Four frames of 64 KiB, whose ends then share encrypted messages. */
const HELD_BYTES_MAX = 256 * 1024
/** Pieces up to this size are joined with their neighbours: a copy of so much costs less than the system call that it saves. */
const SMALL_BYTES_MAX = 4 * 1024
/** So much is joined whole. A socket that is given 64 KiB in one piece asks for a pause each time. */
const JOINED_BYTES_MAX = 16 * 1024

/**
 * Gathers what is sent in one turn of the event loop: several frames of a muxer go as one encrypted message and one packet.
 *
 * It takes the place of the stream's `send`. What was gathered is lost where the stream has closed meanwhile, as it would be on its way.
 */
export class Outbox {
  readonly #stream: MessageStream
  readonly #beneath: MessageStream
  readonly #send: MessageStream['send']
  #held: Uint8ArrayList | undefined
  #hasRoom = true

  /**
   * @param stream - Before anybody else listens for its `drain`.
   * @param beneath - What it writes to.
   */
  constructor(stream: MessageStream, beneath: MessageStream) {
    this.#stream = stream
    this.#beneath = beneath
    this.#send = stream.send.bind(stream)
    stream.send = (data) => this.#hold(data)
    stream.addEventListener('drain', () => {
      this.#hasRoom = true
    })
  }

  /** Sends at once what has been gathered. */
  flush(): void {
    const held = this.#held
    if (held === undefined) return
    this.#held = undefined
    if (this.#isOpen) this.#hasRoom = this.#send(held)
  }

  /** As {@link flush}, for a sender who waits for an answer and has nothing to add. Never throws: what fails ends the stream. */
  readonly hurry = (): void => {
    try {
      this.flush()
    } catch (error) {
      this.#stream.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }

  get #isOpen(): boolean {
    return this.#stream.status === 'open' && this.#beneath.status === 'open'
  }

  #hold(data: Uint8Array | Uint8ArrayList): boolean {
    // Throws what it has to throw.
    if (!this.#isOpen) return this.#send(data)
    if (this.#held === undefined) {
      this.#held = new Uint8ArrayList()
      setImmediate(this.hurry)
    }
    this.#held.append(data)
    if (this.#held.byteLength >= HELD_BYTES_MAX) this.flush()
    return this.#hasRoom
  }
}

/** In fewer pieces, the same bytes: a socket writes each piece by a system call, and sends it as a packet, of its own. */
export function joined(data: Uint8Array | Uint8ArrayList): Uint8Array | Uint8ArrayList {
  if (data instanceof Uint8Array) return data
  if (data.byteLength <= JOINED_BYTES_MAX) return data.subarray()
  const list = new Uint8ArrayList()
  let small: Uint8Array[] = []
  for (const piece of data) {
    if (piece.length <= SMALL_BYTES_MAX) {
      small.push(piece)
      continue
    }
    if (small.length > 0) list.append(Buffer.concat(small))
    small = []
    list.append(piece)
  }
  if (small.length > 0) list.append(Buffer.concat(small))
  return list
}
