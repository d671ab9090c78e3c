import { equalBytes } from '@kumiko/fabric-protocol'

/** What most replicas of a log say of an entry. */
export interface AgreedEntry {
  readonly sequence: bigint
  /** Undefined where most have later entries, and not this one. */
  readonly bytes: Uint8Array | undefined
  /** Replicas that say otherwise. */
  readonly dissenters: readonly string[]
}

/** Entries that a replica may be ahead of what is agreed. */
const AHEAD_MAX = 32n

type Said = Map<string, Uint8Array | undefined>

/**
 * A log of which each of its replicas tells what it has: an entry is the log's when most of them have the same. A replica that came back from a crash with
 * entries of its own, or lost some, is outvoted so, and two who read the same log never take two entries for one. Holds 32 entries ahead, each once for
 * all who say the same.
 */
export class Agreement {
  /** By the entries' numbers, from the next one on. */
  readonly #said = new Map<bigint, Said>()
  /** Bounded by the replicas that are heard. */
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
    const most = Math.max(0, ...[...said.values()].map((bytes) => votersOf(said, bytes).length))
    return most + this.#replicas - said.size < this.quorum
  }

  /** Has a replica told of the last entry that was agreed on, or of a later one? Else its log is shorter than what was read, or it has not told yet. */
  reaches(replica: string): boolean {
    return this.#next === 1n || this.#reaching.has(replica)
  }

  /** Replicas that must say the same. */
  get quorum(): number {
    return Math.floor(this.#replicas / 2) + 1
  }

  /** @param replicas - How many the log has, whether they are heard or not. */
  resize(replicas: number): void {
    this.#replicas = replicas
  }

  /** May a replica tell of this entry by now? */
  hasRoom(sequence: bigint): boolean {
    return sequence < this.#next + AHEAD_MAX
  }

  /**
   * A replica tells what it has: its last word counts. What is agreed on already, and what there is no room for, goes.
   * @param bytes - Kept; undefined where it has later entries, and not this one.
   */
  hear(replica: string, sequence: bigint, bytes: Uint8Array | undefined): void {
    if (sequence >= this.#next - 1n) this.#reaching.add(replica)
    if (sequence < this.#next || !this.hasRoom(sequence)) return
    const said = this.#said.get(sequence) ?? new Map<string, Uint8Array | undefined>()
    // What others say too is held once.
    const same = [...said.values()].find((other) => isSame(bytes, other))
    said.set(replica, same ?? bytes)
    this.#said.set(sequence, said)
  }

  /** A replica is not heard any more: what it said does not count. */
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
      const voters = votersOf(said, bytes)
      if (voters.length < this.quorum) continue
      this.#said.delete(sequence)
      this.#next++
      return { sequence, bytes, dissenters: [...said.keys()].filter((replica) => !voters.includes(replica)) }
    }
    return
  }
}

function votersOf(said: Said, bytes: Uint8Array | undefined): readonly string[] {
  return [...said].filter(([, other]) => other === bytes).map(([replica]) => replica)
}

function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one === other || (one !== undefined && other !== undefined && equalBytes(one, other))
}
