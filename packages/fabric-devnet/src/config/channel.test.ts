import { channelBundle, channelMsp, readConfigTransaction } from '@kumiko/fabric-msp'
import { readBlock } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import { expect, it } from 'vitest'
import { Organization } from '../crypto/organization.ts'
import { channelGenesis } from './channel.ts'

const organization = (kind: 'peer' | 'orderer', mspId: string, domain: string): Promise<Organization> =>
  Organization.create({ kind, mspId, domain, nodes: [], users: [], notBefore: Date.UTC(2020, 0), notAfter: Date.UTC(2040, 0) })

it('makes a channel that can be followed, with its organisations, orderers and anchor peers', async () => {
  const genesis = channelGenesis({
    channelId: 'mychannel',
    peerOrganizations: [
      await organization('peer', 'Org1MSP', 'org1.example.com'),
      await organization('peer', 'Org2MSP', 'org2.example.com'),
    ],
    ordererOrganization: await organization('orderer', 'OrdererMSP', 'example.com'),
    ordererAddresses: ['localhost:7050'],
    anchorPeers: new Map([['Org1MSP', 'localhost:7051']]),
    now: 0,
  })
  const block = readBlock(genesis)
  if (isFault(block)) throw new Error(block.detail)
  const transaction = readConfigTransaction(block.data[0]!)
  if (isFault(transaction)) throw new Error(transaction.detail)
  const bundle = channelBundle('mychannel', transaction.envelope.config!, channelMsp)
  if (isFault(bundle)) throw new Error(bundle.detail)
  expect([...(bundle.application?.organizations.keys() ?? [])]).toEqual(['Org1MSP', 'Org2MSP'])
  expect(bundle.application?.organizations.get('Org1MSP')?.anchorPeers).toEqual([{ host: 'localhost', port: 7051 }])
  expect(bundle.orderer?.organizations.get('OrdererMSP')?.endpoints).toEqual(['localhost:7050'])
  expect(bundle.orderer).toMatchObject({ batchTimeoutMs: 10 })
})
