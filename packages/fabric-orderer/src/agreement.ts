import { equalBytes } from '@kumiko/fabric-protocol'

/** What most replicas of a log say of an entry. */
export interface AgreedEntry {
  readonly sequence: bigint
  /** Undefined where most have later entries, and not this one. */
  readonly bytes: Uint8Array | undefined
}

/** Entries that a replica may be ahead of what is agreed, and those that are kept for one that is behind. */
const AHEAD_MAX = 16n

type Said = Map<string, Uint8Array | undefined>

/**
 * A log of which each of its replicas tells what it has: an entry is the log's when most of them have the same. A replica that came back from a crash with
 * entries of its own, or lost some, is outvoted so: as long as most keep what they have, two readers never take two entries for one. Holds 16 entries ahead,
 * each once for all who say the same, and the last 16.
 */
export class Agreement {
  /** By the entries' numbers, from the next one on. */
  readonly #said = new Map<bigint, Said>()
  /** The last that were agreed on. */
  readonly #agreed = new Map<bigint, Uint8Array | undefined>()
  /** Bounded by the replicas, as the next. */
  readonly #dissenters = new Map<string, bigint>()
  readonly #reaching = new Set<string>()
  #next: bigint
  #replicas: number

  /**
   * @param next - The number of the first entry that is asked for.
   * @param replicas - As {@link resize}.
   */
  constructor(next: bigint, replicas: number) {
    this.#next = next
    this.#replicas = replicas
  }

  /** The number of the entry that is to be agreed on. */
  get next(): bigint {
    return this.#next
  }

  /** Have so many told of the next entry, each another, that those who have not cannot make most of any? */
  get isSplit(): boolean {
    const said = this.#said.get(this.#next)
    if (said === undefined) return false
    const most = Math.max(0, ...[...said.values()].map((bytes) => votesFor(said, bytes)))
    return most + this.#replicas - said.size < this.quorum
  }

  /** Has a replica told of the last entry that was agreed on, or of a later one? Else it is shorter than what was read, or has not told yet. */
  reaches(replica: string): boolean {
    return this.#next === 1n || this.#reaching.has(replica)
  }

  /** Replicas that must say the same. */
  get quorum(): number {
    return Math.floor(this.#replicas / 2) + 1
  }

  /** Replicas that told of another entry than was agreed on, and of which one first. */
  get dissenters(): ReadonlyMap<string, bigint> {
    return this.#dissenters
  }

  /** Has a replica told of the next entry? */
  hasHeard(replica: string): boolean {
    return this.#said.get(this.#next)?.has(replica) === true
  }

  /** @param replicas - How many the log has, whether they are heard or not. It never shrinks: fewer would be enough for another entry. */
  resize(replicas: number): void {
    this.#replicas = Math.max(this.#replicas, replicas)
  }

  /** May a replica tell of this entry by now? */
  hasRoom(sequence: bigint): boolean {
    return sequence < this.#next + AHEAD_MAX
  }

  /**
   * A replica tells what it has: its last word counts. What there is no room for goes.
   * @param bytes - Kept; undefined where it has later entries, and not this one.
   */
  hear(replica: string, sequence: bigint, bytes: Uint8Array | undefined): void {
    if (sequence >= this.#next - 1n) this.#reaching.add(replica)
    if (this.#agreed.has(sequence) && !isSame(this.#agreed.get(sequence), bytes)) this.#dissent(replica, sequence)
    if (sequence < this.#next || !this.hasRoom(sequence)) return
    const said = this.#said.get(sequence) ?? new Map<string, Uint8Array | undefined>()
    // What others say too is held once.
    const same = [...said.values()].find((other) => isSame(bytes, other))
    said.set(replica, same ?? bytes)
    this.#said.set(sequence, said)
  }

  /** A replica is heard anew: what it said does not count. */
  forget(replica: string): void {
    this.#reaching.delete(replica)
    for (const said of this.#said.values()) said.delete(replica)
  }

  /** @returns The next entry, once; undefined where there is none yet that most agree on. */
  take(): AgreedEntry | undefined {
    const sequence = this.#next
    const said = this.#said.get(sequence)
    if (said === undefined) return
    for (const bytes of said.values()) {
      if (votesFor(said, bytes) < this.quorum) continue
      for (const [replica, other] of said) if (other !== bytes) this.#dissent(replica, sequence)
      this.#said.delete(sequence)
      this.#agreed.set(sequence, bytes)
      this.#agreed.delete(sequence - AHEAD_MAX)
      this.#next++
      return { sequence, bytes }
    }
    return
  }

  #dissent(replica: string, sequence: bigint): void {
    if (!this.#dissenters.has(replica)) this.#dissenters.set(replica, sequence)
  }
}

function votesFor(said: Said, bytes: Uint8Array | undefined): number {
  return [...said.values()].filter((other) => other === bytes).length
}

function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one === other || (one !== undefined && other !== undefined && equalBytes(one, other))
}
