/** Wakes all who wait for something new. Costs nothing while nobody waits. */
export class News {
  #next: PromiseWithResolvers<void> | undefined

  /** Resolves at the next {@link tell}. Asked for before one looks at what may change, nothing is missed between. */
  get next(): Promise<void> {
    this.#next ??= Promise.withResolvers()
    return this.#next.promise
  }

  tell(): void {
    this.#next?.resolve()
    this.#next = undefined
  }
}
