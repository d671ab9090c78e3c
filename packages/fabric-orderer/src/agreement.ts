import { equalBytes } from '@kumiko/fabric-protocol'

/** What most replicas of a log say of an entry. */
export interface AgreedEntry {
  readonly sequence: bigint
  /** Undefined where most have later entries, and not this one. */
  readonly bytes: Uint8Array | undefined
  /** Replicas that say otherwise, and had not before. */
  readonly dissenters: readonly string[]
}

/**
 * Entries that a replica may be ahead of what is agreed, and those that are kept for one that is behind. Three readers ask for as many, so that all hold
 * no more than one did that asked for 64.
 */
export const AHEAD_MAX = 16

type Said = Map<string, Uint8Array | undefined>

/**
 * A log of which each of its replicas tells what it has: an entry is the log's when most of them have the same. A replica that came back from a crash with
 * entries of its own, or lost some, is outvoted so: two readers never take two entries for one as long as most of those that made it one keep it. Holds 16 entries ahead,
 * each once for all who say the same, and the last 16.
 */
export class Agreement {
  /** By the entries' numbers, from the next one on. */
  readonly #said = new Map<bigint, Said>()
  /** The last that were agreed on. */
  readonly #agreed = new Map<bigint, Uint8Array | undefined>()
  /** Replicas that ever said otherwise than was agreed. These three are bounded by the replicas. */
  readonly #dissenters = new Set<string>()
  /** Those that say otherwise of the last entry that was agreed on. */
  readonly #contradicting = new Set<string>()
  /** Those that told as far as what is agreed on. */
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

  /** Can no next entry have a quorum any more, whatever those say that are not heard yet? */
  get isSplit(): boolean {
    const said = this.#said.get(this.#next)
    if (said === undefined) return false
    const most = Math.max(0, ...[...said.values()].map((bytes) => votesFor(said, bytes)))
    return most + this.#replicas - said.size < this.quorum
  }

  /** Do most say otherwise of the last entry that was agreed on? Then this is another log: no entry of it is taken. */
  get isContradicted(): boolean {
    return this.#contradicting.size >= this.quorum
  }

  /** Has a replica told as far as what is agreed on, since it is heard? Else it is shorter, or has not told yet. */
  hasReached(replica: string): boolean {
    return this.#next === 1n || this.#reaching.has(replica)
  }

  /** Replicas that must say the same. */
  get quorum(): number {
    return Math.floor(this.#replicas / 2) + 1
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
    return sequence < this.#next + BigInt(AHEAD_MAX)
  }

  /**
   * A replica tells what it has: its last word counts. What there is no room for goes.
   * @param bytes - Kept; undefined where it has later entries, and not this one.
   * @returns Does it say otherwise than was agreed, and had not before?
   */
  hear(replica: string, sequence: bigint, bytes: Uint8Array | undefined): boolean {
    if (sequence >= this.#next - 1n) this.#reaching.add(replica)
    if (sequence < this.#next) return this.#agreed.has(sequence) && this.#compare(replica, sequence, bytes)
    if (!this.hasRoom(sequence)) return false
    const said = this.#said.get(sequence) ?? new Map<string, Uint8Array | undefined>()
    // What others say too is held once.
    const same = [...said.values()].find((other) => isSame(bytes, other))
    said.set(replica, same ?? bytes)
    this.#said.set(sequence, said)
    return false
  }

  /** A replica is not heard any more: what it said does not count. */
  forget(replica: string): void {
    this.#reaching.delete(replica)
    this.#contradicting.delete(replica)
    for (const said of this.#said.values()) said.delete(replica)
  }

  /** @returns The next entry, once; undefined where there is none yet that most agree on. */
  take(): AgreedEntry | undefined {
    const sequence = this.#next
    const said = this.#said.get(sequence)
    if (said === undefined || this.isContradicted) return
    for (const bytes of said.values()) {
      if (votesFor(said, bytes) < this.quorum) continue
      this.#contradicting.clear()
      const others = [...said].filter(([, other]) => other !== bytes).map(([replica]) => replica)
      for (const replica of others) this.#contradicting.add(replica)
      this.#said.delete(sequence)
      this.#agreed.set(sequence, bytes)
      this.#agreed.delete(sequence - BigInt(AHEAD_MAX))
      this.#next++
      return { sequence, bytes, dissenters: others.filter((replica) => this.#isNew(replica)) }
    }
    return
  }

  #compare(replica: string, sequence: bigint, bytes: Uint8Array | undefined): boolean {
    if (isSame(this.#agreed.get(sequence), bytes)) return false
    if (sequence === this.#next - 1n) this.#contradicting.add(replica)
    return this.#isNew(replica)
  }

  #isNew(dissenter: string): boolean {
    const isNew = !this.#dissenters.has(dissenter)
    this.#dissenters.add(dissenter)
    return isNew
  }
}

function votesFor(said: Said, bytes: Uint8Array | undefined): number {
  return [...said.values()].filter((other) => other === bytes).length
}

function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one === other || (one !== undefined && other !== undefined && equalBytes(one, other))
}
