import { compareDistance } from '@kumiko/identity'
import type { NodeId } from '@kumiko/interface'

/** The nodes nearest to a target, nearest first, each once; at most {@link Nearest.max}. */
export class Nearest<T extends { readonly nodeId: NodeId }> {
  readonly target: NodeId
  readonly max: number
  readonly #items: T[] = []

  constructor(target: NodeId, max: number) {
    this.target = target
    this.max = max
  }

  /** A view: it changes with the next push. */
  get items(): readonly T[] {
    return this.#items
  }

  /** @returns What is not in the list now: the farthest where the list was full, the item itself if it is too far or in already. */
  push(item: T): T | undefined {
    const last = this.#items[this.max - 1]
    if (last !== undefined && compareDistance(this.target, last.nodeId, item.nodeId) < 0) return item
    const at = this.#position(item.nodeId)
    const held = this.#items[at]
    if (at >= this.max || held?.nodeId === item.nodeId) return item
    this.#items.splice(at, 0, item)
    return this.#items.length > this.max ? this.#items.pop() : undefined
  }

  /** Takes an item out by its index. */
  removeAt(index: number): void {
    this.#items.splice(index, 1)
  }

  /** The index of the first item that is no nearer than `id`. */
  #position(id: NodeId): number {
    let low = 0
    let high = this.#items.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const other = this.#items[middle]
      if (other !== undefined && compareDistance(this.target, other.nodeId, id) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
