import { CommitError, type Contract, type SubmittedTransaction } from '@hyperledger/fabric-gateway'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Devnet, devnet } from '../src/devnet.ts'
import { AssetContract } from './asset-contract.ts'

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()
const PEER1 = 'peer0.org1.example.com'
const PEER2 = 'peer0.org2.example.com'

describe('faults of a network', () => {
  let net: Devnet
  let assets: Contract

  beforeAll(async () => {
    net = await devnet({
      orgs: 2,
      contracts: { assets: AssetContract, free: { contract: AssetContract, policy: "OR('Org1MSP.peer', 'Org2MSP.peer')" } },
    })
    assets = await net.contract('assets')
    await assets.submitTransaction('create', 'car', 'alice')
  })

  afterEach(() => net.faults.clear())

  afterAll(() => net.stop())

  it('make a transaction conflict, whose keys stay as they are', async () => {
    net.faults.conflict()
    const failure = await assets.submitTransaction('transfer', 'car', 'bob').catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(CommitError)
    expect(failure).toMatchObject({ code: 11 })
    expect(text(await assets.evaluateTransaction('read', 'car'))).toBe('alice')
    // One alone.
    await assets.submitTransaction('transfer', 'car', 'bob')
    await assets.submitTransaction('transfer', 'car', 'alice')
  })

  it('make one conflict that read a key which is not there', async () => {
    net.faults.conflict({ chaincode: 'assets' })
    await expect(assets.submitTransaction('create', 'plane', 'bob')).rejects.toMatchObject({ code: 11 })
    expect(text(await assets.evaluateTransaction('read', 'plane'))).toBe('')
  })

  it('make endorsements differ', async () => {
    net.faults.mismatchEndorsement(PEER2)
    await expect(assets.submitTransaction('transfer', 'car', 'bob')).rejects.toMatchObject({
      name: 'EndorseError',
      details: [{ message: expect.stringContaining('ProposalResponsePayloads do not match') }],
    })
    await assets.submitTransaction('transfer', 'car', 'bob')
  })

  it('hold blocks back from one peer', async () => {
    const release = net.faults.holdBlocks(PEER2)
    const there = await net.contract('free', { org: 'Org2' })
    const here = await net.contract('free', { org: 'Org1' })
    await here.submit('write', { arguments: ['late', 'yes'], endorsingOrganizations: ['Org1MSP'] })
    expect(text(await there.evaluate('read', { arguments: ['late'], endorsingOrganizations: ['Org2MSP'] }))).toBe('')
    release()
    await expect
      .poll(async () => text(await there.evaluate('read', { arguments: ['late'], endorsingOrganizations: ['Org2MSP'] })))
      .toBe('yes')
  })

  it('double blocks, of which peers take each once', async () => {
    net.faults.duplicateBlocks(1)
    await assets.submitTransaction('write', 'twice', 'yes')
    await assets.submitTransaction('write', 'twice', 'still')
    expect(text(await assets.evaluateTransaction('read', 'twice'))).toBe('still')
  })

  it('delay blocks', async () => {
    net.faults.delayBlocks(150)
    const before = performance.now()
    const commit: SubmittedTransaction = await assets.submitAsync('write', { arguments: ['slow', 'yes'] })
    expect((await commit.getStatus()).successful).toBe(true)
    expect(performance.now() - before).toBeGreaterThan(150)
  })

  it('stop a peer, which goes on where it was when it is revived', async () => {
    await net.faults.kill(PEER2)
    // A majority of two is both.
    await expect(assets.submitTransaction('write', 'alone', 'yes')).rejects.toThrow()
    const free = await net.contract('free', { org: 'Org1' })
    await free.submitTransaction('write', 'alone', 'yes')
    await net.faults.revive(PEER2)
    const there = await net.contract('free', { org: 'Org2' })
    await expect
      .poll(async () => text(await there.evaluate('read', { arguments: ['alone'], endorsingOrganizations: ['Org2MSP'] })))
      .toBe('yes')
    await assets.submitTransaction('write', 'both', 'yes')
  })

  it('know their peers', () => {
    expect(net.peers).toEqual([PEER1, PEER2])
    expect(() => net.faults.mismatchEndorsement('peer9.org1.example.com')).toThrow(
      expect.objectContaining({ code: 'fabric-devnet/no-peer' }),
    )
  })
})
