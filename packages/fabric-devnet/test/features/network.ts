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

/** A peer by its port and organisation, and what it said. */
export type Said = readonly [port: string, mspId: string, message: string]

/** What a client is told: the code, the message, and who said what, by port. */
export async function failureOf(
  work: Promise<unknown>,
): Promise<{ readonly code: number; readonly message: string; readonly details: readonly Said[] }> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof GatewayError)) throw error ?? new Error('it did not fail')
  const details = error.details.map(({ address, mspId, message }): Said => [portOf(address), mspId, message])
  return { code: error.code, message: error.message, details: details.toSorted(([a], [b]) => Number(a) - Number(b)) }
}

/** What peers of these organisations are to have said, by port. */
export function saidBy(net: Devnet, mspIds: readonly string[], message: (mspId: string) => string): readonly Said[] {
  const found = net.network.organizations.filter(({ organization }) => mspIds.includes(organization.mspId))
  const said = found.flatMap(({ organization: { mspId }, peers }) =>
    peers.map(({ address }): Said => [portOf(address), mspId, message(mspId)]),
  )
  return said.toSorted(([a], [b]) => Number(a) - Number(b))
}

/** `7051` of `localhost:7051`. */
export function portOf(address: string): string {
  return address.slice(address.lastIndexOf(':') + 1)
}

/** What a contract answers, as text. */
export async function evaluated(contract: Contract, name: string, ...args: readonly string[]): Promise<string> {
  return Buffer.from(await contract.evaluateTransaction(name, ...args)).toString()
}

/** What a transaction gave, as text, when it is committed. */
export async function submitted(contract: Contract, name: string, ...args: readonly string[]): Promise<string> {
  return Buffer.from(await contract.submitTransaction(name, ...args)).toString()
}
