import { BoundedMap } from '@kumiko/interface'

/**
 * The latest revisions of documents, `''` of one that is absent, so that a write need not ask. The one that was not used for longest is
 * forgotten. A wrong one costs a conflict, and a second try.
 */
export class RevisionCache {
  readonly #revisions: BoundedMap<string, string>

  /** @param max - Documents. */
  constructor(max: number) {
    this.#revisions = new BoundedMap(max)
  }

  get(database: string, id: string): string | undefined {
    const name = `${database}/${id}`
    const revision = this.#revisions.get(name)
    if (revision !== undefined) this.#revisions.set(name, revision)
    return revision
  }

  set(database: string, id: string, revision: string): void {
    this.#revisions.set(`${database}/${id}`, revision)
  }

  delete(database: string, id: string): void {
    this.#revisions.delete(`${database}/${id}`)
  }

  clear(): void {
    this.#revisions.clear()
  }
}
