import type { EndorsementPlan, PeerInfo } from '@kumiko/fabric-discovery'
import type { Random } from '@kumiko/interface'
import type { EndorserGroups } from './endorsement-rounds.ts'

/** An endorser that a gateway can ask. */
export interface Candidate {
  readonly mspId: string
  /** `host:port`; the peer itself is told by this too. */
  readonly address: string
  /** How many blocks of the channel it has. */
  readonly height: bigint
}

/**
 * Peers of an organisation, the best first: the one with most blocks, for it has what a client saw last; of equals the peer itself.
 * @see Fabric `internal/pkg/gateway/registry.go` sorter
 */
function bestFirst<C extends Candidate>(candidates: readonly C[], ownAddress: string): readonly C[] {
  return candidates.toSorted((a, b) => {
    if (a.height !== b.height) return a.height > b.height ? -1 : 1
    return Number(b.address === ownAddress) - Number(a.address === ownAddress)
  })
}

/** By organisation, the best first. */
export function byOrganization<C extends Candidate>(candidates: readonly C[], ownAddress: string): ReadonlyMap<string, readonly C[]> {
  return Map.groupBy(bestFirst(candidates, ownAddress), ({ mspId }) => mspId)
}

/**
 * Whom to ask for an evaluation, the best first: those of the own organisation, then the others by their number of blocks.
 * @param targets - The organisations that may be asked; empty: all.
 * @see Fabric `internal/pkg/gateway/registry.go` evaluator
 */
export function evaluators<C extends Candidate>(
  organizations: ReadonlyMap<string, readonly C[]>,
  ownMspId: string,
  targets: readonly string[],
): readonly C[] {
  const asked = targets.length === 0 ? [...organizations.keys()] : [...new Set(targets)]
  const others = asked.filter((mspId) => mspId !== ownMspId).flatMap((mspId) => organizations.get(mspId) ?? [])
  return [...(asked.includes(ownMspId) ? (organizations.get(ownMspId) ?? []) : []), ...bestFirst(others, '')]
}

/**
 * One endorser of each of these organisations.
 * @returns The organisations that have none, where there are any.
 * @see Fabric `internal/pkg/gateway/registry.go` planForOrgs
 */
export function oneOfEach<C extends Candidate>(
  organizations: ReadonlyMap<string, readonly C[]>,
  mspIds: readonly string[],
): EndorserGroups<C> | { readonly missing: readonly string[] } {
  const missing = mspIds.filter((mspId) => !organizations.has(mspId))
  if (missing.length > 0) return { missing }
  const groups = new Map(mspIds.map((mspId) => [mspId, organizations.get(mspId) ?? []]))
  return { groups, layouts: [new Map(mspIds.map((mspId) => [mspId, 1]))] }
}

/** What a plan's peers are made of. */
export interface PlanOptions<C extends Candidate> {
  /** Undefined where a peer cannot be reached. */
  readonly candidate: (peer: PeerInfo) => C | undefined
  /** It has answered already: layouts that count its answer come first. */
  readonly preferred: C | undefined
  readonly ownAddress: string
  readonly random: Random
}

/**
 * A plan of discovery's with the peers that can be reached: layouts that these cannot fulfil are left out, those that the preferred endorser's
 * group is in come first, and each of the two kinds is shuffled, to spread the load.
 * @returns The addresses of the peers that cannot be reached, where no layout is left.
 * @see Fabric `internal/pkg/gateway/registry.go` endorsementPlan
 */
export function groupsOfPlan<C extends Candidate>(
  plan: Pick<EndorsementPlan, 'groups' | 'layouts'>,
  { candidate, preferred, ownAddress, random }: PlanOptions<C>,
): EndorserGroups<C> | { readonly unavailable: readonly string[] } {
  const unavailable = new Set<string>()
  const groups = new Map<string, readonly C[]>()
  for (const [group, peers] of plan.groups) {
    const found = peers.map((peer) => ({ peer, reached: candidate(peer) }))
    for (const { peer, reached } of found) if (reached === undefined) unavailable.add(peer.endpoint)
    const reached = found.flatMap((one) => one.reached ?? [])
    groups.set(group, bestFirst(reached, ownAddress))
  }
  const possible = plan.layouts.filter(
    (layout) => layout.size > 0 && [...layout].every(([group, count]) => count <= (groups.get(group)?.length ?? 0)),
  )
  if (possible.length === 0) return { unavailable: [...unavailable] }
  const isPreferred = (group: string): boolean => groups.get(group)?.some(({ address }) => address === preferred?.address) ?? false
  const [first, others] = partition(possible, (layout) => [...layout.keys()].some(isPreferred))
  return { groups, layouts: [...shuffled(first, random), ...shuffled(others, random)] }
}

/** Fisher and Yates. */
export function shuffled<T>(items: readonly T[], random: Random): readonly T[] {
  const left = [...items]
  return items.flatMap(() => left.splice(Math.floor(random() * left.length), 1))
}

function partition<T>(items: readonly T[], belongs: (item: T) => boolean): readonly [readonly T[], readonly T[]] {
  return [items.filter(belongs), items.filter((item) => !belongs(item))]
}
