import type { MessageStream } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'

/** So much waits for the end of the turn, at most; more is sent at once. */
const HELD_BYTES_MAX = 64 * 1024
/** Pieces that are joined before they are written: a copy of so much costs less than the system call that it saves. */
const JOINED_BYTES_MAX = 256 * 1024

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

  get #isOpen(): boolean {
    return this.#stream.status === 'open' && this.#beneath.status === 'open'
  }

  #hold(data: Uint8Array | Uint8ArrayList): boolean {
    // Throws what it has to throw.
    if (!this.#isOpen) return this.#send(data)
    if (this.#held === undefined) {
      this.#held = new Uint8ArrayList()
      setImmediate(this.#onTurnEnd)
    }
    this.#held.append(data)
    if (this.#held.byteLength >= HELD_BYTES_MAX) this.flush()
    return this.#hasRoom
  }

  readonly #onTurnEnd = (): void => {
    try {
      this.flush()
    } catch (error) {
      this.#stream.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }
}

/** One piece where that is the cheaper: sockets write each piece by a call, and send it as a packet, of its own. */
export function joined(data: Uint8Array | Uint8ArrayList): Uint8Array | Uint8ArrayList {
  return data.byteLength <= JOINED_BYTES_MAX ? data.subarray() : data
}
