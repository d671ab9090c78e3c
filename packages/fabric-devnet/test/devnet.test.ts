import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Contract, EndorseError, GatewayError } from '@hyperledger/fabric-gateway'
import { memoryStateDatabase, type OpenStateDatabase } from '@kumiko/fabric-ledger'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Devnet, devnet } from '../src/devnet.ts'
import { AssetContract } from './asset-contract.ts'

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

describe('a network of one organisation', () => {
  let net: Devnet
  let assets: Contract

  beforeAll(async () => {
    net = await devnet({ contracts: { assets: AssetContract } })
    assets = await net.contract('assets')
  })

  afterAll(async () => {
    await net.stop()
    expect(existsSync(net.folder)).toBe(false)
  })

  it('takes transactions of an unmodified client, and answers its queries', async () => {
    await assets.submitTransaction('create', 'car', 'alice')
    expect(text(await assets.evaluateTransaction('read', 'car'))).toBe('alice')
    expect(text(await assets.submitTransaction('transfer', 'car', 'bob'))).toBe('alice')
    expect(text(await assets.evaluateTransaction('read', 'car'))).toBe('bob')
  })

  it('tells how a transaction was committed', async () => {
    const commit = await assets.submitAsync('create', { arguments: ['bike', 'alice'] })
    const { code, successful, blockNumber, transactionId } = await commit.getStatus()
    expect({ code, successful }).toEqual({ code: 0, successful: true })
    const block = await net.blocks.get(blockNumber)
    expect(block?.transactions.find(({ txId }) => txId === transactionId)).toMatchObject({
      validation: 'VALID',
      mspId: 'Org1MSP',
      sender: 'User1@org1.example.com',
      call: { chaincode: 'assets', function: 'create', args: ['bike', 'alice'], writes: 1, event: 'created', endorsers: ['Org1MSP'] },
    })
  })

  it('gives events of contracts', async () => {
    const network = (await net.connect()).getNetwork(net.channelId)
    const events = await network.getChaincodeEvents('assets')
    try {
      await assets.submitTransaction('create', 'boat', 'alice')
      for await (const { eventName, payload } of events) {
        expect([eventName, text(payload)]).toEqual(['created', 'boat'])
        break
      }
    } finally {
      events.close()
    }
  })

  it('tells the client what a contract threw', async () => {
    const failure = await assets.submitTransaction('transfer', 'nothing', 'bob').catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(EndorseError)
    const details = failure instanceof GatewayError ? failure.details.map(({ message, mspId }) => [mspId, message]) : []
    expect(details).toEqual([['Org1MSP', 'chaincode response 500, no asset nothing']])
  })

  it('enrols users with attributes that contracts see', async () => {
    await net.enrol('Org1', 'carol', { role: 'auditor' })
    const asCarol = await net.contract('assets', { user: 'carol' })
    expect(text(await asCarol.evaluateTransaction('whoAmI'))).toBe('Org1MSP auditor')
    expect(text(await assets.evaluateTransaction('whoAmI'))).toBe('Org1MSP none')
  })

  it('runs other code after a reload, without a transaction', async () => {
    class Shouting extends AssetContract {
      override async whoAmI(): Promise<string> {
        return 'EVERYBODY'
      }
    }
    const { height } = net.blocks
    net.reload('assets', Shouting)
    expect(text(await assets.evaluateTransaction('whoAmI'))).toBe('EVERYBODY')
    net.reload('assets', AssetContract)
    expect(text(await assets.evaluateTransaction('whoAmI'))).toBe('Org1MSP none')
    expect(net.blocks.height).toBe(height)
  })

  it('takes more contracts while it runs', async () => {
    await net.deploy('others', AssetContract)
    const others = await net.contract('others')
    await others.submitTransaction('create', 'car', 'dave')
    expect(text(await others.evaluateTransaction('read', 'car'))).toBe('dave')
    // Agreed already.
    const { height } = net.blocks
    await net.deploy('others', AssetContract)
    expect(net.blocks.height).toBe(height)
  })

  it('forks: neither sees what becomes of the other', async () => {
    await assets.submitTransaction('write', 'shared', 'before')
    const fork = await net.fork()
    try {
      const forked = await fork.contract('assets')
      expect(text(await forked.evaluateTransaction('read', 'shared'))).toBe('before')
      await forked.submitTransaction('write', 'shared', 'there')
      await assets.submitTransaction('write', 'shared', 'here')
      expect(text(await forked.evaluateTransaction('read', 'shared'))).toBe('there')
      expect(text(await assets.evaluateTransaction('read', 'shared'))).toBe('here')
    } finally {
      await fork.stop()
    }
  })
})

describe('a network of two organisations', () => {
  let net: Devnet
  let assets: Contract

  beforeAll(async () => {
    net = await devnet({
      orgs: 2,
      contracts: {
        assets: {
          contract: AssetContract,
          policy: "AND('Org1MSP.peer', 'Org2MSP.peer')",
          collections: [{ name: 'secrets', policy: "OR('Org1MSP.member')", endorsementPolicy: { signaturePolicy: "OR('Org1MSP.peer')" } }],
        },
      },
    })
    assets = await net.contract('assets', { org: 'Org1' })
  })

  afterAll(() => net.stop())

  it('has both endorse where the policy says so, and both have the state', async () => {
    await assets.submitTransaction('create', 'car', 'alice')
    const last = await net.blocks.get(net.blocks.height - 1n)
    expect(last?.transactions[0]?.call?.endorsers.toSorted()).toEqual(['Org1MSP', 'Org2MSP'])
    const atOrg2 = await net.contract('assets', { org: 'Org2' })
    expect(text(await atOrg2.evaluateTransaction('read', 'car'))).toBe('alice')
  })

  it('keeps private data with the members of its collection', async () => {
    const transientData = { secret: Buffer.from('hidden') }
    await assets.submit('hide', { arguments: ['car'], transientData, endorsingOrganizations: ['Org1MSP'] })
    expect(text(await assets.evaluate('reveal', { arguments: ['car'] }))).toBe('hidden')
    const atOrg2 = await net.contract('assets', { org: 'Org2' })
    await expect(atOrg2.evaluate('reveal', { arguments: ['car'], endorsingOrganizations: ['Org2MSP'] })).rejects.toThrow()
    const fork = await net.fork()
    try {
      const forked = await fork.contract('assets', { org: 'Org1' })
      expect(text(await forked.evaluate('reveal', { arguments: ['car'] }))).toBe('hidden')
    } finally {
      await fork.stop()
    }
  })
})

describe('a network with a slow peer', () => {
  /** Each block takes it so long. */
  const slow: OpenStateDatabase = async (folder) => {
    const database = await memoryStateDatabase()(folder)
    const apply = database.apply.bind(database)
    database.apply = async (...changes) => {
      await sleep(60)
      await apply(...changes)
    }
    return database
  }

  it('tells of a commit when that peer has it too', async () => {
    const openState = (peer: string) => (peer === 'peer0.org2.example.com' ? slow : memoryStateDatabase())
    const policy = "AND('Org1MSP.peer', 'Org2MSP.peer')"
    await using net = await devnet({ orgs: 2, openState, contracts: { assets: { contract: AssetContract, policy } } })
    const [assets, atOrg2] = [await net.contract('assets'), await net.contract('assets', { org: 'Org2' })]
    await assets.submitTransaction('create', 'car', 'alice')
    expect(text(await atOrg2.evaluateTransaction('read', 'car'))).toBe('alice')
    // Both endorse it, on the same state.
    expect(text(await assets.submitTransaction('transfer', 'car', 'bob'))).toBe('alice')
  })
})
