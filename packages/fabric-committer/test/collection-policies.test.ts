import { memoryStateDatabase } from '@kumiko/fabric-ledger'
import { beforeAll, describe, expect, it } from 'vitest'
import { Channel } from '../src/channel.ts'
import { collectionPolicies } from '../src/collection-policies.ts'
import { temporaryLedger } from './golden.ts'
import { CHAINCODE, collections, Network, signaturePolicyBytes, withOrg2 } from './network.ts'

let network: Network

beforeAll(async () => {
  network = await Network.make(2)
})

const member = (mspId: string) => ({ signaturePolicy: signaturePolicyBytes(`OR('${mspId}.member')`) })

describe('collectionPolicies', () => {
  it('answers as the state defines, whenever it is asked', async () => {
    await using ledger = await temporaryLedger(memoryStateDatabase(), network.genesis, network.channelId)
    const channel = await Channel.open({ ledger })
    const [one, two] = network.peers
    const { channelId } = network
    const asked = [one?.creator, two?.creator, undefined].map((self) =>
      collectionPolicies({ channelId, ...(self && { self }) })(ledger.state),
    )
    const answers = (collection: string, namespace: string = CHAINCODE) =>
      Promise.all(
        asked.map(async (policies) => [
          await policies.blockToLive(namespace, collection),
          await policies.isEligible(namespace, collection),
        ]),
      )
    const nothing = [undefined, false]
    expect(await answers('first')).toEqual([nothing, nothing, nothing])
    const defined = collections(
      { name: 'first', blockToLive: 3n, memberOrgsPolicy: member('Org1MSP') },
      { name: 'nobody', memberOrgsPolicy: { signaturePolicy: undefined } },
    )
    await channel.store(network.block(network.definition(CHAINCODE, { collections: defined })))
    expect(await answers('first')).toEqual([
      [3n, true],
      [3n, false],
      [3n, false],
    ])
    expect(await answers('nobody')).toEqual([
      [0n, false],
      [0n, false],
      [0n, false],
    ])
    expect(await answers('second')).toEqual([nothing, nothing, nothing])
    for (const namespace of [CHAINCODE, '_lifecycle']) {
      expect(await answers('_implicit_org_Org2MSP', namespace)).toEqual([
        [0n, false],
        [0n, true],
        [0n, false],
      ])
    }
    expect(await answers('first', '_lifecycle')).toEqual([nothing, nothing, nothing])
    await channel.close()
  })

  it('knows members of organisations that join later', async () => {
    const [first, larger] = [await Network.make(1), network]
    await using ledger = await temporaryLedger(memoryStateDatabase(), first.genesis, first.channelId)
    const channel = await Channel.open({ ledger })
    const self = larger.peers[1]?.creator
    const policies = collectionPolicies({ channelId: first.channelId, ...(self && { self }) })(ledger.state)
    const defined = collections({ name: 'theirs', memberOrgsPolicy: member('Org2MSP') })
    await channel.store(first.block(first.definition(CHAINCODE, { collections: defined })))
    expect(await policies.isEligible(CHAINCODE, 'theirs')).toBe(false)
    await channel.store(first.block(await first.configuration(channel.bundle, withOrg2(channel.bundle, larger))))
    expect(await policies.isEligible(CHAINCODE, 'theirs')).toBe(true)
    await channel.close()
  })
})
