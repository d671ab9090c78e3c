import { parsePolicy } from '@kumiko/fabric-msp'
import { must } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import { CHANNEL_ID, collectionOf, Network } from './network.ts'

const both = (organization: number) => `org${organization}-1+org${organization}-2`
const key = (policy: string) => must(parsePolicy(policy))
const all = "AND('Org1MSP.peer', 'Org2MSP.peer', 'Org3MSP.peer')"

/** `discovery/endorsement/endorsement_test.go` */
describe('an endorsement plan', () => {
  it('has each way to satisfy a chaincode’s policy', async () => {
    const network = await Network.make(3)
    network.define('one', "OR('Org1MSP.peer')")
    network.define('and', "AND('Org1MSP.peer', 'Org2MSP.peer')")
    network.define('two', "OutOf(2, 'Org1MSP.peer', 'Org1MSP.peer', 'Org3MSP.peer')")
    network.define('majority', '/Channel/Application/Endorsement')
    network.define('every', '/Channel/Application/All')
    network.define('any', '/Channel/Application/Any')
    expect(await network.layouts({ name: 'one' })).toEqual([`${both(1)} x1`])
    expect(await network.layouts({ name: 'and' })).toEqual([`${both(1)} x1, ${both(2)} x1`])
    expect(await network.layouts({ name: 'two' })).toEqual([`${both(1)} x1, ${both(3)} x1`, `${both(1)} x2`])
    expect(await network.layouts({ name: 'majority' })).toEqual([
      `${both(1)} x1, ${both(2)} x1`,
      `${both(1)} x1, ${both(3)} x1`,
      `${both(2)} x1, ${both(3)} x1`,
    ])
    expect(await network.layouts({ name: 'every' })).toEqual([`${both(1)} x1, ${both(2)} x1, ${both(3)} x1`])
    expect(await network.layouts({ name: 'any' })).toEqual([`${both(1)} x1`, `${both(2)} x1`, `${both(3)} x1`])
    expect(await network.layouts({ name: '_lifecycle' })).toBe('required chaincodes are not installed on sufficient peers')
    network.change(
      () => true,
      (peer) => ({ ...peer, chaincodes: [{ name: '_lifecycle', version: '1' }] }),
    )
    expect(await network.layouts({ name: '_lifecycle' })).toHaveLength(3)
  })

  it('counts on peers that are there, and run the chaincodes', async () => {
    const network = await Network.make(2)
    network.define('cc', "OutOf(1, 'Org1MSP.peer', OutOf(2, 'Org2MSP.peer', 'Org2MSP.peer'))")
    network.define('other', "OR('Org1MSP.peer', 'Org2MSP.peer')")
    expect(await network.layouts({ name: 'cc' })).toEqual([`${both(1)} x1`, `${both(2)} x2`])
    network.change(
      ({ endpoint }) => endpoint === 'org2-1:7051',
      (peer) => ({ ...peer, chaincodes: [{ name: 'cc', version: '2' }] }),
    )
    expect(await network.layouts({ name: 'cc' })).toEqual([`${both(1)} x1`])
    network.change(
      ({ mspId }) => mspId === 'Org1MSP',
      (peer) => ({ ...peer, chaincodes: [{ name: 'cc', version: '3' }] }),
    )
    expect(await network.layouts({ name: 'cc' }, { name: 'other' })).toBe('required chaincodes are not installed on sufficient peers')
    network.peers.splice(0, 3)
    expect(await network.layouts({ name: 'cc' })).toBe('no peer combination can satisfy the endorsement policy')
    expect(await network.layouts({ name: 'other' })).toEqual(['org2-2 x1'])
  })

  it('combines chaincodes, collections and keys', async () => {
    const network = await Network.make(3)
    network.define('cc', "OR('Org1MSP.peer', 'Org2MSP.peer', 'Org3MSP.peer')", [
      collectionOf('plain', "OR('Org1MSP.member', 'Org2MSP.member')"),
      collectionOf('others', "OR('Org2MSP.member', 'Org3MSP.member')"),
      collectionOf('own', "OR('Org1MSP.member', 'Org2MSP.member')", "OR('Org2MSP.peer')"),
    ])
    network.define('other', "OR('Org3MSP.peer')")
    const cc = { name: 'cc' }
    expect(await network.layouts(cc, { name: 'other' })).toEqual([`${both(3)} x1`])
    expect(await network.layouts({ ...cc, collectionNames: ['plain'], noPrivateReads: true })).toHaveLength(3)
    expect(await network.layouts({ ...cc, collectionNames: ['plain'] })).toEqual([`${both(1)} x1`, `${both(2)} x1`])
    expect(await network.layouts({ ...cc, collectionNames: ['plain', 'others'] })).toEqual([`${both(2)} x1`])
    expect(await network.layouts({ ...cc, collectionNames: ['own'] })).toEqual([`${both(2)} x1`])
    expect(await network.layouts({ ...cc, collectionNames: ['own', 'plain'] })).toEqual([`${both(2)} x1`])
    expect(await network.layouts(cc, { ...cc, collectionNames: ['_implicit_org_Org3MSP'], noPrivateReads: true })).toEqual([
      `${both(3)} x1`,
    ])
    expect(await network.layouts({ ...cc, collectionNames: ['_implicit_org_Org3MSP'] })).toEqual([`${both(3)} x1`])
    expect(await network.layouts({ ...cc, keyPolicies: [key(all)] })).toEqual([`${both(1)} x1, ${both(2)} x1, ${both(3)} x1`])
    const guarded = {
      ...cc,
      keyPolicies: [key("OR('Org1MSP.peer')"), key("OR('Org2MSP.member')"), key("OR('Org1MSP.peer')")],
      disregardNamespacePolicy: true,
    }
    expect(await network.layouts(guarded)).toEqual([`${both(1)} x1, ${both(2)} x1`])
    expect(await network.layouts({ ...cc, collectionNames: ['own'], disregardNamespacePolicy: true })).toEqual([`${both(2)} x1`])
  })

  it('is told not to be there, in Fabric’s words', async () => {
    const network = await Network.make(2)
    network.define('cc', "OR('Org1MSP.peer')", [collectionOf('secrets', "OR('Org1MSP.member')")])
    network.define('nobody', "OR('Org9MSP.peer')")
    network.define('odd', '/Channel/Application/Odd')
    network.define('absent', '/Channel/Application/Absent')
    expect(await network.layouts({ name: 'unknown' })).toBe(`No metadata was found for chaincode unknown in channel ${CHANNEL_ID}`)
    expect(await network.layouts({ name: 'cc', collectionNames: ['unknown'] })).toBe(
      "collection unknown doesn't exist in collection config for chaincode cc",
    )
    expect(await network.layouts({ name: 'nobody' })).toBe('no peer combination can satisfy the endorsement policy')
    expect(await network.layouts({ name: 'odd' })).toBe(`No metadata was found for chaincode odd in channel ${CHANNEL_ID}`)
    expect(await network.layouts({ name: 'absent' })).toBe(`No metadata was found for chaincode absent in channel ${CHANNEL_ID}`)
    expect(await network.layouts({ name: 'cc', disregardNamespacePolicy: true })).toMatch(
      /^requested to disregard chaincode cc's policy but key and collection policies are missing/,
    )
    const keyPolicies = Array.from({ length: 200 }, (_, index) => key(`OR('Org1MSP.peer', 'Org${index}MSP.peer')`))
    expect(await network.layouts({ name: 'cc', keyPolicies })).toBe('it comes under more than 100 different policies')
    expect(await network.layouts(...Array.from({ length: 1001 }, () => ({ name: 'cc' })))).toBe('1001 calls are more than 1000')
    expect(await network.discovery.endorsementPlan('nowhere', { chaincodes: [] })).toMatchObject({ fault: 'fabric-discovery/no-plan' })
  })
})
