/** So many transactions are told of: a new one takes the place of the oldest. */
const SLOTS = 16

/** Of the text of one, at most. */
const SLOT_BYTES = 256

/** The transactions that run, in memory that another thread reads while this one does nothing else. */
export class RunningList {
  readonly memory: SharedArrayBuffer
  #next = 0

  /** @param memory - Another's, to read it. Default: empty, and of its own. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(SLOTS * SLOT_BYTES)) {
    this.memory = memory
  }

  /** @param text - Cut to 255 bytes. @returns Ends it. */
  add(text: string): () => void {
    const slot = this.#slot(this.#next)
    this.#next = (this.#next + 1) % SLOTS
    slot[0] = slot.write(text, 1)
    const written = textOf(slot)
    return () => {
      // Another may have taken its place.
      if (textOf(slot) === written) slot[0] = 0
    }
  }

  /** What runs, each text once. */
  get texts(): readonly string[] {
    const slots = Array.from({ length: SLOTS }, (_, at) => this.#slot(at))
    return [...new Set(slots.map(textOf).filter((text) => text !== ''))]
  }

  #slot(at: number): Buffer {
    return Buffer.from(this.memory, at * SLOT_BYTES, SLOT_BYTES)
  }
}

/** Its length comes first: 0 where there is none. */
function textOf(slot: Buffer): string {
  return slot.toString('utf8', 1, 1 + (slot[0] ?? 0))
}
