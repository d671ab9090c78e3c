import { type Contract, GatewayError, type Network } from '@hyperledger/fabric-gateway'
import { type Devnet, devnet } from '@kumiko/fabric-devnet'
import { BasicContract, ErrorsContract, PrivateContract } from './contracts.ts'

/** The network of the gateway's published scenarios: three organisations, of which two have two peers. */
export async function scenarioNetwork(): Promise<Devnet> {
  const members = (...mspIds: readonly string[]) => mspIds.map((mspId) => `'${mspId}.member'`).join(', ')
  return await devnet({
    orgs: [
      { name: 'Org1', peers: 2 },
      { name: 'Org2', peers: 2 },
      { name: 'Org3', peers: 1 },
    ],
    contracts: {
      basic: { contract: BasicContract, policy: `AND(${members('Org1MSP', 'Org2MSP')})` },
      all: { contract: BasicContract, policy: `AND(${members('Org1MSP', 'Org2MSP', 'Org3MSP')})` },
      errors: { contract: ErrorsContract, policy: `AND(${members('Org1MSP', 'Org2MSP', 'Org3MSP')})` },
      private: {
        contract: PrivateContract,
        policy: `OR(${members('Org1MSP', 'Org2MSP', 'Org3MSP')})`,
        collections: [
          { name: 'SharedCollection', policy: `OR(${members('Org1MSP', 'Org3MSP')})`, maxPeerCount: 1, blockToLive: 1_000_000 },
          {
            name: 'Org1Collection',
            policy: `OR(${members('Org1MSP')})`,
            maxPeerCount: 1,
            memberOnlyWrite: false,
            endorsementPolicy: { signaturePolicy: `OR(${members('Org1MSP')})` },
          },
          {
            name: 'Org3Collection',
            policy: `OR(${members('Org3MSP')})`,
            maxPeerCount: 1,
            memberOnlyRead: false,
            memberOnlyWrite: false,
            endorsementPolicy: { signaturePolicy: `OR(${members('Org3MSP')})` },
          },
        ],
      },
    },
  })
}

/** A channel as the unmodified client of an organisation's user sees it. */
export async function networkOf(net: Devnet, org = 'Org1'): Promise<Network> {
  return (await net.connect(org)).getNetwork(net.channelId)
}

/** What a client is told: the code, the message, and who said what. */
export async function failureOf(work: Promise<unknown>): Promise<{
  readonly code: number
  readonly message: string
  readonly details: readonly (readonly [address: string, mspId: string, message: string])[]
}> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof GatewayError)) throw error ?? new Error('it did not fail')
  const details = error.details.map(({ address, mspId, message }) => [address, mspId, message] as const)
  return { code: error.code, message: error.message, details: details.toSorted(([a], [b]) => (a < b ? -1 : 1)) }
}

/** Addresses of an organisation's peers, in order. */
export function addressesOf(net: Devnet, ...mspIds: readonly string[]): readonly (readonly [address: string, mspId: string])[] {
  const found = net.network.organizations.filter(({ organization }) => mspIds.includes(organization.mspId))
  const addresses = found.flatMap(({ organization, peers }) => peers.map(({ address }) => [address, organization.mspId] as const))
  return addresses.toSorted(([a], [b]) => (a < b ? -1 : 1))
}

/** What a contract answers, as text. */
export async function evaluated(contract: Contract, name: string, ...args: readonly string[]): Promise<string> {
  return Buffer.from(await contract.evaluateTransaction(name, ...args)).toString()
}

/** What a transaction gave, as text, when it is committed. */
export async function submitted(contract: Contract, name: string, ...args: readonly string[]): Promise<string> {
  return Buffer.from(await contract.submitTransaction(name, ...args)).toString()
}
