import { type ChannelBundle, compileSignaturePolicy } from '@kumiko/fabric-msp'
import {
  type MspPrincipalMessage,
  MspRoleMessage,
  OrganizationUnitMessage,
  SignaturePolicyEnvelope,
  type SignaturePolicyRule,
} from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import type { CollectionConfigPackage, StaticCollection } from './collection.ts'
import { refused } from './lifecycle-state.ts'

const CHAINCODE_NAME = /^[a-zA-Z0-9]+([-_][a-zA-Z0-9]+)*$/
const CHAINCODE_VERSION = /^[A-Za-z0-9_.+-]+$/
const COLLECTION_NAME = /^[A-Za-z0-9-][A-Za-z0-9_-]*$/
const SYSTEM_NAMES: ReadonlySet<string> = new Set(['cscc', 'escc', 'lscc', 'qscc', 'vscc'])
const [ROLE, ORGANIZATION_UNIT, IDENTITY] = [0, 1, 2]

/** `msp.MSPPrincipal.Classification` that members are not told by, by number, as Go prints them. */
const OTHER_CLASSIFICATIONS: ReadonlyMap<number, string> = new Map([
  [3, 'ANONYMITY'],
  [4, 'COMBINED'],
])

/** A definition as far as it must keep the rules of approving and committing. */
export interface RuledDefinition {
  readonly chaincode: string
  readonly version: string
  readonly collections: CollectionConfigPackage
}

/**
 * Refuses names, versions and collections that no chaincode may have.
 * @throws KumikoError `fabric-lifecycle/refused` with Fabric's words.
 * @see Fabric `core/chaincode/lifecycle/scc.go` validateInput
 */
export function assertDefinition({ chaincode, version, collections }: RuledDefinition, channel: Pick<ChannelBundle, 'msps'>): void {
  if (!CHAINCODE_NAME.test(chaincode)) {
    throw invalid(
      `invalid chaincode name '${chaincode}'. Names can only consist of alphanumerics, '_', and '-' and can only begin with alphanumerics`,
    )
  }
  if (SYSTEM_NAMES.has(chaincode)) throw invalid(`chaincode name '${chaincode}' is the name of a system chaincode`)
  if (!CHAINCODE_VERSION.test(version)) {
    throw invalid(`invalid chaincode version '${version}'. Versions can only consist of alphanumerics, '_', '-', '+', and '.'`)
  }
  assertCollections(staticCollections(collections), channel)
}

/**
 * Refuses collections that leave out one that is committed, or change how long its data lives.
 * @param collections - That {@link assertDefinition} let pass.
 * @throws KumikoError `fabric-lifecycle/refused` with Fabric's words.
 */
export function assertCollectionsKept(collections: CollectionConfigPackage, committed: CollectionConfigPackage): void {
  assertKept(staticCollections(collections), committed)
}

function staticCollections({ config }: CollectionConfigPackage): readonly StaticCollection[] {
  return config.map(({ staticCollection }) => {
    if (staticCollection === undefined) throw invalid('collection config contains unexpected payload type: <nil>')
    return staticCollection
  })
}

function assertCollections(collections: readonly StaticCollection[], channel: Pick<ChannelBundle, 'msps'>): void {
  const names = new Set<string>()
  for (const collection of collections) {
    const { name, requiredPeerCount, maximumPeerCount } = collection
    if (!COLLECTION_NAME.test(name)) {
      throw invalid(`invalid collection name '${name}'. Names can only consist of alphanumerics, '_', and '-' and cannot begin with '_'`)
    }
    if (names.has(name)) throw wrong(name, 'found duplicate in collection configuration')
    names.add(name)
    if (maximumPeerCount < requiredPeerCount) {
      throw wrong(name, `maximum peer count (${maximumPeerCount}) cannot be less than the required peer count (${requiredPeerCount})`)
    }
    if (requiredPeerCount < 0) throw wrong(name, `requiredPeerCount (${requiredPeerCount}) cannot be less than zero`)
    assertMembers(collection, channel)
  }
}

function assertMembers({ name, memberOrgsPolicy }: StaticCollection, channel: Pick<ChannelBundle, 'msps'>): void {
  if (memberOrgsPolicy === undefined) throw invalid(`collection member policy is not set for collection '${name}'`)
  if (memberOrgsPolicy.signaturePolicy === undefined) throw invalid(`collection member org policy is empty for collection '${name}'`)
  const envelope = SignaturePolicyEnvelope.decode(memberOrgsPolicy.signaturePolicy)
  const policy = isFault(envelope) ? envelope : compileSignaturePolicy(envelope)
  if (isFault(envelope) || isFault(policy)) {
    throw invalid(`invalid member org policy for collection '${name}': ${isFault(policy) ? (policy.detail ?? policy.fault) : ''}`)
  }
  const problem = alternativesProblem(envelope.rule)
  if (problem !== undefined) throw wrong(name, `error in member org policy: ${problem}`)
  for (const principal of envelope.identities) {
    const stranger = strangerProblem(principal, channel)
    if (stranger !== undefined) throw wrong(name, stranger)
  }
}

/** Rules nest as deep as the policy's compiler allows. */
function alternativesProblem(rule: SignaturePolicyRule | undefined): string | undefined {
  if (rule?.nOutOf === undefined) return
  if (rule.nOutOf.n !== 1) return `signature policy is not an OR concatenation, NOutOf ${rule.nOutOf.n}`
  for (const part of rule.nOutOf.rules) {
    const problem = alternativesProblem(part)
    if (problem !== undefined) return problem
  }
  return
}

function strangerProblem(
  { principalClassification, principal }: MspPrincipalMessage,
  { msps }: Pick<ChannelBundle, 'msps'>,
): string | undefined {
  if (principalClassification === ROLE) {
    const role = MspRoleMessage.decode(principal)
    return isFault(role) ? 'cannot unmarshal identity bytes into MSPRole' : memberProblem(role.mspIdentifier, msps)
  }
  if (principalClassification === ORGANIZATION_UNIT) {
    const unit = OrganizationUnitMessage.decode(principal)
    return isFault(unit) ? 'cannot unmarshal identity bytes into OrganizationUnit' : memberProblem(unit.mspIdentifier, msps)
  }
  if (principalClassification !== IDENTITY) {
    return `principal type ${OTHER_CLASSIFICATIONS.get(principalClassification) ?? principalClassification} is not supported`
  }
  return isFault(msps.deserialize(principal)) ? 'contains an identity that is not part of the channel' : undefined
}

function memberProblem(mspId: string, msps: ChannelBundle['msps']): string | undefined {
  return msps.msp(mspId) === undefined ? `collection member '${mspId}' is not part of the channel` : undefined
}

function assertKept(proposed: readonly StaticCollection[], committed: CollectionConfigPackage): void {
  if (committed.config.length === 0) return
  if (proposed.length === 0) throw invalid('the proposed collection config does not contain previously defined collections')
  const byName = new Map(proposed.map((collection) => [collection.name, collection]))
  for (const { staticCollection } of committed.config) {
    if (staticCollection === undefined) throw invalid('unknown collection configuration type')
    const { name, blockToLive } = staticCollection
    const kept = byName.get(name)
    if (kept === undefined) throw invalid(`existing collection [${name}] missing in the proposed collection configuration`)
    if (kept.blockToLive !== blockToLive) {
      throw invalid(`the BlockToLive in an existing collection [${name}] modified. Existing value [${blockToLive}]`)
    }
  }
}

function wrong(collection: string, problem: string): Error {
  return invalid(`collection-name: ${collection} -- ${problem}`)
}

function invalid(message: string): Error {
  return refused(`error validating chaincode definition: ${message}`)
}
