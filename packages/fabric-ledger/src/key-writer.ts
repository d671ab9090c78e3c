import { encodeUtf8, putOrderPreservingVarint } from '@kumiko/fabric-protocol'

/** Of a key that is written so many bytes are asked for at once, or what a part needs. */
const GROWTH = 256

/** Bytes of the longest number. */
const NUMBER_MAX = 9

/**
 * Writes the keys of a batch, part by part, all into the same room: memory for each part and each key would cost more than LevelDB's copy of it.
 * No part has a bound of its own; the room is as large as the longest key.
 */
export class KeyWriter {
  #room = new Uint8Array(GROWTH)
  #length = 0

  /** @throws KumikoError `fabric-protocol/bad-string`. */
  text(text: string): this {
    this.#reserve(text.length)
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at)
      if (unit > 0x7f) return this.bytes(encodeUtf8(text.slice(at)))
      this.#room[this.#length++] = unit
    }
    return this
  }

  bytes(bytes: Uint8Array): this {
    this.#reserve(bytes.length)
    this.#room.set(bytes, this.#length)
    this.#length += bytes.length
    return this
  }

  /** As `encodeOrderPreservingVarint` of fabric-protocol has it. */
  number(value: bigint): this {
    this.#reserve(NUMBER_MAX)
    this.#length = putOrderPreservingVarint(value, this.#room, this.#length)
    return this
  }

  /** What was written since the last key. @returns A view, until the next key is begun. */
  key(): Uint8Array {
    const key = this.#room.subarray(0, this.#length)
    this.#length = 0
    return key
  }

  #reserve(length: number): void {
    const needed = this.#length + length
    if (needed <= this.#room.length) return
    const larger = new Uint8Array(needed + GROWTH)
    larger.set(this.#room.subarray(0, this.#length))
    this.#room = larger
  }
}
