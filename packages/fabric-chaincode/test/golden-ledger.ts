import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BlockToCommit, blockTransactions, Ledger, type Simulator, type TransactionPrivateData } from '@kumiko/fabric-ledger'
import { implicitCollectionOwner } from '@kumiko/fabric-lifecycle'
import {
  accessControl,
  type ChannelBundle,
  channelBundle,
  channelMsp,
  type LocalMsp,
  loadLocalMsp,
  readConfigTransaction,
} from '@kumiko/fabric-msp'
import {
  type Block,
  buildProposal,
  type EndorserTransaction,
  openEnvelope,
  type ProposalRequest,
  readBlock,
  readChaincodeAction,
  readEndorserTransaction,
  readPrivateReadWriteSet,
  readProposal,
  SignedProposal,
  signProposal,
  ValidationCode,
} from '@kumiko/fabric-protocol'
import { GOLDEN, goldenBlocks, goldenJson, peerBlock } from '@kumiko/golden-channel'
import { must } from '@kumiko/testkit'
import type { TransactionContext } from '../src/contract.ts'

export const CHANNEL_ID = 'mychannel'
export const MSP_ID = 'Org1MSP'

/** The package that the real peer ran. */
export const PACKAGE_ID = 'golden_1.0:6b7193aaec23e3c9893a0bb59ab18dafb24dfcbe2729473458edcf02bdbc9874'

/** A block as the real peer stored it. */
export function goldenBlock(number: number): Block {
  return must(readBlock(peerBlock(number)))
}

/** The first transaction of a block. */
export function goldenTransaction(number: number): EndorserTransaction {
  return must(readEndorserTransaction(must(openEnvelope(must(goldenBlock(number).data[0])))))
}

/** What the first transaction of a block read and wrote, as the real peer endorsed it. */
export function goldenResults(number: number): Uint8Array {
  return must(readChaincodeAction(goldenTransaction(number).responsePayload)).results
}

/** The channel as it began. */
export function goldenBundle(): ChannelBundle {
  const { channelId, envelope } = must(readConfigTransaction(must(goldenBlock(0).data[0])))
  return must(channelBundle(channelId, must(envelope.config), channelMsp))
}

/** Somebody of Org1: `Admin`, `User1`. */
export async function goldenUser(name: string): Promise<LocalMsp> {
  return await loadLocalMsp(join(GOLDEN, `crypto/peerOrganizations/org1.example.com/users/${name}@org1.example.com/msp`), { mspId: MSP_ID })
}

/** A ledger with so many of the channel's blocks, which goes with its folder. */
export async function goldenLedger(height: number): Promise<Ledger & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'kumiko-chaincode-'))
  const policies = { blockToLive: async () => 0n, isEligible: async () => true }
  const ledger = await Ledger.create({
    folder: join(folder, 'ledger'),
    channelId: CHANNEL_ID,
    policies: () => policies,
    genesis: goldenBlock(0),
  })
  for (let number = 1; number < height; number++) await ledger.commit(goldenCommit(number))
  return Object.assign(ledger, {
    [Symbol.asyncDispose]: async () => {
      await ledger.close()
      await rm(folder, { recursive: true })
    },
  })
}

const BY_READS = new Set<number>([ValidationCode.mvccReadConflict, ValidationCode.phantomReadConflict])

/** A golden block as it comes to the ledger. */
export function goldenCommit(number: number): BlockToCommit {
  const block = goldenBlock(number)
  const codes = goldenBlocks()[number]?.txs.map(({ validationCode }) => (BY_READS.has(validationCode) ? 0 : validationCode))
  const transactions = must(blockTransactions(block, Uint8Array.from(codes ?? [])))
  return { block: { ...block, metadata: block.metadata.slice(0, 2) }, transactions, privateData: goldenPrivateData(number) }
}

function goldenPrivateData(number: number): TransactionPrivateData[] {
  const { blocks } = goldenJson('private-data.json') as { readonly blocks: Readonly<Record<string, Readonly<Record<string, string>>>> }
  return Object.entries(blocks[number] ?? {}).map(([transaction, set]) => ({
    transactionNumber: Number(transaction),
    set: must(readPrivateReadWriteSet(new Uint8Array(Buffer.from(set, 'base64')))),
  }))
}

/** A simulation in which `_lifecycle` has its collections, and no other chaincode has any. */
export async function simulate(ledger: Ledger): Promise<Simulator> {
  return await ledger.simulate({
    isCollection: async (namespace, collection) => namespace === '_lifecycle' && implicitCollectionOwner(collection) !== undefined,
  })
}

/** What a client asks for, as it comes to a chaincode. */
export function contextOf(
  client: LocalMsp,
  request: Pick<ProposalRequest, 'chaincode' | 'args'>,
  simulator?: Simulator,
): TransactionContext {
  const channelId = simulator === undefined ? '' : CHANNEL_ID
  const nonce = Uint8Array.from({ length: 24 }, (_, at) => at)
  const { proposal, txId } = buildProposal({ ...request, channelId, nonce, timestamp: { seconds: 1n, nanos: 0 } }, client.creator)
  const signedProposal = must(SignedProposal.decode(signProposal(proposal, client)))
  return { channelId, txId, signedProposal, proposal: must(readProposal(signedProposal.proposalBytes)), simulator }
}

/** Who may do what on the golden channel, at a peer of Org1. */
export async function goldenAccess(bundle: ChannelBundle = goldenBundle()) {
  const { msp } = await goldenUser('Admin')
  return accessControl({ localMsp: msp, channel: (channelId) => (channelId === CHANNEL_ID ? bundle : undefined) })
}
