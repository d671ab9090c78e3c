import type { Millis, NodeId, NodeRecord, Random } from '@kumiko/interface'
import type { Table, TableChange } from './table.ts'

/** Nodes that have yet to prove themselves are checked one by one, on average every half of this. */
const FAST_MS = 3000

/** And those that answered. */
const SLOW_MS = 9000

/** Tells what a node answers when checked. */
export interface CheckEffect {
  /** Ping the node, and tell `answered` or `unanswered`. */
  readonly do: 'ping'
  readonly node: NodeRecord
}

/**
 * Checks that the nodes of a table are still there, as go-ethereum does: new and failing nodes on a fast list, those that answered on a slow
 * one; from each a node is picked at random, again and again. Bounded by the table: each of its nodes is on one list.
 */
export class Revalidation {
  readonly #table: Table
  readonly #random: Random
  readonly #fast = new CheckList(FAST_MS)
  readonly #slow = new CheckList(SLOW_MS)
  /** Nodes that were pinged and have neither answered nor failed. */
  readonly #active = new Set<NodeId>()

  constructor(table: Table, random: Random) {
    this.#table = table
    this.#random = random
  }

  /** When {@link expire} is due; `Infinity` if never. */
  get deadline(): Millis {
    return Math.min(this.#fast.dueAt, this.#slow.dueAt)
  }

  /** How many nodes are on each list. */
  get sizes(): { readonly fast: number; readonly slow: number } {
    return { fast: this.#fast.size, slow: this.#slow.size }
  }

  /** Takes note of what became of the table: to be told of every change, in order. */
  observe(changes: readonly TableChange[], now: Millis): void {
    for (const change of changes) {
      const id = change.node.nodeId
      if (change.do === 'removed') this.#forget(id)
      else if (change.do === 'added' || change.isMoved) this.#put(this.#fast, id, now)
    }
  }

  /** Whom to ping now: at most one node of each list. */
  expire(now: Millis): CheckEffect[] {
    return [this.#fast, this.#slow].flatMap((list) => {
      if (list.dueAt > now) return []
      const id = list.pick(this.#random)
      list.schedule(now, this.#random)
      const node = id === undefined || this.#active.has(id) ? undefined : this.#table.get(id)
      if (node === undefined) return []
      this.#active.add(node.nodeId)
      return [{ do: 'ping', node }]
    })
  }

  /**
   * A node answered the ping. Who did not have to is not heard.
   *
   * @param record - Its record, where a newer one came with the answer.
   */
  answered(id: NodeId, record: NodeRecord | undefined, now: Millis): TableChange[] {
    if (!this.#active.delete(id)) return []
    const changes = this.#table.answered(id, record)
    this.#put(this.#slow, id, now)
    this.observe(changes, now)
    return changes
  }

  /** A node did not answer the ping in time. */
  unanswered(id: NodeId, now: Millis): TableChange[] {
    if (!this.#active.delete(id)) return []
    const changes = this.#table.unanswered(id)
    this.#put(this.#fast, id, now)
    this.observe(changes, now)
    return changes
  }

  #put(list: CheckList, id: NodeId, now: Millis): void {
    const other = list === this.#fast ? this.#slow : this.#fast
    other.remove(id)
    list.add(id, now, this.#random)
  }

  #forget(id: NodeId): void {
    this.#active.delete(id)
    this.#fast.remove(id)
    this.#slow.remove(id)
  }
}

/** Nodes that are checked equally often. */
class CheckList {
  readonly #intervalMs: Millis
  readonly #ids: NodeId[] = []
  #dueAt: Millis = Number.POSITIVE_INFINITY

  constructor(intervalMs: Millis) {
    this.#intervalMs = intervalMs
  }

  get dueAt(): Millis {
    return this.#dueAt
  }

  get size(): number {
    return this.#ids.length
  }

  add(id: NodeId, now: Millis, random: Random): void {
    if (this.#ids.includes(id)) return
    this.#ids.push(id)
    if (this.#dueAt === Number.POSITIVE_INFINITY) this.schedule(now, random)
  }

  remove(id: NodeId): void {
    const at = this.#ids.indexOf(id)
    if (at >= 0) this.#ids.splice(at, 1)
    if (this.#ids.length === 0) this.#dueAt = Number.POSITIVE_INFINITY
  }

  pick(random: Random): NodeId | undefined {
    return this.#ids[Math.floor(random() * this.#ids.length)]
  }

  /** At any moment within the interval, so that nobody can tell when a node is checked. Always in the future. */
  schedule(now: Millis, random: Random): void {
    this.#dueAt = now + 1 + random() * (this.#intervalMs - 1)
  }
}
