import type { QueryIndex } from '@kumiko/fabric-ledger'
import { StaticCollection } from '@kumiko/fabric-lifecycle'
import { describe, expect, it } from 'vitest'
import type { ChannelChaincode } from './channel-chaincodes.ts'
import { IndexDeployment } from './index-deployment.ts'

const chaincode: ChannelChaincode = {
  name: 'assets',
  definition: {
    sequence: 1n,
    endorsementInfo: { version: '1.0', initRequired: false, endorsementPlugin: 'escc' },
    validationInfo: { validationPlugin: 'vscc', validationParameter: new Uint8Array() },
    collections: { config: [{ staticCollection: StaticCollection.create({ name: 'secret' }) }] },
  },
  isApproved: true,
  packageId: 'assets:1',
}

const indexes = [
  { collection: undefined, name: 'owner.json', definition: '{1}' },
  { collection: 'secret', name: 'owner.json', definition: '{2}' },
  { collection: 'other', name: 'owner.json', definition: '{3}' },
]

describe('IndexDeployment', () => {
  it('makes a package’s indexes once for each definition that it runs, for collections that there are', async () => {
    const made: [string, readonly QueryIndex[]][] = []
    let [chaincodes, isFailing] = [[{ ...chaincode, packageId: undefined }] as ChannelChaincode[], false]
    const addIndexes = async (namespace: string, added: readonly QueryIndex[]) => {
      if (isFailing) throw new Error('no database')
      made.push([namespace, added])
    }
    const deployment = new IndexDeployment({
      chaincodes: { all: async () => chaincodes },
      indexes: async () => indexes,
      channel: () => ({ ledger: { state: { addIndexes } } }),
    })
    await deployment.refresh('ch')
    expect(made).toEqual([])
    chaincodes = [chaincode]
    isFailing = true
    await expect(deployment.refresh('ch')).rejects.toThrow('no database')
    isFailing = false
    await deployment.refresh('ch')
    await deployment.refresh('ch')
    expect(made).toEqual([
      ['assets', [{ name: 'owner.json', definition: '{1}' }]],
      ['assets$$psecret', [{ name: 'owner.json', definition: '{2}' }]],
    ])
    chaincodes = [{ ...chaincode, definition: { ...chaincode.definition, sequence: 2n } }]
    await deployment.refresh('ch')
    expect(made).toHaveLength(4)
  })

  it('leaves databases without rich queries alone', async () => {
    const deployment = new IndexDeployment({
      chaincodes: { all: async () => [chaincode] },
      indexes: () => Promise.reject(new Error('asked')),
      channel: () => ({ ledger: { state: {} } }),
    })
    await deployment.refresh('ch')
  })
})
