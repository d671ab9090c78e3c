import { randomBytes as systemBytes } from 'node:crypto'
import { type ChannelProfile, genesisBlock, type OrganizationProfile, type PolicyProfiles } from '@kumiko/fabric-msp'
import type { Millis, RandomBytes } from '@kumiko/interface'
import type { Organization } from '../crypto/organization.ts'

/** How transactions become blocks. */
export interface BatchOptions {
  /** A block is cut so long after its first transaction. Default 10: a client who waits for each of its transactions waits that long. */
  readonly timeoutMs?: number
  /** Or when it has so many. Default 100. */
  readonly transactionsMax?: number
}

/** A channel to be. */
export interface ChannelOptions {
  readonly channelId: string
  readonly peerOrganizations: readonly Organization[]
  readonly ordererOrganization: Organization
  /** `host:port` of the orderers. */
  readonly ordererAddresses: readonly string[]
  /** `host:port` of each organisation's anchor peer, by MSP id. Default: none. */
  readonly anchorPeers?: ReadonlyMap<string, string>
  readonly batch?: BatchOptions
  /** Unix milliseconds; seconds count. */
  readonly now: Millis
  /** For the block's nonce. */
  readonly randomBytes?: RandomBytes
}

const META = (rule: string) => ({ type: 'ImplicitMeta', rule }) as const
const SIGNATURE = (rule: string) => ({ type: 'Signature', rule }) as const

const COMMON_POLICIES: PolicyProfiles = { Readers: META('ANY Readers'), Writers: META('ANY Writers'), Admins: META('MAJORITY Admins') }

const MAJORITY = META('MAJORITY Endorsement')

/** The channel that `test-network` of fabric-samples has: the same policies and capabilities. */
export function channelProfile(options: ChannelOptions): ChannelProfile {
  const { batch = {}, ordererOrganization, ordererAddresses, peerOrganizations } = options
  return {
    policies: COMMON_POLICIES,
    capabilities: ['V2_0'],
    orderer: {
      policies: { ...COMMON_POLICIES, BlockValidation: META('ANY Writers') },
      organizations: [{ ...ordererProfile(ordererOrganization), ordererEndpoints: ordererAddresses }],
      batchSize: { maxMessageCount: batch.transactionsMax ?? 100, absoluteMaxBytes: 99 * 1024 * 1024, preferredMaxBytes: 512 * 1024 },
      batchTimeout: `${batch.timeoutMs ?? 10}ms`,
      consensus: { type: 'solo' },
      capabilities: ['V2_0'],
    },
    application: {
      policies: { ...COMMON_POLICIES, LifecycleEndorsement: MAJORITY, Endorsement: MAJORITY },
      organizations: peerOrganizations.map((each) => peerProfile(each, options.anchorPeers?.get(each.mspId))),
      capabilities: ['V2_5'],
    },
  }
}

/** Block 0 of {@link channelProfile}, as `common.Block`. @throws KumikoError `fabric-msp/bad-profile` for a channel's name that is none. */
export function channelGenesis(options: ChannelOptions): Uint8Array {
  const { channelId, now, randomBytes = systemBytes } = options
  return genesisBlock(channelId, channelProfile(options), {
    nonce: new Uint8Array(randomBytes(24)),
    seconds: BigInt(Math.floor(now / 1000)),
  })
}

function ordererProfile({ mspId, mspConfig }: Organization): OrganizationProfile {
  const members = SIGNATURE(`OR('${mspId}.member')`)
  const policies = { Readers: members, Writers: members, Admins: SIGNATURE(`OR('${mspId}.admin')`) }
  return { name: mspId, msp: mspConfig, policies }
}

function peerProfile({ mspId, mspConfig }: Organization, anchorPeer: string | undefined): OrganizationProfile {
  const anyOf = (...units: readonly string[]) => SIGNATURE(`OR(${units.map((unit) => `'${mspId}.${unit}'`).join(', ')})`)
  const policies = {
    Readers: anyOf('admin', 'peer', 'client'),
    Writers: anyOf('admin', 'client'),
    Admins: anyOf('admin'),
    Endorsement: anyOf('peer'),
  }
  return { name: mspId, msp: mspConfig, policies, ...(anchorPeer !== undefined && { anchorPeers: [anchorOf(anchorPeer)] }) }
}

function anchorOf(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) }
}
