/** Runs work of which only one may run at a time: in the order in which it was asked for. As much waits as callers ask for. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()

  /** Runs work when all before it has ended, well or not. @throws What it throws: that is no concern of those after it. */
  async take<T>(work: () => T | Promise<T>): Promise<T> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => {})
    return await result
  }

  /** Waits for all that was asked for so far. */
  async settled(): Promise<void> {
    await this.#last
  }
}
