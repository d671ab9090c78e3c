import type { Ledger, Simulator } from '@kumiko/fabric-ledger'
import type { ChannelBundle, LocalMsp } from '@kumiko/fabric-msp'
import {
  buildProposal,
  readProposal,
  SignedProposal,
  signProposal,
  toHex,
  writePrivateReadWriteSet,
  writeReadWriteSet,
} from '@kumiko/fabric-protocol'
import { must } from '@kumiko/testkit'
import type { ChaincodeDefinitions, ChaincodeRuntime, TransactionContext } from '../src/contract.ts'
import { isCollectionOf } from '../src/requests/collections.ts'
import { CHANNEL_ID } from './golden-ledger.ts'

/** The golden channel's chaincode: in its namespace tests run their own. */
export const CHAINCODE = 'golden'

const encoder = new TextEncoder()

/** What a client asks for. */
export interface TestProposal {
  readonly args: readonly string[]
  readonly transient?: Readonly<Record<string, string>>
  readonly isInit?: boolean
  readonly chaincode?: string
  readonly signal?: AbortSignal
  /** Makes another transaction of the same. */
  readonly nonce?: number
}

/** All that an endorser would sign. */
export interface TestResult {
  readonly status: number
  readonly message: string
  readonly payload: string
  readonly event: { readonly name: string; readonly payload: string; readonly chaincodeId: string; readonly txId: string } | undefined
  readonly results: string
  readonly privateResults: string
}

/** A channel that transactions are tried on. */
export interface TestChannel {
  readonly ledger: Pick<Ledger, 'simulate' | 'blocks'>
  readonly bundle: ChannelBundle
  readonly client: LocalMsp
}

/** A proposal, as it comes to the endorser. */
export function signedProposalFor(
  { client }: TestChannel,
  { args, transient = {}, isInit = false, chaincode = CHAINCODE, nonce = 7 }: TestProposal,
): { readonly signedProposal: SignedProposal; readonly txId: string } {
  const { proposal, txId } = buildProposal(
    {
      channelId: CHANNEL_ID,
      chaincode,
      args: args.map((arg) => encoder.encode(arg)),
      isInit,
      transientMap: new Map(Object.entries(transient).map(([key, value]) => [key, encoder.encode(value)])),
      nonce: new Uint8Array(24).fill(nonce),
      timestamp: { seconds: 1_780_000_000n, nanos: 5 },
    },
    client.creator,
  )
  return { signedProposal: must(SignedProposal.decode(signProposal(proposal, client))), txId }
}

/** A transaction, as it comes to the runtime. */
export function contextFor(channel: TestChannel, proposal: TestProposal, simulator: Simulator): TransactionContext {
  const { signedProposal, txId } = signedProposalFor(channel, proposal)
  const read = must(readProposal(signedProposal.proposalBytes))
  const { signal } = proposal
  return { channelId: CHANNEL_ID, txId, signedProposal, proposal: read, simulator, ...(signal && { signal }) }
}

/** Executes a proposal, and gives what there is to endorse. */
export async function endorse(runtime: ChaincodeRuntime, channel: TestChannel, proposal: TestProposal): Promise<TestResult> {
  const simulator = await channel.ledger.simulate({ isCollection: isCollectionOf(() => channel.bundle) })
  try {
    const context = contextFor(channel, proposal, simulator)
    const input = must(context.proposal.invocation.chaincodeSpec?.input)
    const { response, event } = await runtime.execute(context, proposal.chaincode ?? CHAINCODE, input)
    const { public: publicSet, private: privateSet } = await simulator.results()
    return {
      status: response.status,
      message: response.message,
      payload: new TextDecoder().decode(response.payload),
      event: event && { name: event.eventName, payload: toHex(event.payload), chaincodeId: event.chaincodeId, txId: event.txId },
      results: toHex(writeReadWriteSet(publicSet)),
      privateResults: privateSet === undefined ? '' : toHex(writePrivateReadWriteSet(privateSet)),
    }
  } finally {
    await simulator.close()
  }
}

/** Definitions of this kind for each chaincode. */
export function definitionsOf(packageIds: Readonly<Record<string, string>>, enforceInit = false): ChaincodeDefinitions {
  return {
    endorsementInfo: async (_, chaincode, simulator) => {
      await simulator.getState('_lifecycle', `namespaces/metadata/${chaincode}`)
      const packageId = packageIds[chaincode]
      if (packageId === undefined) throw new Error(`chaincode ${chaincode} not found`)
      return { version: '1.0', enforceInit, packageId, endorsementPlugin: 'escc' }
    },
  }
}
