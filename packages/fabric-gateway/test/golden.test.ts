import { join } from 'node:path'
import { type GatewayChannel, type GatewayOptions, gateway } from '@kumiko/fabric-gateway'
import {
  accessControl,
  type ChannelBundle,
  channelBundle,
  channelMsp,
  loadLocalMsp,
  readConfigTransaction,
  type X509Msp,
} from '@kumiko/fabric-msp'
import {
  type Block,
  CommitStatusRequest,
  PreparedTransaction,
  ProposalResponse,
  ProposedTransaction,
  readBlock,
  readEndorserTransaction,
  readPayload,
  SerializedIdentity,
  SignedCommitStatusRequest,
  type SignedProposal,
} from '@kumiko/fabric-protocol'
import { GOLDEN, GOLDEN_HEIGHT, goldenBlocks, goldenJson, peerBlock } from '@kumiko/golden-channel'
import { systemClock } from '@kumiko/interface'
import { must } from '@kumiko/testkit'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { closeAll, identity, served, take } from './client.ts'

const CHANNEL = 'mychannel'
const USER = 'crypto/peerOrganizations/org1.example.com/users/User1@org1.example.com/msp'

/** What a real client asked for, and what Fabric's gateway gave it. */
interface LoggedTransaction {
  readonly label: string
  readonly txId: string
  readonly fn?: string
  readonly proposalBytes?: string
  readonly preparedBytes?: string
}

const log = (goldenJson('client-log.json') as { readonly log: readonly LoggedTransaction[] }).log

const blocks: readonly Block[] = Array.from({ length: GOLDEN_HEIGHT }, (_, number) => must(readBlock(peerBlock(number))))

/** The recorded channel, which does not grow. */
function goldenChannel(): GatewayChannel & { readonly bundle: ChannelBundle<X509Msp> } {
  const { channelId, envelope } = must(readConfigTransaction(must(blocks[0]?.data[0])))
  const transactions = goldenBlocks().flatMap(({ number, txs }) =>
    txs.map(({ txId, index, validationCode }) => ({ txId, blockNumber: BigInt(number), transactionNumber: index, validationCode })),
  )
  return {
    bundle: must(channelBundle(channelId, must(envelope.config), channelMsp)),
    height: BigInt(GOLDEN_HEIGHT),
    ledger: {
      blocks: {
        block: async (number) => blocks[Number(number)],
        transaction: async (txId) => {
          const found = transactions.find((one) => one.txId === txId)
          return found && { ...found, envelope: new Uint8Array() }
        },
      },
    },
    async *commits(_, { signal }) {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    },
  }
}

const channel = goldenChannel()
let access: GatewayOptions['access']

beforeAll(async () => {
  const { msp } = await loadLocalMsp(join(GOLDEN, USER), { mspId: 'Org1MSP' })
  access = accessControl({ localMsp: msp, channel: (id) => (id === CHANNEL ? channel.bundle : undefined) })
})
afterEach(closeAll)

/** What a client keeps of a transaction to ask for its status. */
function unsignedCommit(transactionId: string): Uint8Array {
  const creator = SerializedIdentity.encode({ mspId: identity.mspId, idBytes: identity.credentials })
  return SignedCommitStatusRequest.encode({ request: CommitStatusRequest.encode({ transactionId, channelId: CHANNEL, identity: creator }) })
}

function goldenGateway(answer: (signed: SignedProposal) => ProposalResponse = () => ProposalResponse.create()) {
  const self = { mspId: 'Org1MSP', endpoint: 'peer0.org1.example.com:7051' }
  const localEndorser = { processProposal: async (signed: SignedProposal) => answer(signed) }
  const info = { ...self, identity: new Uint8Array(), ledgerHeight: channel.height, chaincodes: [{ name: 'golden', version: '1' }] }
  return gateway({
    ...self,
    localEndorser,
    remote: () => ({ ...localEndorser, close: () => {} }),
    peers: () => [info],
    plan: async () => ({ chaincode: 'golden', groups: new Map([['G0', [info]]]), layouts: [new Map([['G0', 1]])] }),
    orderers: () => [],
    channel: (id) => (id === CHANNEL ? channel : undefined),
    access,
    clock: systemClock,
  })
}

describe('a channel that was recorded from Fabric', () => {
  const recorded = log.filter(({ preparedBytes }) => preparedBytes !== undefined)

  it.each(recorded.map((entry) => [entry.label, entry] as const))(
    '%s: the prepared transaction is the one of its gateway, byte by byte',
    async (_, entry) => {
      const proposed = must(ProposedTransaction.decode(Buffer.from(entry.proposalBytes ?? '', 'base64')))
      const prepared = must(PreparedTransaction.decode(Buffer.from(entry.preparedBytes ?? '', 'base64')))
      const payload = must(readPayload(must(prepared.envelope).payload))
      const { responsePayloadBytes, endorsements } = must(readEndorserTransaction(payload))
      const response = { status: 200, message: '', payload: new Uint8Array() }
      const answer = ProposalResponse.create({ response, payload: responsePayloadBytes, endorsement: must(endorsements[0]) })
      const request = { transactionId: entry.txId, channelId: CHANNEL, proposedTransaction: proposed.proposal, endorsingOrganizations: [] }
      const { preparedTransaction } = await goldenGateway(() => answer).endorse(request, { signal: new AbortController().signal })
      expect(Buffer.from(must(preparedTransaction).payload).equals(must(prepared.envelope).payload)).toBe(true)
    },
  )

  it('gives its events to the client', async () => {
    const { gateway: client } = await served(goldenGateway())
    const events = await client.getNetwork(CHANNEL).getChaincodeEvents('golden', { startBlock: 0n })
    const [event] = await take(events, 1)
    const logged = log.find(({ fn }) => fn === 'event')
    expect(event).toMatchObject({ chaincodeName: 'golden', eventName: 'Golden', transactionId: logged?.txId })
    expect(Buffer.from(event?.payload ?? []).toString()).toBe('payload-1')
  })

  it('gives the status of each of its transactions to the client, who is known by its policies', async () => {
    const { gateway: client } = await served(goldenGateway())
    const transactions = goldenBlocks().flatMap(({ number, txs }) => txs.map((tx) => ({ ...tx, number })))
    // Of one id the first counts.
    const first = transactions.filter(({ txId, type }, at) => type === 3 && transactions.findIndex((one) => one.txId === txId) === at)
    expect(first.length).toBeGreaterThan(50)
    for (const { txId, validationCode, number } of first) {
      const commit = client.newCommit(unsignedCommit(txId))
      expect(await commit.getStatus()).toMatchObject({ code: validationCode, blockNumber: BigInt(number) })
    }
  })
})
