import { join } from 'node:path'
import { readBlock } from '@kumiko/fabric-protocol'
import { GOLDEN, peerBlock } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { channelBundle, readConfigTransaction } from '../src/channel/channel-bundle.ts'
import { channelMsp } from '../src/channel/channel-msp.ts'
import { loadLocalMsp } from '../src/msp-folder.ts'
import { accessControl } from '../src/policy/access.ts'

function must<T>(value: T): Exclude<T, { readonly fault: string } | undefined> {
  if (value === undefined) throw new Error('nothing')
  if (isFault(value)) throw new Error(`${value.fault}: ${value.detail}`)
  // Narrowed by the checks.
  return value as Exclude<T, { readonly fault: string } | undefined>
}

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
    expect(access.check('peer/Propose', 'mychannel', signed(peer))?.detail).toMatch(/^peer\/Propose: policy .*Writers is not satisfied$/)
    expect(access.check('peer/Propose', 'mychannel', { ...signed(client), signature: peer.sign(message) })?.fault).toBe(
      'fabric-msp/access-denied',
    )
    expect(access.check('peer/Propose', 'elsewhere', signed(client))?.detail).toBe("peer/Propose: the peer is not on channel 'elsewhere'")
    expect(access.check('nobody/Knows', 'mychannel', signed(admin))?.detail).toMatch(/no policy is mapped/)
  })

  it('asks of what is the peer’s own that it be its organisation’s', () => {
    expect(access.check('cscc/JoinChain', '', signed(admin))).toBeUndefined()
    expect(access.check('cscc/JoinChain', '', signed(client))?.detail).toBe('cscc/JoinChain: the identity is no admin of Org1MSP')
    expect(access.check('cscc/GetChannels', '', signed(client))).toBeUndefined()
    expect(access.check('cscc/GetChannels', '', { ...signed(client), signature: peer.sign(message) })?.detail).toMatch(
      /the signature is not/,
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
