/**
 * The latest revisions of documents, `''` of one that is absent, so that a write need not ask. The one that was not used for longest is
 * forgotten. A wrong one costs a conflict, and a second try.
 */
export class RevisionCache {
  readonly #revisions = new Map<string, string>()
  readonly #max: number

  /** @param max - Documents. */
  constructor(max: number) {
    this.#max = max
  }

  get(database: string, id: string): string | undefined {
    const name = `${database}/${id}`
    const revision = this.#revisions.get(name)
    if (revision === undefined) return
    this.#revisions.delete(name)
    this.#revisions.set(name, revision)
    return revision
  }

  set(database: string, id: string, revision: string): void {
    const name = `${database}/${id}`
    this.#revisions.delete(name)
    this.#revisions.set(name, revision)
    for (const [oldest] of this.#revisions) {
      if (this.#revisions.size <= this.#max) break
      this.#revisions.delete(oldest)
    }
  }

  delete(database: string, id: string): void {
    this.#revisions.delete(`${database}/${id}`)
  }

  clear(): void {
    this.#revisions.clear()
  }
}
