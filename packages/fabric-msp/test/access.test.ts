import { join } from 'node:path'
import { readBlock } from '@kumiko/fabric-protocol'
import { GOLDEN, peerBlock } from '@kumiko/golden-channel'
import { must } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import { channelBundle, readConfigTransaction } from '../src/channel/channel-bundle.ts'
import { channelMsp } from '../src/channel/channel-msp.ts'
import { loadLocalMsp } from '../src/msp-folder.ts'
import { accessControl } from '../src/policy/access.ts'

const ORG1 = 'crypto/peerOrganizations/org1.example.com'
const signerOf = async (path: string) => await loadLocalMsp(join(GOLDEN, ORG1, path, 'msp'), { mspId: 'Org1MSP' })

describe('access control', async () => {
  const [client, admin, peer] = await Promise.all([
    signerOf('users/User1@org1.example.com'),
    signerOf('users/Admin@org1.example.com'),
    signerOf('peers/peer0.org1.example.com'),
  ])
  const { envelope } = must(readConfigTransaction(must(must(readBlock(peerBlock(0))).data[0])))
  const bundle = must(channelBundle('mychannel', must(envelope.config), channelMsp))
  const access = accessControl({ localMsp: peer.msp, channel: (channelId) => (channelId === 'mychannel' ? bundle : undefined) })
  const message = Uint8Array.of(1, 2, 3)
  const signed = (signer: typeof client) => ({ identity: signer.creator, message, signature: signer.sign(message) })

  it('lets those who satisfy the policy of a resource pass, whose signature is right', () => {
    expect(access.check('peer/Propose', 'mychannel', signed(client))).toBeUndefined()
    expect(access.check('peer/Propose', 'mychannel', signed(peer))?.detail).toBe(
      "Failed evaluating policy on signed data during check policy on channel [mychannel] with policy [/Channel/Application/Writers]: [implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires 1 of the 'Writers' sub-policies to be satisfied]",
    )
    expect(access.check('peer/Propose', 'mychannel', { ...signed(client), signature: peer.sign(message) })?.fault).toBe(
      'fabric-msp/access-denied',
    )
    expect(access.check('peer/Propose', 'elsewhere', signed(client))?.detail).toBe('Failed to get policy manager for channel [elsewhere]')
    expect(access.check('nobody/Knows', 'mychannel', signed(admin))?.detail).toBe('Unmapped policy for nobody/Knows')
    expect(access.check('peer/Propose', '', signed(client))?.detail).toBe(
      'Failed getting local MSP principal during channelless check policy with policy [/Channel/Application/Writers]: [MSP Principal role [/Channel/Application/Writers] not recognized]',
    )
    expect(access.check('gateway/CommitStatus', '', signed(client))?.detail).toMatch(/^Invalid channel ID name/)
  })

  it('says by which policy of its own a channel refuses', () => {
    const application = {
      ...must(bundle.application),
      acls: new Map([
        ['peer/Propose', 'Admins'],
        ['qscc/GetChainInfo', 'Nobody'],
      ]),
    }
    const other = accessControl({ localMsp: peer.msp, channel: () => ({ ...bundle, application }) })
    const begin = 'failed evaluating policy on signed data during check policy [/Channel/Application/'
    expect(other.check('peer/Propose', 'mychannel', signed(client))?.detail).toMatch(`${begin}Admins]: [implicit policy evaluation failed`)
    expect(other.check('qscc/GetChainInfo', 'mychannel', signed(client))?.detail).toBe(
      `${begin}Nobody]: [policy /Channel/Application/Nobody not found]`,
    )
  })

  it('asks of what is the peer’s own that it be its organisation’s', () => {
    expect(access.check('cscc/JoinChain', '', signed(admin))).toBeUndefined()
    expect(access.check('cscc/JoinChain', '', signed(client))?.detail).toBe(
      "Failed verifying that proposal's creator satisfies local MSP principal during channelless check policy with policy [Admins]: [The identity is not an admin under this MSP [Org1MSP]: The identity does not contain OU [ADMIN], MSP: [Org1MSP]]",
    )
    expect(access.check('snapshot/submitrequest', '', signed(client))?.detail).toMatch(
      /^failed verifying that the signed data identity satisfies local MSP principal during channelless check policy with policy \[Admins\]: /,
    )
    expect(access.check('cscc/GetChannels', '', signed(client))).toBeUndefined()
    expect(access.check('cscc/GetChannels', '', { ...signed(client), signature: peer.sign(message) })?.detail).toMatch(
      /^The signature is invalid$/,
    )
  })

  it('says the same of an identity whose signature was checked, but for what is the peer’s own', () => {
    const identityOf = (signer: typeof client) => must(bundle.msps.deserialize(signer.creator))
    expect(access.checkIdentity('peer/Propose', 'mychannel', identityOf(client))).toBeUndefined()
    expect(access.checkIdentity('peer/Propose', 'mychannel', identityOf(peer))).toEqual(
      access.check('peer/Propose', 'mychannel', signed(peer)),
    )
    expect(access.checkIdentity('peer/Propose', 'elsewhere', identityOf(client))?.fault).toBe('fabric-msp/access-denied')
    expect(access.checkIdentity('cscc/JoinChain', '', identityOf(admin))?.fault).toBe('fabric-msp/access-denied')
  })
})
