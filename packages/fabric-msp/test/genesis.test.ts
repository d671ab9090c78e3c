import { join } from 'node:path'
import { BlockMessage, checkBlock, messageToJson, readBlock } from '@kumiko/fabric-protocol'
import { GOLDEN, goldenFile } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { channelBundle, readConfigTransaction } from '../src/channel/channel-bundle.ts'
import { channelMsp } from '../src/channel/channel-msp.ts'
import { genesisBlock } from '../src/channel/genesis-block.ts'
import type { ChannelProfile, PolicyProfiles } from '../src/channel/profile.ts'
import { readMspFolder } from '../src/msp-folder.ts'

const ORDERER = join(GOLDEN, 'crypto/ordererOrganizations/example.com')
const implicit = (rule: string) => ({ type: 'ImplicitMeta', rule }) as const
const signature = (rule: string) => ({ type: 'Signature', rule }) as const
const STANDARD = { Readers: implicit('ANY Readers'), Writers: implicit('ANY Writers'), Admins: implicit('MAJORITY Admins') }
const ORDERER_POLICIES: PolicyProfiles = {
  Readers: signature("OR('OrdererMSP.member')"),
  Writers: signature("OR('OrdererMSP.member')"),
  Admins: signature("OR('OrdererMSP.admin')"),
}
const ORG1_POLICIES: PolicyProfiles = {
  Readers: signature("OR('Org1MSP.admin', 'Org1MSP.peer', 'Org1MSP.client')"),
  Writers: signature("OR('Org1MSP.admin', 'Org1MSP.client')"),
  Admins: signature("OR('Org1MSP.admin')"),
  Endorsement: signature("OR('Org1MSP.peer')"),
}

/** The profile that the recorded channel was made of. */
async function goldenProfile(): Promise<ChannelProfile> {
  const tls = goldenFile('crypto/ordererOrganizations/example.com/orderers/orderer.example.com/tls/server.crt')
  return {
    policies: STANDARD,
    orderer: {
      policies: { ...STANDARD, BlockValidation: implicit('ANY Writers') },
      organizations: [
        {
          name: 'OrdererOrg',
          msp: await readMspFolder(join(ORDERER, 'msp'), 'OrdererMSP'),
          policies: ORDERER_POLICIES,
          ordererEndpoints: ['127.0.0.1:7050'],
        },
      ],
      batchSize: { maxMessageCount: 10, absoluteMaxBytes: 10_485_760, preferredMaxBytes: 524_288 },
      batchTimeout: '500ms',
      consensus: {
        type: 'etcdraft',
        metadata: {
          consenters: [{ host: '127.0.0.1', port: 7050, clientTlsCert: tls, serverTlsCert: tls }],
          options: { tickInterval: '100ms', electionTick: 10, heartbeatTick: 1, maxInflightBlocks: 5, snapshotIntervalSize: 16_777_216 },
        },
      },
    },
    application: {
      policies: { ...STANDARD, LifecycleEndorsement: implicit('MAJORITY Endorsement'), Endorsement: implicit('MAJORITY Endorsement') },
      organizations: [
        {
          name: 'Org1',
          msp: await readMspFolder(join(GOLDEN, 'crypto/peerOrganizations/org1.example.com/msp'), 'Org1MSP'),
          policies: ORG1_POLICIES,
          anchorPeers: [{ host: '127.0.0.1', port: 7051 }],
        },
      ],
    },
  }
}

function shown(bytes: Uint8Array) {
  const decoded = BlockMessage.decode(bytes)
  if (isFault(decoded)) throw new Error(decoded.detail)
  // The data's hash is over bytes whose maps are in any order with Go.
  return messageToJson(BlockMessage, { ...decoded, header: decoded.header && { ...decoded.header, dataHash: new Uint8Array() } })
}

const options = {
  nonce: Uint8Array.from(atob('pbSzzOE/75+E26sTBsVaQ6IkEp8IiESU'), (letter) => letter.charCodeAt(0)),
  seconds: 1_795_229_810n,
}

describe('genesisBlock', () => {
  it('is what configtxgen made of the same profile', async () => {
    const made = genesisBlock('mychannel', await goldenProfile(), options)
    expect(shown(made)).toEqual(shown(goldenFile('mychannel.block')))
    const read = readBlock(made)
    if (isFault(read)) throw new Error(read.detail)
    expect(checkBlock(read, undefined)).toBeUndefined()
  })

  it('makes a channel with a solo orderer, ACLs and addresses', async () => {
    const profile = await goldenProfile()
    const { orderer, application } = profile
    if (orderer === undefined || application === undefined) throw new Error('no profile')
    const read = readBlock(
      genesisBlock(
        'dev',
        {
          ...profile,
          orderer: { ...orderer, consensus: { type: 'solo' }, addresses: ['127.0.0.1:7050'], channelsMax: 3n },
          application: { ...application, capabilities: ['V2_0'], acls: { 'event/Block': 'Writers' } },
        },
        options,
      ),
    )
    const transaction = isFault(read) ? read : readConfigTransaction(read.data[0] ?? new Uint8Array())
    if (isFault(transaction) || transaction.envelope.config === undefined) throw new Error('no transaction')
    expect(channelBundle(transaction.channelId, transaction.envelope.config, channelMsp)).toMatchObject({
      channelId: 'dev',
      ordererAddresses: ['127.0.0.1:7050'],
      orderer: { consensus: { type: 'solo' }, channelsMax: 3n },
      application: { capabilities: new Set(['V2_0']), acls: new Map([['event/Block', 'Writers']]) },
    })
  })

  it.each<[string, (profile: ChannelProfile) => ChannelProfile, string]>([
    [
      'a missing policy',
      (profile) => ({ ...profile, policies: { Readers: implicit('ANY Readers') } }),
      "Channel has no policy 'Admins': add it",
    ],
    [
      'a missing BlockValidation',
      (profile) => ({ ...profile, ...(profile.orderer && { orderer: { ...profile.orderer, policies: STANDARD } }) }),
      "the orderer has no policy 'BlockValidation': add it",
    ],
    ['an odd rule', (profile) => ({ ...profile, policies: { ...STANDARD, Odd: implicit('MOST Admins') } }), "'MOST Admins' is no rule"],
    ['an odd name', (profile) => ({ ...profile, policies: { ...STANDARD, 'a/b': implicit('ANY Admins') } }), "the name 'a/b'"],
    [
      'a capability',
      (profile) => ({ ...profile, capabilities: ['V3_0'] }),
      'Channel capability V3_0 is required but not supported: V2_0 is',
    ],
    [
      'an organization twice',
      ({ application, ...profile }) => ({
        ...profile,
        ...(application && {
          application: { ...application, organizations: [...application.organizations, ...application.organizations] },
        }),
      }),
      "Application has 'Org1' twice",
    ],
  ])('refuses %s', async (_, change, message) => {
    const profile = change(await goldenProfile())
    expect(() => genesisBlock('mychannel', profile, options)).toThrow(message)
  })

  it('refuses an odd name of a channel', async () => {
    const profile = await goldenProfile()
    expect(() => genesisBlock('My', profile, options)).toThrow("the channel's name 'My'")
  })
})
