/** Counts by key. Holds one entry for each key with a count. */
export class Tally {
  readonly #counts = new Map<string, number>()
  #size = 0

  /** All counts together. */
  get size(): number {
    return this.#size
  }

  /** A key's count. */
  of(key: string): number {
    return this.#counts.get(key) ?? 0
  }

  has(key: string): boolean {
    return this.#counts.has(key)
  }

  add(key: string): void {
    this.#counts.set(key, this.of(key) + 1)
    this.#size++
  }

  /** Takes back one {@link add}. */
  remove(key: string): void {
    const left = this.of(key) - 1
    if (left < 0) return
    if (left === 0) this.#counts.delete(key)
    else this.#counts.set(key, left)
    this.#size--
  }
}
