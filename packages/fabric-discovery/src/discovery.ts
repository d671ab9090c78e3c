import { type ChaincodeDefinition, chaincodeDefinition, LIFECYCLE_NAMESPACE } from '@kumiko/fabric-lifecycle'
import { type ChannelBundle, evaluateSignedData, type Msp } from '@kumiko/fabric-msp'
import type { ChaincodeInterest, ConfigResult, SignedData } from '@kumiko/fabric-protocol'
import { type Fault, isFault, type Random } from '@kumiko/interface'
import { AuthCache } from './auth-cache.ts'
import { isLifecycle, lifecycleDefinition, noMetadata, noPlan } from './chaincode-policies.ts'
import { configResult } from './config-result.ts'
import type { EndorsementPlan, PeerInfo } from './endorsement-plan.ts'
import { eligiblePeers, type PlanSources, planEndorsement } from './plan-endorsement.ts'

/** Reads a channel's state at one height. A ledger's `QueryExecutor` is one. */
export interface DefinitionReader {
  /** One value a key, in their order; undefined where the key is absent. */
  getStates(namespace: string, keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]>
  close(): Promise<void>
}

/** A channel, as far as discovery looks at it. */
export interface DiscoveryChannel {
  readonly channelId: string
  /** As it is configured now. */
  readonly bundle: ChannelBundle
  readonly ledger: {
    /** Where chaincodes are defined. */
    query(): Promise<DefinitionReader>
  }
}

/** What discovery is made of. */
export interface DiscoveryOptions {
  /** The peer's own organisation, of which some may ask for what is of no channel. */
  readonly localMsp: Msp
  /** Undefined where the peer is not on the channel. */
  readonly channel: (channelId: string) => DiscoveryChannel | undefined
  /** The peers of a channel that are alive, this one too. */
  readonly peers: (channelId: string) => readonly PeerInfo[] | Promise<readonly PeerInfo[]>
  /** All peers that are alive, this one too, whatever their channels. Default: none are told of. */
  readonly localPeers?: () => readonly PeerInfo[] | Promise<readonly PeerInfo[]>
  /** Who may ask for {@link localPeers}: default the admins; with true all members (`peer.discovery.orgMembersAllowedAccess`). */
  readonly areMembersAllowed?: boolean
  /** Verdicts kept of each channel about who may ask. Default 1000 (`peer.discovery.authCacheMaxSize`); 0 keeps none. */
  readonly authCacheMax?: number
  /** How many of them are left when there are more. Default 0.75 (`peer.discovery.authCachePurgeRetentionRatio`). */
  readonly authCacheRetentionRatio?: number
  /** Picks what is left out of policies that can be satisfied in too many ways. Default `Math.random`. */
  readonly random?: Random
}

/** Tells what a channel is made of, and who must endorse what. */
export interface Discovery {
  /**
   * Who must endorse what an interest tells of: for a gateway in the same process.
   * @returns `fabric-discovery/no-plan` with Fabric's words in its detail, where nobody can.
   * @throws What reading the state throws.
   */
  endorsementPlan(channelId: string, interest: ChaincodeInterest): Promise<EndorsementPlan | Fault>
  /** A channel's peers. @param filter - Only those that may endorse it. @returns As {@link endorsementPlan}. */
  peers(channelId: string, filter?: ChaincodeInterest): Promise<readonly PeerInfo[] | Fault>
  localPeers(): Promise<readonly PeerInfo[]>
  /** @returns `fabric-discovery/bad-config`, also where the peer is not on the channel. */
  config(channelId: string): ConfigResult | Fault
  /** Whether somebody may ask about a channel, or with `''` about the peer. A channel's are those who may write to it. */
  isEligible(channelId: string, signed: SignedData): boolean
}

/**
 * Makes a peer's discovery.
 * @see Fabric `discovery/service.go`, `discovery/endorsement`, `discovery/support`
 */
export function discovery(options: DiscoveryOptions): Discovery {
  return new PeerDiscovery(options)
}

/** Calls in one interest: each may be of another chaincode, which is read. Fabric has no bound. */
const CALLS_MAX = 1000

const WRITERS = '/Channel/Application/Writers'

class PeerDiscovery implements Discovery {
  readonly #options: DiscoveryOptions
  readonly #auth: AuthCache | undefined

  constructor(options: DiscoveryOptions) {
    const { authCacheMax = 1000, authCacheRetentionRatio = 0.75 } = options
    this.#options = options
    this.#auth = authCacheMax > 0 ? new AuthCache({ entriesMax: authCacheMax, retentionRatio: authCacheRetentionRatio }) : undefined
  }

  async endorsementPlan(channelId: string, interest: ChaincodeInterest): Promise<EndorsementPlan | Fault> {
    const sources = await this.#sources(channelId, interest)
    return isFault(sources) ? sources : planEndorsement(interest, sources)
  }

  async peers(channelId: string, filter?: ChaincodeInterest): Promise<readonly PeerInfo[] | Fault> {
    if (filter === undefined || filter.chaincodes.length === 0) return await this.#options.peers(channelId)
    const sources = await this.#sources(channelId, filter)
    return isFault(sources) ? sources : eligiblePeers(filter, sources)
  }

  async localPeers(): Promise<readonly PeerInfo[]> {
    return (await this.#options.localPeers?.()) ?? []
  }

  config(channelId: string): ConfigResult | Fault {
    const channel = this.#options.channel(channelId)
    if (channel === undefined) return { fault: 'fabric-discovery/bad-config', detail: `could not get last config for channel ${channelId}` }
    return configResult(channel.bundle.config)
  }

  isEligible(channelId: string, signed: SignedData): boolean {
    const bundle = channelId === '' ? undefined : this.#options.channel(channelId)?.bundle
    if (channelId !== '' && bundle === undefined) return false
    const judge = () => (bundle === undefined ? this.#isLocal(signed) : isWriter(bundle, signed))
    return this.#auth === undefined ? judge() : this.#auth.isEligible(channelId, bundle, signed, judge)
  }

  /** @see Fabric `internal/peer/node/start.go` createDiscoveryService */
  #isLocal({ identity, message, signature }: SignedData): boolean {
    const { localMsp, areMembersAllowed = false } = this.#options
    const client = localMsp.deserialize(identity)
    const role = areMembersAllowed ? 'member' : 'admin'
    return !isFault(client) && client.satisfies({ kind: 'role', mspId: localMsp.mspId, role }) && client.verify(message, signature)
  }

  async #sources(channelId: string, { chaincodes }: ChaincodeInterest): Promise<PlanSources | Fault> {
    const { channel: find, peers, random = Math.random } = this.#options
    const channel = find(channelId)
    if (chaincodes.length > CALLS_MAX) return noPlan(`${chaincodes.length} calls are more than ${CALLS_MAX}`)
    if (channel === undefined) return noMetadata(chaincodes[0]?.name ?? '', channelId)
    const { bundle } = channel
    const definitions = await definitionsOf(channel, new Set(chaincodes.map(({ name }) => name)))
    return isFault(definitions) ? definitions : { bundle, definitions, peers: await peers(channelId), random }
  }
}

function isWriter({ policies, msps }: ChannelBundle, signed: SignedData): boolean {
  return evaluateSignedData(policies.policyOrReject(WRITERS), [signed], msps) === undefined
}

async function definitionsOf(
  { ledger, bundle }: DiscoveryChannel,
  chaincodes: ReadonlySet<string>,
): Promise<ReadonlyMap<string, ChaincodeDefinition> | Fault> {
  const definitions = new Map<string, ChaincodeDefinition>()
  const state = await ledger.query()
  try {
    for (const chaincode of chaincodes) {
      const definition = isLifecycle(chaincode)
        ? lifecycleDefinition(bundle)
        : await chaincodeDefinition((keys) => state.getStates(LIFECYCLE_NAMESPACE, keys), chaincode)
      if (isFault(definition)) return noPlan(`could not get info about chaincode ${chaincode}: ${definition.detail ?? definition.fault}`)
      if (definition !== undefined) definitions.set(chaincode, definition)
    }
  } finally {
    await state.close()
  }
  return definitions
}
