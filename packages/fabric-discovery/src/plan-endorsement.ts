import type { ChaincodeDefinition } from '@kumiko/fabric-lifecycle'
import { type ChannelBundle, type FabricIdentity, principalFrom } from '@kumiko/fabric-msp'
import { type ChaincodeInterest, type MspPrincipalMessage, SignaturePolicyEnvelope, toHex } from '@kumiko/fabric-protocol'
import { type Fault, isFault, type Random } from '@kumiko/interface'
import { callMembers, callPolicies, noMetadata, noPlan } from './chaincode-policies.ts'
import type { EndorsementPlan, Layout, PeerInfo } from './endorsement-plan.ts'
import { mergeSets, type PrincipalSet, principalSets } from './principal-sets.ts'
import { Principals } from './principals.ts'

/** Different policies that one interest may come under: each costs a merge. Fabric has no bound. */
const POLICIES_MAX = 100

/** What a plan is made of. */
export interface PlanSources {
  readonly bundle: Pick<ChannelBundle, 'channelId' | 'config' | 'msps'>
  /** By chaincode's name; of those that are not defined there is none. */
  readonly definitions: ReadonlyMap<string, ChaincodeDefinition>
  readonly peers: readonly PeerInfo[]
  readonly random: Random
}

/**
 * Who must endorse what an interest tells of.
 * @returns `fabric-discovery/no-plan` with Fabric's words, where nobody can.
 * @see Fabric `discovery/endorsement/endorsement.go` PeersForEndorsement
 */
export function planEndorsement(interest: ChaincodeInterest, sources: PlanSources): EndorsementPlan | Fault {
  const policies = interestPolicies(interest, sources)
  if (isFault(policies)) return policies
  const isMember = memberFilter(interest, sources)
  if (isFault(isMember)) return isMember
  const crowd = new Crowd(sources.peers.filter(isMember), sources.bundle)
  const layouts = crowd.layouts(allSets(policies, crowd, sources.random))
  if (layouts.length === 0) return noPlan('no peer combination can satisfy the endorsement policy')
  const groups = new Map<string, readonly PeerInfo[]>()
  for (const group of new Set(layouts.flatMap((layout) => [...layout.keys()]))) {
    const ready = crowd.group(group).filter((peer) => isReady(peer, interest, sources))
    if (ready.length > 0) groups.set(group, ready)
  }
  const possible = layouts.filter((layout) => [...layout].every(([group, quantity]) => quantity <= (groups.get(group)?.length ?? 0)))
  if (possible.length === 0) return noPlan('required chaincodes are not installed on sufficient peers')
  return { chaincode: interest.chaincodes[0]?.name ?? '', groups, layouts: possible }
}

/**
 * The peers that may endorse what an interest tells of: that run its chaincodes, and are members of the collections that it reads. All, where it
 * names no chaincode.
 * @returns `fabric-discovery/no-plan`.
 * @see Fabric `discovery/endorsement/endorsement.go` PeersAuthorizedByCriteria
 */
export function eligiblePeers(interest: ChaincodeInterest, sources: PlanSources): readonly PeerInfo[] | Fault {
  const isMember = memberFilter(interest, sources)
  return isFault(isMember) ? isMember : sources.peers.filter((peer) => isReady(peer, interest, sources) && isMember(peer))
}

function interestPolicies(
  { chaincodes }: ChaincodeInterest,
  { bundle, definitions }: PlanSources,
): readonly SignaturePolicyEnvelope[] | Fault {
  // By their bytes: keys often have the same.
  const distinct = new Map<string, SignaturePolicyEnvelope>()
  for (const call of chaincodes) {
    const definition = definitions.get(call.name)
    const policies = definition === undefined ? noMetadata(call.name, bundle.channelId) : callPolicies(call, definition, bundle)
    if (isFault(policies)) return policies
    for (const policy of policies) {
      distinct.set(toHex(SignaturePolicyEnvelope.encode(policy)), policy)
      if (distinct.size > POLICIES_MAX) return noPlan(`it comes under more than ${POLICIES_MAX} different policies`)
    }
  }
  return [...distinct.values()]
}

function allSets(policies: readonly SignaturePolicyEnvelope[], crowd: Crowd, random: Random): readonly PrincipalSet[] {
  const { principals } = crowd
  const options = { principals, isPresent: (principal: number) => crowd.satisfying(principal).length > 0, random }
  const [first = [], ...others] = policies.map((policy) => principalSets(policy, options))
  return others.reduce((merged, sets) => mergeSets(merged, sets, principals), first)
}

function isReady({ chaincodes }: PeerInfo, interest: ChaincodeInterest, { definitions }: PlanSources): boolean {
  return interest.chaincodes.every(({ name }) => {
    const version = definitions.get(name)?.sequence.toString()
    return chaincodes.some((chaincode) => chaincode.name === name && chaincode.version === version)
  })
}

function memberFilter({ chaincodes }: ChaincodeInterest, { bundle, definitions }: PlanSources): ((peer: PeerInfo) => boolean) | Fault {
  const needed: (readonly MspPrincipalMessage[])[] = []
  for (const call of chaincodes) {
    const definition = definitions.get(call.name)
    const members = definition === undefined ? noMetadata(call.name, bundle.channelId) : callMembers(call, definition)
    if (isFault(members)) return members
    needed.push(...members)
  }
  if (needed.length === 0) return () => true
  return ({ identity }) => {
    const peer = bundle.msps.deserialize(identity)
    return !isFault(peer) && needed.every((principals) => principals.some((principal) => satisfies(peer, principal)))
  }
}

function satisfies(peer: FabricIdentity, message: MspPrincipalMessage): boolean {
  const principal = principalFrom(message)
  return !isFault(principal) && peer.satisfies(principal)
}

/** Peers, by the principals that they satisfy. Bounded by the peers, and the principals of an interest's policies. */
class Crowd {
  readonly principals = new Principals()
  readonly #peers: readonly { readonly peer: PeerInfo; readonly identity: FabricIdentity }[]
  readonly #satisfying = new Map<number, readonly PeerInfo[]>()
  /** Numbers of principals by names of groups. */
  readonly #groups = new Map<string, number>()

  constructor(peers: readonly PeerInfo[], { msps }: Pick<ChannelBundle, 'msps'>) {
    this.#peers = peers.flatMap((peer) => {
      const identity = msps.deserialize(peer.identity)
      return isFault(identity) ? [] : [{ peer, identity }]
    })
  }

  satisfying(principal: number): readonly PeerInfo[] {
    const known = this.#satisfying.get(principal) ?? this.#find(principal)
    this.#satisfying.set(principal, known)
    return known
  }

  group(name: string): readonly PeerInfo[] {
    const principal = this.#groups.get(name)
    return principal === undefined ? [] : this.satisfying(principal)
  }

  /** Those that there are enough peers for. Principals are named in the order that they come. */
  layouts(sets: readonly PrincipalSet[]): readonly Layout[] {
    const names = new Map<number, string>()
    return sets.flatMap((set) => {
      const quantities = new Map<number, number>()
      for (const principal of set) quantities.set(principal, (quantities.get(principal) ?? 0) + 1)
      if ([...quantities].some(([principal, quantity]) => this.satisfying(principal).length < quantity)) return []
      return [new Map([...quantities].map(([principal, quantity]) => [this.#name(principal, names), quantity]))]
    })
  }

  #name(principal: number, names: Map<number, string>): string {
    const name = names.get(principal) ?? `G${names.size}`
    names.set(principal, name)
    this.#groups.set(name, principal)
    return name
  }

  #find(number: number): readonly PeerInfo[] {
    const principal = this.principals.principal(number)
    if (principal === undefined) return []
    return this.#peers.flatMap(({ peer, identity }) => (identity.satisfies(principal) ? [peer] : []))
  }
}
