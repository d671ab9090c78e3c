import { CommitError, type Contract } from '@hyperledger/fabric-gateway'
import type { Devnet } from '@kumiko/fabric-devnet'
import { ValidationCode } from '@kumiko/fabric-protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { evaluated, networkOf, scenarioNetwork, submitted } from './network.ts'

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

let net: Devnet
let org1: Contract
let org2: Contract

beforeAll(async () => {
  net = await scenarioNetwork()
  const of = async (org: string) => (await networkOf(net, org)).getContract('private')
  ;[org1, org2] = [await of('Org1'), await of('Org2')]
})
afterAll(() => net.stop())

async function write(contract: Contract, collection: string, number: number, endorsers?: string[]): Promise<void> {
  const transientData = { collection, key: `key-${number}`, value: `value-${number}` }
  await contract.submit('writePrivateData', { transientData, ...(endorsers && { endorsingOrganizations: endorsers }) })
}

async function read(contract: Contract, collection: string, number: number, org: string): Promise<string> {
  const options = { arguments: [collection, `key-${number}`], endorsingOrganizations: [org] }
  return text(await contract.evaluate('readPrivateData', options))
}

describe('Private data collections', () => {
  it('Org1 writes private data to Org1Collection and can read it back', async () => {
    await write(org1, 'Org1Collection', 101, ['Org1MSP'])
    expect(await read(org1, 'Org1Collection', 101, 'Org1MSP')).toBe('value-101')
  })

  it('Org1 writes private data to Org1Collection but fails to read it via an Org2 peer', async () => {
    await write(org1, 'Org1Collection', 102, ['Org1MSP'])
    await expect(read(org1, 'Org1Collection', 102, 'Org2MSP')).rejects.toThrow()
  })

  it("Org2 can write private data to Org1Collection (Org1MSP must endorse), but can't read it back", async () => {
    await write(org2, 'Org1Collection', 103, ['Org1MSP'])
    await expect(read(org2, 'Org1Collection', 103, 'Org1MSP')).rejects.toThrow()
  })

  it('Org2 writes private data to Org1Collection (Org1MSP must endorse), and Org1 can read it', async () => {
    await write(org2, 'Org1Collection', 104, ['Org1MSP'])
    await expect.poll(() => read(org1, 'Org1Collection', 104, 'Org1MSP')).toBe('value-104')
  })

  it('Org1 writes private data to SharedCollection, and Org2 fails to read it', async () => {
    await write(org1, 'SharedCollection', 106, ['Org1MSP'])
    await expect(read(org2, 'SharedCollection', 106, 'Org1MSP')).rejects.toThrow()
  })

  it('Org2 cannot write data to SharedCollection', async () => {
    await expect(write(org2, 'SharedCollection', 107, ['Org1MSP'])).rejects.toThrow()
  })

  it('Org1 writes private data to SharedCollection without specifying endorsers', async () => {
    await write(org1, 'SharedCollection', 108)
    expect(await read(org1, 'SharedCollection', 108, 'Org1MSP')).toBe('value-108')
  })

  it('Org1 writes private data to SharedCollection and Org3Collection without specifying endorsers', async () => {
    await write(org1, 'SharedCollection,Org3Collection', 109)
    expect(await read(org1, 'SharedCollection', 109, 'Org1MSP')).toBe('value-109')
    await expect.poll(() => read(org1, 'Org3Collection', 109, 'Org3MSP').catch(String)).toBe('value-109')
    await expect(read(org1, 'Org3Collection', 109, 'Org1MSP')).rejects.toThrow()
  })

  it('Org1 writes private data to Org3Collection, though Org1 itself does not have it', async () => {
    await write(org1, 'Org3Collection', 110, ['Org3MSP'])
    await expect.poll(() => read(org1, 'Org3Collection', 110, 'Org3MSP').catch(String)).toBe('value-110')
  })
})

describe('State-based endorsement', () => {
  /** Each scenario has a key of its own. */
  async function keyOf(name: string): Promise<string> {
    await submitted(org1, 'setStateWithEndorser', name, 'value-001', 'Org1MSP')
    return name
  }

  async function change(key: string, value: string, endorsers?: string[]): Promise<void> {
    await org1.submit('changeState', { arguments: [key, value], ...(endorsers && { endorsingOrganizations: endorsers }) })
  }

  async function failure(work: Promise<unknown>): Promise<number> {
    const error = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    if (error instanceof CommitError) return error.code
    throw error ?? new Error('it did not fail')
  }

  it('State change must be endorsed by Org1 peer', async () => {
    const key = await keyOf('key-001')
    await change(key, 'value-Org1', ['Org1MSP'])
    expect(await evaluated(org1, 'getState', key)).toBe('value-Org1')
  })

  it('State change fails if endorsed only by Org2 peer', async () => {
    const key = await keyOf('key-002')
    expect(await failure(change(key, 'value-Org2', ['Org2MSP']))).toBe(ValidationCode.endorsementPolicyFailure)
    expect(await evaluated(org1, 'getState', key)).toBe('value-001')
  })

  it.each([
    ['Set SBE policy for Org1 AND Org3; state change successfully when not specifying endorsing orgs', 'Org1MSP', 'Org3MSP'],
    ['Set SBE policy for Org2 AND Org3 (no local org); state change successfully when not specifying endorsing orgs', 'Org2MSP', 'Org3MSP'],
  ])('%s', async (_, one, other) => {
    const key = await keyOf(`key-${one}-${other}`)
    await submitted(org1, 'setStateEndorsers', key, one, other)
    await change(key, 'value-both')
    expect(await evaluated(org1, 'getState', key)).toBe('value-both')
    const last = await net.blocks.get(net.blocks.height - 1n)
    expect(last?.transactions[0]?.call?.endorsers.toSorted()).toEqual([one, other])
  })

  it('Set SBE policy for Org1 AND Org3; state change fails when specifying incorrect endorsing orgs', async () => {
    const key = await keyOf('key-005')
    await submitted(org1, 'setStateEndorsers', key, 'Org1MSP', 'Org3MSP')
    expect(await failure(change(key, 'value-Org1-Org2', ['Org1MSP', 'Org2MSP']))).toBe(ValidationCode.endorsementPolicyFailure)
    expect(await evaluated(org1, 'getState', key)).toBe('value-001')
  })
})
