/**
 * A Map with a bound: an entry that is set goes last, also where it was there before, and of too many the first goes. So it is in the order in
 * which entries were set.
 */
export class BoundedMap<K, V> extends Map<K, V> {
  readonly #max: number

  /** @param max - Entries held. */
  constructor(max: number) {
    super()
    this.#max = max
  }

  override set(key: K, value: V): this {
    this.delete(key)
    super.set(key, value)
    if (this.size > this.#max) this.#dropFirst()
    return this
  }

  #dropFirst(): void {
    for (const first of this.keys()) {
      this.delete(first)
      return
    }
  }
}
