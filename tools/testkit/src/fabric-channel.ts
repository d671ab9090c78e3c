import type { StaticCollection } from '@kumiko/fabric-lifecycle'
import {
  type ChannelBundle,
  type ChannelProfile,
  channelBundle,
  channelMsp,
  genesisBlock,
  type OrganizationProfile,
  parsePolicy,
  readConfigTransaction,
  type X509Msp,
} from '@kumiko/fabric-msp'
import { type Block, type FabricMspConfig, readBlock, SignaturePolicyEnvelope } from '@kumiko/fabric-protocol'
import { must } from './must.ts'

const implicit = (rule: string) => ({ type: 'ImplicitMeta', rule }) as const
const signature = (rule: string) => ({ type: 'Signature', rule }) as const
const STANDARD = { Readers: implicit('ANY Readers'), Writers: implicit('ANY Writers'), Admins: implicit('MAJORITY Admins') }

/** An organisation of a channel, named for its MSP: all its members read, all but its peers write, its admins administrate, its peers endorse. */
export function organizationProfile(mspId: string, msp: FabricMspConfig): OrganizationProfile {
  return {
    name: mspId.replace('MSP', ''),
    msp,
    policies: {
      Readers: signature(`OR('${mspId}.member')`),
      Writers: signature(`OR('${mspId}.admin', '${mspId}.client', '${mspId}.orderer')`),
      Admins: signature(`OR('${mspId}.admin')`),
      Endorsement: signature(`OR('${mspId}.peer')`),
    },
  }
}

/** A channel with one orderer, with the policies that Fabric's samples have. */
export function channelProfile(
  ordering: OrganizationProfile,
  organizations: readonly OrganizationProfile[],
): ChannelProfile & Required<Pick<ChannelProfile, 'orderer' | 'application'>> {
  const majority = implicit('MAJORITY Endorsement')
  return {
    policies: STANDARD,
    orderer: {
      policies: { ...STANDARD, BlockValidation: implicit('ANY Writers') },
      organizations: [ordering],
      batchSize: { maxMessageCount: 10, absoluteMaxBytes: 10_485_760, preferredMaxBytes: 524_288 },
      batchTimeout: '1s',
      consensus: { type: 'solo' },
    },
    application: { policies: { ...STANDARD, LifecycleEndorsement: majority, Endorsement: majority }, organizations },
  }
}

/** The first block of a channel: the same for the same profile. */
export function genesisOf(channelId: string, profile: ChannelProfile): Block {
  return must(readBlock(genesisBlock(channelId, profile, { nonce: new Uint8Array(24), seconds: 1n })))
}

/** The configuration in a channel's first block. */
export function bundleOf(channelId: string, { data }: Block): ChannelBundle<X509Msp> {
  return must(channelBundle(channelId, must(must(readConfigTransaction(must(data[0]))).envelope.config), channelMsp))
}

/** A collection of private data, of nobody unless told otherwise. */
export function collection(name: string, change: Partial<StaticCollection> = {}): StaticCollection {
  return {
    name,
    memberOrgsPolicy: undefined,
    requiredPeerCount: 0,
    maximumPeerCount: 0,
    blockToLive: 0n,
    memberOnlyRead: false,
    memberOnlyWrite: false,
    endorsementPolicy: undefined,
    ...change,
  }
}

/** A `SignaturePolicyEnvelope`'s bytes. @param policy - In Fabric's language. */
export function signaturePolicyBytes(policy: string): Uint8Array {
  return SignaturePolicyEnvelope.encode(must(parsePolicy(policy)))
}
