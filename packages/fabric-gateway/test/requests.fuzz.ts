import { RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import {
  ChaincodeEventsRequest,
  CommitStatusRequest,
  EndorseRequest,
  EvaluateRequest,
  type Message,
  SignedChaincodeEventsRequest,
  SignedCommitStatusRequest,
  SubmitRequest,
} from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { HandMadeChain } from './hand-made-chain.ts'
import { CHANNEL, handMade, signedProposal } from './hand-made-network.ts'

const bytes = fc.uint8Array({ maxLength: 80 })
const proposal = signedProposal({ key: 'value' }).proposalBytes

/** A proposal of which a few bytes are others, or which ends early. */
const mutated = fc
  .tuple(fc.array(fc.tuple(fc.nat(proposal.length - 1), fc.nat(255)), { maxLength: 4 }), fc.nat(proposal.length))
  .map(([changes, end]) => {
    const copy = proposal.slice(0, end)
    for (const [at, value] of changes) if (at < copy.length) copy[at] = value
    return copy
  })

/** A request as it is read, or an empty one. */
function known<T extends object>(type: Message<T>, body: Uint8Array): T {
  const decoded = type.decode(body)
  return isFault(decoded) ? type.create() : decoded
}

/** How calls with any bytes end: at once, and never but with an error that a client is told. */
async function ended(work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    expect(error).toBeInstanceOf(RpcError)
    if (error instanceof RpcError) expect(error.status).not.toBe(RpcStatus.internal)
  }
}

it('answers any request', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(bytes, mutated),
      bytes,
      fc.array(fc.string({ maxLength: 5 }), { maxLength: 2 }),
      async (body, other, names) => {
        const chain = new HandMadeChain()
        chain.commit([{ txId: 't' }])
        const { gateway } = handMade({ chain, plan: () => 'no plan' })
        const gone = new AbortController()
        const call = { signal: gone.signal }
        const signed = { proposalBytes: body, signature: other }
        const ids = { transactionId: 't', channelId: CHANNEL }
        const calls = [
          () => gateway.evaluate({ ...ids, proposedTransaction: signed, targetOrganizations: names }, call),
          () => gateway.evaluate(known(EvaluateRequest, body), call),
          () => gateway.endorse({ ...ids, proposedTransaction: signed, endorsingOrganizations: names }, call),
          () => gateway.endorse(known(EndorseRequest, body), call),
          () => gateway.submit(known(SubmitRequest, body), call),
          () => gateway.commitStatus({ request: body, signature: other }, call),
          () => gateway.commitStatus(known(SignedCommitStatusRequest, body), call),
          () => gateway.commitStatus({ request: CommitStatusRequest.encode({ ...ids, identity: other }), signature: other }, call),
          () => first(gateway.chaincodeEvents({ request: body, signature: other }, call)),
          () => first(gateway.chaincodeEvents(known(SignedChaincodeEventsRequest, body), call)),
          () => first(gateway.chaincodeEvents({ request: ChaincodeEventsRequest.encode({ channelId: CHANNEL }), signature: other }, call)),
        ]
        const ends = calls.map(ended)
        await Promise.resolve()
        setImmediate(() => gone.abort())
        await Promise.all(ends)
        await expect.poll(() => chain.followers).toBe(0)
      },
    ),
    { seed: 42, numRuns: 150 },
  )
})

async function first(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of events) return
}
