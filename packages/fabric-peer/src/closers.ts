/** What is up, and how each of it is ended: in reverse. */
export class Closers {
  /** Bounded by who starts things. */
  readonly #closers: (() => void | Promise<void>)[] = []

  /** Remembers how to end what was just begun. */
  add(close: () => void | Promise<void>): void {
    this.#closers.push(close)
  }

  /** Ends all, the last first; what fails keeps nothing else from it. @throws The first failure. */
  async close(): Promise<void> {
    const failures: unknown[] = []
    for (let close = this.#closers.pop(); close !== undefined; close = this.#closers.pop()) {
      try {
        await close()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}
