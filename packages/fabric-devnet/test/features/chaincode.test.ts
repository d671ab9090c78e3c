import { createHash } from 'node:crypto'
import type { Contract } from '@hyperledger/fabric-gateway'
import { type Devnet, devnet } from '@kumiko/fabric-devnet'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AnnotatedContract } from './annotated-contract.ts'
import { CrudContract, PrivateAssetContract } from './chaincode-contracts.ts'
import { evaluated, networkOf, submitted } from './network.ts'

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

let net: Devnet
let crud: Contract
let assets: Contract
let annotated: Contract

beforeAll(async () => {
  const policy = "OR('Org1MSP.member', 'Org2MSP.member')"
  net = await devnet({
    orgs: 2,
    contracts: {
      crud: CrudContract,
      other: CrudContract,
      annotated: AnnotatedContract,
      assets: { contract: PrivateAssetContract, policy, collections: [{ name: 'collection', policy: "OR('Org1MSP.member')" }] },
    },
  })
  const network = await networkOf(net)
  crud = network.getContract('crud')
  assets = network.getContract('assets')
  annotated = network.getContract('annotated')
  await submitted(crud, 'fill')
  await submitted(network.getContract('other'), 'put', 'key1', 'updated')
})
afterAll(() => net.stop())

async function json(name: string, ...args: readonly string[]): Promise<unknown> {
  return JSON.parse(await evaluated(crud, name, ...args))
}

const ANN = ['annblack', 'annred', 'annyellow']

describe('Chaincode CRUD', () => {
  describe('Get', () => {
    it('should get single key value', async () => {
      expect(await evaluated(crud, 'get', 'string')).toBe('string')
    })

    it('should get a single key containing json data', async () => {
      expect(await json('get', 'jsonkey1')).toEqual({ key: 'k1', value: 'value1' })
    })

    it('should get multiple keys concurrently', async () => {
      expect(await json('getConcurrently')).toEqual(['value1', 'value2', 'value3'])
    })

    it('should get a single composite key value', async () => {
      expect(await evaluated(crud, 'getComposite', 'ann', 'black')).toBe('annblack')
    })

    it('should return a list of results from a partial composite key using both iterator styles', async () => {
      expect(await json('partial', 'name~color', 'ann')).toEqual([ANN, ANN])
    })

    it('should return all keys between key1 and key3 using both iterator styles', async () => {
      const values = ['value1', 'value2', 'value3']
      expect(await json('range', 'key1', 'key4')).toEqual([values, values])
    })

    it('should get the history for a key', async () => {
      for (const value of ['first', 'second', 'third']) await submitted(crud, 'put', 'remembered', value)
      await submitted(crud, 'delete', 'remembered')
      const history = await json('history', 'remembered')
      const id = expect.stringMatching(/^[0-9a-f]{64}$/)
      expect(history).toEqual([
        ['', id, true],
        ['third', id, false],
        ['second', id, false],
        ['first', id, false],
      ])
    })

    it('should return a paginated list', async () => {
      expect(await json('page', 'key1', 'key4', '2', 'key2')).toEqual([['value2', 'value3'], 2, ''])
      expect(await json('page', 'key1', 'key4', '3', '')).toEqual([['value1', 'value2', 'value3'], 3, ''])
      expect(await json('page', 'key1', 'key4', '2', '')).toEqual([['value1', 'value2'], 2, 'key3'])
    })

    it('should return the bulk states from a partial composite key', async () => {
      const numbers = Array.from({ length: 229 }, (_, i) => `${i}`.padStart(3, '0'))
      expect(await json('partial', 'bulk-data', 'bulk')).toEqual([numbers, numbers])
    })

    it('should return a paginated list from partial composite key', async () => {
      const [values, bookmark] = (await json('partialPage', '1', '')) as [string[], string]
      expect(values).toEqual(['annblack'])
      expect(await json('partialPage', '2', bookmark)).toEqual([['annred', 'annyellow'], expect.any(String)])
    })
  })

  describe('Put', () => {
    it('should add a key', async () => {
      await submitted(crud, 'put', 'newKey1', 'newValue1')
      expect(await evaluated(crud, 'get', 'newKey1')).toBe('newValue1')
    })

    it('should add a composite key', async () => {
      await submitted(crud, 'putComposite', 'dave', 'green', 'davegreen')
      expect(await evaluated(crud, 'getComposite', 'dave', 'green')).toBe('davegreen')
    })

    it('should update an existing key', async () => {
      await submitted(crud, 'put', 'newKey1', 'newValue2')
      expect(await evaluated(crud, 'get', 'newKey1')).toBe('newValue2')
    })
  })

  describe('Delete', () => {
    it('should delete a key', async () => {
      await submitted(crud, 'put', 'gone', 'soon')
      await submitted(crud, 'delete', 'gone')
      expect(await evaluated(crud, 'get', 'gone')).toBe('')
    })

    it('should delete a composite key', async () => {
      await submitted(crud, 'putComposite', 'ed', 'pink', 'edpink')
      await submitted(crud, 'deleteComposite', 'ed', 'pink')
      expect(await evaluated(crud, 'getComposite', 'ed', 'pink')).toBe('')
    })
  })

  it('Split: should split the composite key', async () => {
    const keys = ['black', 'red', 'yellow'].map((color) => ({ objectType: 'name~color', attributes: ['beth', color] }))
    expect(await json('split', 'beth')).toEqual(keys)
  })
})

describe('Chaincode clientidentity', () => {
  it('should create an instance of the client identity class', async () => {
    const [mspId, id, creator] = (await json('identity')) as string[]
    expect([mspId, creator]).toEqual(['Org1MSP', 'Org1MSP'])
    expect(id).toMatch(/^x509::.*CN=User1@org1\.example\.com::/)
  })

  it('should be able to check the peer MSPID, the transaction, the channel and the function', async () => {
    const [, , , peer, txId, channelId, name] = (await json('identity')) as string[]
    expect([peer, channelId, name]).toEqual(['Org1MSP', 'mychannel', 'identity'])
    expect(txId).toMatch(/^[0-9a-f]{64}$/)
  })

  it('should have the time of the proposal, and its binding', async () => {
    const [time = 0, binding] = (await json('times')) as number[]
    expect(Math.abs(Date.now() - time)).toBeLessThan(60_000)
    expect(binding).toBeGreaterThan(0)
  })
})

describe('Chaincode crosschaincode', () => {
  it('should invoke chaincode', async () => {
    expect(await json('cross', 'other', '["get","key1"]')).toEqual([200, '', 'updated'])
  })

  it('should write by another chaincode', async () => {
    expect(JSON.parse(await submitted(crud, 'cross', 'other', '["put","across","written"]'))).toEqual([200, '', ''])
    expect(await json('cross', 'other', '["get","across"]')).toEqual([200, '', 'written'])
    expect(await evaluated(crud, 'get', 'across')).toBe('')
  })

  it('should throw an error when invoking chaincode', async () => {
    const [status, message] = (await json('cross', 'other', '["nonsense"]')) as [number, string]
    expect(status).toBe(500)
    expect(message).toContain('nonsense')
    await expect(json('cross', 'missing', '["get","key1"]')).rejects.toThrow(/missing/)
  })
})

describe('Chaincode events', () => {
  it('should publish an event', async () => {
    const network = await networkOf(net)
    const events = await network.getChaincodeEvents('crud', { startBlock: net.blocks.height })
    await submitted(crud, 'emit', 'content')
    for await (const { eventName, payload, chaincodeName } of events) {
      expect([chaincodeName, eventName, text(payload)]).toEqual(['crud', 'myevent', 'content'])
      break
    }
    events.close()
  })
})

describe('Chaincode privateData', () => {
  const by = { endorsingOrganizations: ['Org1MSP'] }
  const create = async (id: string, value: string) =>
    await assets.submit('create', { arguments: [id], transientData: { privateValue: value }, ...by })
  const read = async (id: string) => text(await assets.evaluate('read', { arguments: [id], ...by }))

  it('should write and read an asset with private data', async () => {
    await create('one', 'secret')
    expect(await read('one')).toBe('secret')
    expect(text(await assets.evaluate('hash', { arguments: ['one'], ...by }))).toBe(createHash('sha256').update('secret').digest('hex'))
    expect(JSON.parse(text(await assets.evaluate('list', by)))).toEqual(['secret'])
  })

  it('should update an asset with private data', async () => {
    await create('one', 'another')
    expect(await read('one')).toBe('another')
  })

  it.each(['delete', 'purge'])('should %s an asset with private data', async (how) => {
    await create(how, 'secret')
    await assets.submit(how, { arguments: [how], ...by })
    await expect(read(how)).rejects.toThrow(/does not exist/)
  })

  it('should let others see the hash alone', async () => {
    await create('two', 'hidden')
    const atOrg2 = (await networkOf(net, 'Org2')).getContract('assets')
    const asked = { arguments: ['two'], endorsingOrganizations: ['Org2MSP'] }
    const hash = createHash('sha256').update('hidden').digest('hex')
    await expect.poll(async () => text(await atOrg2.evaluate('hash', asked))).toBe(hash)
    await expect(atOrg2.evaluate('read', asked)).rejects.toThrow()
  })
})

describe('Typescript chaincode', () => {
  const asset = (value: number, extra: number) => ({ id: 'GLD', name: 'GOLD_BAR', value, extra: { id: 'EXTRA_ID', value: extra } })

  it('should write an asset', async () => {
    await submitted(annotated, 'createAsset', 'GLD', 'GOLD_BAR', '100', 'EXTRA_ID', '50')
    expect(JSON.parse(await evaluated(annotated, 'getAsset', 'GLD'))).toEqual(asset(100, 50))
  })

  it('should update an asset', async () => {
    await submitted(annotated, 'updateAsset', JSON.stringify(asset(200, 100)))
    expect(JSON.parse(await evaluated(annotated, 'getAsset', 'GLD'))).toEqual(asset(200, 100))
  })

  it('should refuse what is not of the type', async () => {
    await expect(submitted(annotated, 'createAsset', 'GLD', 'GOLD_BAR', 'much', 'EXTRA_ID', '50')).rejects.toThrow()
  })

  it('should handle the getMetadata', async () => {
    const metadata = JSON.parse(await evaluated(crud, 'org.hyperledger.fabric:GetMetadata'))
    const names = metadata.contracts['org.mynamespace.crud'].transactions.map(({ name }: { readonly name: string }) => name)
    expect(names).toContain('getComposite')
  })
})

describe('Chaincode query', () => {
  it('should be refused where the state is no CouchDB', async () => {
    await expect(json('query', '{"selector":{}}')).rejects.toThrow(/ExecuteQuery not supported for leveldb/)
  })
})
