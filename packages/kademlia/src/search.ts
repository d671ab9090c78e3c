import type { NodeRecord } from '@kumiko/interface'
import type { Lookup } from './lookup.ts'

/** Asks a node. @returns Undefined where it did not answer. Must not reject. */
export type Ask = (node: NodeRecord) => Promise<readonly NodeRecord[] | undefined>

/** A lookup under way: as many questions at once as the lookup wants, and no more than somebody waits for. */
export class Search {
  readonly #lookup: Lookup
  readonly #ask: Ask
  /** At most α. */
  readonly #asking = new Set<Promise<void>>()
  #found: NodeRecord[] = []

  constructor(lookup: Lookup, ask: Ask) {
    this.#lookup = lookup
    this.#ask = ask
  }

  get isDone(): boolean {
    return this.#lookup.isDone
  }

  /** The nearest nodes heard of, nearest first, at most 16. */
  get closest(): NodeRecord[] {
    return this.#lookup.closest
  }

  /** Asks on, and waits for one answer. @returns Nodes heard of for the first time since the last step. */
  async step(): Promise<NodeRecord[]> {
    for (const node of this.#lookup.next()) {
      const asking = this.#question(node).finally(() => this.#asking.delete(asking))
      this.#asking.add(asking)
    }
    await Promise.race(this.#asking)
    const found = this.#found
    this.#found = []
    return found
  }

  async #question(node: NodeRecord): Promise<void> {
    const found = await this.#ask(node)
    if (found === undefined) this.#lookup.failed(node.nodeId)
    else this.#found.push(...this.#lookup.answered(node.nodeId, found))
  }
}
