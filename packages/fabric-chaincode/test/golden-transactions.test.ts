import type { TransactionPrivateData } from '@kumiko/fabric-ledger'
import type { LocalMsp } from '@kumiko/fabric-msp'
import {
  ChaincodeEvent,
  ChaincodeProposalPayload,
  equalBytes,
  Header,
  openEnvelope,
  Proposal,
  readChaincodeAction,
  readEndorserTransaction,
  readProposal,
  type SignedProposal,
  toHex,
  ValidationCode,
  writeReadWriteSet,
} from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT, goldenBlocks, goldenJson } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { must } from '@kumiko/testkit'
import { expect, it } from 'vitest'
import { inProcessChaincode } from '../src/connectors/in-process.ts'
import type { TransactionContext } from '../src/contract.ts'
import { isCollectionOf } from '../src/requests/collections.ts'
import { chaincodeRuntime } from '../src/runtime/chaincode-runtime.ts'
import { GoldenContract } from './golden-contract.ts'
import { CHANNEL_ID, goldenAccess, goldenBlock, goldenBundle, goldenCommit, goldenLedger, goldenUser, PACKAGE_ID } from './golden-ledger.ts'

/** Blocks whose transaction was endorsed at an earlier height than their own: it was to conflict. */
const STALE: Readonly<Record<number, number>> = { 11: 10, 13: 12, 33: 32 }

/** Its response was changed after it was endorsed. */
const FORGED = 44

const FIRST = 3

interface Recorded {
  readonly name: string
  readonly signedProposal: SignedProposal
  readonly txId: string
  readonly expected: { readonly results: string; readonly payload: string; readonly events: string }
}

interface LoggedTransaction {
  readonly txId: string
  readonly transient?: Readonly<Record<string, string>>
}

/** What clients gave with a transaction, by its id. */
const TRANSIENT: ReadonlyMap<string, ReadonlyMap<string, Uint8Array>> = new Map(
  (goldenJson('client-log.json') as { readonly log: readonly LoggedTransaction[] }).log.map(({ txId, transient = {} }) => [
    txId,
    new Map(Object.entries(transient).map(([name, value]) => [name, new Uint8Array(Buffer.from(value, 'base64'))])),
  ]),
)

const users: readonly LocalMsp[] = await Promise.all(['User1', 'User2', 'Admin'].map(goldenUser))

it('endorses what the real peer endorsed: the same reads and writes, answers and events, to the byte', async () => {
  await using ledger = await goldenLedger(FIRST)
  const bundle = goldenBundle()
  const runtime = chaincodeRuntime({
    definitions: {
      endorsementInfo: async (_, chaincode, simulator) => {
        await simulator.getState('_lifecycle', `namespaces/fields/${chaincode}/Sequence`)
        return { version: '1.0', enforceInit: false, packageId: PACKAGE_ID, endorsementPlugin: 'escc' }
      },
    },
    channel: (channelId) => (channelId === CHANNEL_ID ? { bundle, ledger } : undefined),
    accessControl: await goldenAccess(bundle),
    connectors: [inProcessChaincode({ packageId: PACKAGE_ID, contracts: [GoldenContract] })],
  })
  let count = 0
  for (let height = FIRST; height < GOLDEN_HEIGHT; height++) {
    const privateData: TransactionPrivateData[] = []
    for (const { name, signedProposal, txId, expected } of endorsedAt(height)) {
      const simulator = await ledger.simulate({ isCollection: isCollectionOf(() => bundle) })
      const proposal = must(readProposal(signedProposal.proposalBytes))
      const context: TransactionContext = { channelId: CHANNEL_ID, txId, signedProposal, proposal, simulator }
      const { response, event } = await runtime.execute(context, 'golden', must(proposal.invocation.chaincodeSpec?.input))
      const sets = await simulator.results()
      if (sets.private !== undefined) privateData.push({ transactionNumber: 0, set: sets.private })
      const got = {
        results: toHex(writeReadWriteSet(sets.public)),
        payload: new TextDecoder().decode(response.payload),
        events: toHex(event === undefined ? new Uint8Array() : ChaincodeEvent.encode(event)),
      }
      expect({ name, ...got }).toEqual({ name, ...expected })
      count++
    }
    // What was purged since is not among the recorded private data.
    await ledger.commit({ ...goldenCommit(height), privateData })
  }
  expect(count).toBe(60)
  runtime.stop()
})

function* endorsedAt(height: number): Generator<Recorded> {
  for (const [number, at] of Object.entries(STALE)) if (at === height) yield* transactionsOf(Number(number))
  if (STALE[height] === undefined && height !== FORGED) yield* transactionsOf(height)
}

/** The transactions of a block that a peer endorsed. */
function* transactionsOf(number: number): Generator<Recorded> {
  for (const [index, item] of goldenBlock(number).data.entries()) {
    const label = goldenBlocks()[number]?.txs[index]
    const payload = must(openEnvelope(item))
    const transaction = readEndorserTransaction(payload)
    if (isFault(transaction) || label?.validationCode === ValidationCode.badProposalTxid) continue
    const header = must(payload.header)
    const { response, results, events } = must(readChaincodeAction(transaction.responsePayload))
    const txId = must(label?.txId)
    const transientMap = TRANSIENT.get(txId) ?? new Map()
    const { input } = must(ChaincodeProposalPayload.decode(transaction.proposalPayload))
    const proposalBytes = Proposal.encode({
      header: Header.encode(header),
      payload: ChaincodeProposalPayload.encode({ input, transientMap }),
    })
    const client = must(users.find(({ creator }) => equalBytes(creator, transaction.signature.creator)))
    yield {
      name: `block ${number}, transaction ${index}`,
      signedProposal: { proposalBytes, signature: client.sign(proposalBytes) },
      txId,
      expected: { results: toHex(results), payload: new TextDecoder().decode(response?.payload), events: toHex(events) },
    }
  }
}
