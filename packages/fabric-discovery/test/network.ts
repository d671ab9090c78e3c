import { type Discovery, type DiscoveryOptions, discovery, type PeerInfo } from '@kumiko/fabric-discovery'
import { type ChaincodeDefinition, definitionRecord, recordWrites, type StaticCollection } from '@kumiko/fabric-lifecycle'
import { type ChannelBundle, type IdentitySigner, parsePolicy, X509Msp } from '@kumiko/fabric-msp'
import { ApplicationPolicyMessage, type Block, ChaincodeCall } from '@kumiko/fabric-protocol'
import { must } from '@kumiko/testkit'
import { Authority, bundleOf, channelProfile, collection, genesisOf, signaturePolicyBytes } from '@kumiko/testkit/fabric'

export const CHANNEL_ID = 'testing'

/** A channel of some organisations with two peers each: `Org1MSP`'s are at `org1-1:7051`, `org1-2:7051`. */
export class Network {
  readonly authorities: readonly Authority[]
  readonly signers: readonly IdentitySigner[]
  /** All of them run all chaincodes. */
  readonly peers: PeerInfo[] = []
  readonly bundle: ChannelBundle<X509Msp>
  readonly localMsp: X509Msp
  readonly discovery: Discovery
  readonly #state = new Map<string, Uint8Array>()

  private constructor(parts: Pick<Network, 'authorities' | 'signers' | 'bundle' | 'localMsp'>, options: Partial<DiscoveryOptions>) {
    this.authorities = parts.authorities
    this.signers = parts.signers
    this.bundle = parts.bundle
    this.localMsp = parts.localMsp
    const query = async () => ({
      getStates: async (_: string, keys: readonly string[]) => keys.map((key) => this.#state.get(key)),
      close: async () => {},
    })
    const channel = (channelId: string) => (channelId === CHANNEL_ID ? { channelId, bundle: parts.bundle, ledger: { query } } : undefined)
    this.discovery = discovery({
      localMsp: parts.localMsp,
      channel,
      peers: () => this.peers,
      localPeers: () => this.peers,
      random: () => 0,
      ...options,
    })
  }

  static async make(organizations: number, options: Partial<DiscoveryOptions> = {}): Promise<Network> {
    const ordering = await Authority.found('OrdererMSP')
    const authorities = await Promise.all(Array.from({ length: organizations }, (_, index) => Authority.found(`Org${index + 1}MSP`)))
    const signers = await Promise.all(authorities.flatMap((authority) => [authority.member('peer'), authority.member('peer')]))
    const bundle = bundleOf(CHANNEL_ID, await genesisBlock(ordering, authorities))
    const localMsp = must(X509Msp.from(await must(authorities[0]).config(), 'V1_4_3'))
    const network = new Network({ authorities, signers, bundle, localMsp }, options)
    for (const [index, { identity, creator }] of signers.entries()) {
      const { mspId } = identity
      network.peers.push({
        mspId,
        endpoint: `${mspId.replace('MSP', '').toLowerCase()}-${(index % 2) + 1}:7051`,
        identity: creator,
        ledgerHeight: 7n,
        chaincodes: [],
      })
    }
    return network
  }

  /** Defines a chaincode, which all peers run then. @param policy - In Fabric's language, or the name of a channel's. */
  define(chaincode: string, policy: string, collections: readonly StaticCollection[] = []): void {
    const validationParameter = applicationPolicy(policy)
    const definition: ChaincodeDefinition = {
      sequence: 3n,
      endorsementInfo: { version: '1.0', initRequired: false, endorsementPlugin: 'escc' },
      validationInfo: { validationPlugin: 'vscc', validationParameter },
      collections: { config: collections.map((staticCollection) => ({ staticCollection })) },
    }
    for (const { key, value } of must(recordWrites(definitionRecord(chaincode, definition), () => undefined)))
      if (value !== undefined) this.#state.set(key, value)
    this.change(
      () => true,
      (peer) => ({ ...peer, chaincodes: [...peer.chaincodes, { name: chaincode, version: '3' }] }),
    )
  }

  change(isMeant: (peer: PeerInfo) => boolean, change: (peer: PeerInfo) => PeerInfo): void {
    this.peers.splice(0, this.peers.length, ...this.peers.map((peer) => (isMeant(peer) ? change(peer) : peer)))
  }

  /** Layouts with groups by their peers: `org1-1+org1-2 x1`; or why there are none. */
  async layouts(...calls: readonly (Partial<ChaincodeCall> & Pick<ChaincodeCall, 'name'>)[]): Promise<readonly string[] | string> {
    const plan = await this.discovery.endorsementPlan(CHANNEL_ID, { chaincodes: calls.map((call) => ChaincodeCall.create(call)) })
    if ('fault' in plan) return plan.detail ?? ''
    const named = (group: string) => (plan.groups.get(group) ?? []).map(({ endpoint }) => endpoint.replace(':7051', '')).join('+')
    return plan.layouts
      .map((layout) =>
        [...layout]
          .map(([group, quantity]) => `${named(group)} x${quantity}`)
          .sort()
          .join(', '),
      )
      .sort()
  }
}

/** A `common.ApplicationPolicy`'s bytes. */
export function applicationPolicy(policy: string): Uint8Array {
  return ApplicationPolicyMessage.encode(
    policy.startsWith('/') ? { channelConfigPolicyReference: policy } : { signaturePolicy: must(parsePolicy(policy)) },
  )
}

/** A collection of members of organisations. */
export function collectionOf(name: string, members: string, endorsement?: string): StaticCollection {
  return collection(name, {
    memberOrgsPolicy: { signaturePolicy: signaturePolicyBytes(members) },
    endorsementPolicy: endorsement === undefined ? undefined : applicationPolicy(endorsement),
  })
}

async function genesisBlock(ordering: Authority, authorities: readonly Authority[]): Promise<Block> {
  const { application, ...profile } = channelProfile(
    { ...(await ordering.profile()), ordererEndpoints: ['orderer1:7050', '[::1]:7051', 'nonsense'] },
    await Promise.all(authorities.map((authority) => authority.profile())),
  )
  const implicit = (rule: string) => ({ type: 'ImplicitMeta', rule }) as const
  const more = { All: implicit('ALL Endorsement'), Any: implicit('ANY Endorsement'), Odd: implicit('ANY Missing') }
  const policies = { ...application.policies, ...more }
  return genesisOf(CHANNEL_ID, { ...profile, application: { ...application, policies } })
}
