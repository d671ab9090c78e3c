import { type Endorsement, equalBytes, type ProposalResponse, toHex } from '@kumiko/fabric-protocol'

/** Endorsers by group, each group's best first, and what of each group is enough. */
export interface EndorserGroups<E> {
  readonly groups: ReadonlyMap<string, readonly E[]>
  /** Tried in this order. */
  readonly layouts: readonly ReadonlyMap<string, number>[]
}

/** An endorser that is to be asked, for the group that it is taken of. */
export interface Asked<E> {
  readonly endorser: E
  readonly group: string
}

interface OpenLayout {
  readonly missing: Map<string, number>
  readonly endorsements: Endorsement[]
}

/**
 * Collects endorsements layout by layout: who is to be asked, who takes the place of one that failed, and when it is enough. Asks nobody itself.
 * Endorsements count for all layouts that are not given up, so that none is asked for twice.
 * @see Fabric `internal/pkg/gateway/endorsement.go`
 */
export class EndorsementRounds<E extends { readonly address: string }> {
  /** Who was not asked yet. A peer may be in several groups, and is asked once. */
  #waiting: ReadonlyMap<string, readonly E[]>
  readonly #groups: ReadonlyMap<string, readonly E[]>
  /** Those given up are undefined. */
  readonly #layouts: (OpenLayout | undefined)[]
  #current = 0
  #responsePayload: Uint8Array | undefined
  #collected: readonly Endorsement[] | undefined

  constructor({ groups, layouts }: EndorserGroups<E>) {
    this.#groups = groups
    this.#waiting = groups
    this.#layouts = layouts.map((layout) => ({ missing: new Map(layout), endorsements: [] }))
  }

  /** What all endorsed: a `ProposalResponsePayload`'s bytes. Undefined before the first. */
  get responsePayload(): Uint8Array | undefined {
    return this.#responsePayload
  }

  /** One of each endorser; undefined until they are enough. */
  get collected(): readonly Endorsement[] | undefined {
    return this.#collected
  }

  /** Takes those whom the next layout needs. @returns Undefined where no layout is left. */
  take(): readonly Asked<E>[] | undefined {
    for (; this.#current < this.#layouts.length; this.#current++) {
      const layout = this.#layouts[this.#current]
      const asked = layout && this.#takeAll(layout.missing)
      if (asked !== undefined) return asked
      this.#layouts[this.#current] = undefined
    }
    return
  }

  /** Takes one in place of one that failed. @returns Undefined where the group has no more: {@link giveUp} it when the round is over. */
  next(group: string): Asked<E> | undefined {
    const endorser = this.#waiting.get(group)?.[0]
    if (endorser === undefined) return
    this.#waiting = without(this.#waiting, [endorser])
    return { endorser, group }
  }

  /** Counts an answer. @returns False where it differs from the answers before, and counts for nothing. */
  accept(endorser: E, { payload, endorsement }: Pick<ProposalResponse, 'payload' | 'endorsement'>): boolean {
    this.#waiting = without(this.#waiting, [endorser])
    this.#responsePayload ??= payload
    if (!equalBytes(this.#responsePayload, payload)) return false
    if (endorsement !== undefined) for (const layout of this.#layouts.slice(this.#current)) this.#count(layout, endorser, endorsement)
    return true
  }

  /** Ends a round that was not enough. @param groups - That have nobody left to ask: layouts that need more of them are given up. */
  giveUp(groups: readonly string[]): void {
    for (const [at, layout] of this.#layouts.entries())
      if (at >= this.#current && groups.some((group) => layout?.missing.has(group))) this.#layouts[at] = undefined
    this.#current++
  }

  /** @returns Undefined, and takes nobody, where a group has not enough. */
  #takeAll(missing: ReadonlyMap<string, number>): readonly Asked<E>[] | undefined {
    let waiting = this.#waiting
    const asked: Asked<E>[] = []
    for (const [group, count] of missing) {
      const endorsers = waiting.get(group)?.slice(0, count) ?? []
      if (endorsers.length < count) return
      waiting = without(waiting, endorsers)
      asked.push(...endorsers.map((endorser) => ({ endorser, group })))
    }
    this.#waiting = waiting
    return asked
  }

  /** One endorsement stands for one of a layout's groups, even where the endorser is in several. */
  #count(layout: OpenLayout | undefined, endorser: E, endorsement: Endorsement): void {
    const found = [...(layout?.missing ?? [])].find(([group]) => isAmong(this.#groups.get(group) ?? [], endorser))
    if (layout === undefined || found === undefined) return
    const [group, count] = found
    layout.endorsements.push(endorsement)
    if (count > 1) layout.missing.set(group, count - 1)
    else layout.missing.delete(group)
    if (layout.missing.size === 0) this.#collected ??= distinct(layout.endorsements)
  }
}

function without<E extends { readonly address: string }>(
  groups: ReadonlyMap<string, readonly E[]>,
  endorsers: readonly E[],
): ReadonlyMap<string, readonly E[]> {
  return new Map([...groups].map(([group, members]) => [group, members.filter((member) => !isAmong(endorsers, member))]))
}

function isAmong<E extends { readonly address: string }>(endorsers: readonly E[], { address }: E): boolean {
  return endorsers.some((endorser) => endorser.address === address)
}

function distinct(endorsements: readonly Endorsement[]): readonly Endorsement[] {
  const seen = new Set<string>()
  return endorsements.filter(({ endorser }) => {
    const key = toHex(endorser)
    return !seen.has(key) && seen.add(key)
  })
}
