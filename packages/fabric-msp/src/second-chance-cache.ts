/**
 * A cache of a bounded size that forgets what was not asked for lately (`msp/cache/second_chance.go`): when full, a hand goes round, passes over once
 * what was used since it last came by, and replaces the first that was not.
 */
export class SecondChanceCache<V> {
  readonly #capacity: number
  readonly #slots: { key: string; value: V; isUsed: boolean }[] = []
  readonly #index = new Map<string, number>()
  #hand = 0

  /** @param capacity - Entries at most; at least 1. */
  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get size(): number {
    return this.#slots.length
  }

  get(key: string): V | undefined {
    const at = this.#index.get(key)
    const slot = at === undefined ? undefined : this.#slots[at]
    if (slot !== undefined) slot.isUsed = true
    return slot?.value
  }

  set(key: string, value: V): void {
    const at = this.#index.get(key) ?? this.#free()
    const old = this.#slots[at]
    if (old !== undefined) this.#index.delete(old.key)
    this.#slots[at] = { key, value, isUsed: false }
    this.#index.set(key, at)
  }

  /** The slot to write to; the hand goes round at most once, for it clears what it passes. */
  #free(): number {
    if (this.#slots.length < this.#capacity) return this.#slots.length
    for (;;) {
      const at = this.#hand
      this.#hand = (at + 1) % this.#capacity
      const slot = this.#slots[at]
      if (slot === undefined || !slot.isUsed) return at
      slot.isUsed = false
    }
  }
}
