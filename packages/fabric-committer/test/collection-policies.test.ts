import { memoryStateDatabase } from '@kumiko/fabric-ledger'
import { CollectionConfigPackage } from '@kumiko/fabric-lifecycle'
import { encodePrincipal, type MspPrincipal } from '@kumiko/fabric-msp'
import { MspPrincipalMessage, SerializedIdentity, SignaturePolicyEnvelope } from '@kumiko/fabric-protocol'
import { must } from '@kumiko/testkit'
import { signaturePolicyBytes } from '@kumiko/testkit/fabric'
import { beforeAll, describe, expect, it } from 'vitest'
import { Channel } from '../src/channel.ts'
import { collectionPolicies } from '../src/collection-policies.ts'
import { temporaryLedger } from './golden.ts'
import { CHAINCODE, collections, Network } from './network.ts'

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

  it('takes whom a policy names in any way for its organisation', async () => {
    const network = await Network.make(2)
    await using ledger = await temporaryLedger(memoryStateDatabase(), network.genesis, network.channelId)
    const channel = await Channel.open({ ledger })
    const { channelId } = network
    const self = must(network.peers[1]).creator
    const policies = collectionPolicies({ channelId, self })(ledger.state)
    const named = (principal: MspPrincipal) => {
      const identities = [must(MspPrincipalMessage.decode(encodePrincipal(principal)))]
      return { signaturePolicy: SignaturePolicyEnvelope.encode({ version: 0, rule: { signedBy: 0, nOutOf: undefined }, identities }) }
    }
    const unit = { organizationalUnit: 'sales', certifiersIdentifier: new Uint8Array() }
    const policyOf: Record<string, { signaturePolicy: Uint8Array }> = {
      admins: named({ kind: 'role', mspId: 'Org2MSP', role: 'admin' }),
      unit: named({ kind: 'organization-unit', mspId: 'Org2MSP', ...unit }),
      identity: named({ kind: 'identity', serialized: must(network.peers[1]).creator }),
      others: named({ kind: 'role', mspId: 'Org1MSP', role: 'member' }),
      anonymous: named({ kind: 'anonymity', anonymity: 'nominal' }),
      unknown: named({ kind: 'identity', serialized: SerializedIdentity.encode({ mspId: 'Org2MSP', idBytes: new Uint8Array(1) }) }),
    }
    const defined = collections(...Object.entries(policyOf).map(([name, memberOrgsPolicy]) => ({ name, memberOrgsPolicy })))
    await channel.store(network.block(network.definition(CHAINCODE, { collections: defined })))
    const eligible: string[] = []
    for (const name of Object.keys(policyOf)) if (await policies.isEligible(CHAINCODE, name)) eligible.push(name)
    expect(eligible).toEqual(['admins', 'unit', 'identity'])
    await channel.close()
  })

  it('answers as former definitions had it', async () => {
    await using ledger = await temporaryLedger(memoryStateDatabase(), network.genesis, network.channelId)
    const { channelId } = network
    const policies = collectionPolicies({ channelId, self: must(network.peers[0]).creator })(ledger.state)
    const { config } = collections(
      { name: 'ours', memberOrgsPolicy: member('Org1MSP') },
      { name: 'theirs', memberOrgsPolicy: member('Org2MSP') },
    )
    const bytes = CollectionConfigPackage.encode({ config })
    expect(await policies.wasEligible?.(bytes, 'ours')).toBe(true)
    expect(await policies.wasEligible?.(bytes, 'theirs')).toBe(false)
    expect(await policies.wasEligible?.(bytes, 'none')).toBeUndefined()
    expect(await policies.wasEligible?.(Uint8Array.of(0xff), 'ours')).toBeUndefined()
  })
})
