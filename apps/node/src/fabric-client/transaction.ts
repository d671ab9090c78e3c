import { peerDeliverClient } from '@kumiko/fabric-deliver'
import { assembleTransaction, Endorsement, equalBytes, readEnvelope, signEnvelope, validationCodeName } from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'
import { StoppedError } from '../failure.ts'
import type { Answers, FabricNetwork, Question } from './network.ts'

/** What a transaction came to. */
export interface Submitted {
  readonly txId: string
  /** What the chaincode answered. */
  readonly payload: Uint8Array
  readonly status: number
  /** By peer, where it was waited for: they have committed it as valid. */
  readonly committedAt: readonly string[]
}

/** How a transaction is submitted. */
export interface SubmitOptions {
  /** Undefined: it is not waited for. */
  readonly waitMs: number | undefined
}

/**
 * Has a transaction endorsed by all peers asked, ordered, and where wanted waits until they have committed it.
 * @throws KumikoError `node/refused`, `node/unreachable`, `node/invalid-transaction`, `node/timeout`, `node/stopped`.
 */
export async function submit(network: FabricNetwork, question: Question, { waitMs }: SubmitOptions): Promise<Submitted> {
  const answers = await network.ask(question)
  const { payload, status, envelope } = endorsed(network, answers)
  const read = readEnvelope(envelope)
  if (isFault(read)) throw new Error(read.fault)
  const waiting = waitMs === undefined ? undefined : await Waiting.begin(network, question.channelId, answers.txId, waitMs)
  try {
    await network.broadcast(read, question.channelId)
    return { txId: answers.txId, payload, status, committedAt: (await waiting?.committed()) ?? [] }
  } finally {
    waiting?.end()
  }
}

/** @see Fabric `internal/peer/chaincode/common.go` ChaincodeInvokeOrQuery */
function endorsed(
  { signer }: FabricNetwork,
  { proposal, answers }: Answers,
): { readonly envelope: Uint8Array; readonly payload: Uint8Array; readonly status: number } {
  for (const { response, address } of answers) {
    const { status = 0, message = '' } = response.response ?? {}
    if (status >= 200 && status < 400) continue
    const text = `endorsement failure during invoke. response: status:${status} message:${JSON.stringify(message)}`
    throw new KumikoError('node/refused', answers.length > 1 ? `${address}: ${text}` : text)
  }
  const [first] = answers
  if (first === undefined || answers.some(({ response }) => !equalBytes(response.payload, first.response.payload)))
    throw new KumikoError('node/refused', 'could not assemble transaction: ProposalResponsePayloads do not match')
  const endorsements = answers.map(({ response }) => response.endorsement ?? Endorsement.create())
  const payload = assembleTransaction(proposal, first.response.payload, endorsements)
  if (isFault(payload)) throw new Error(payload.detail ?? payload.fault)
  const { status = 0, payload: result = new Uint8Array() } = first.response.response ?? {}
  return { envelope: signEnvelope(payload, signer), payload: result, status }
}

/** Waits at each peer for a transaction: from before it is sent. */
class Waiting {
  readonly #found: Promise<readonly string[]>
  readonly #ending: AbortController

  private constructor(found: Promise<readonly string[]>, ending: AbortController) {
    this.#found = found
    this.#ending = ending
  }

  static async begin(network: FabricNetwork, channelId: string, txId: string, waitMs: number): Promise<Waiting> {
    const ending = new AbortController()
    const late = AbortSignal.timeout(waitMs)
    const signal = AbortSignal.any([ending.signal, network.signal, late])
    const begun = network.peers.map(() => Promise.withResolvers<void>())
    const waits = network.peers.map(async (endpoint, at) => {
      const { signer, clientTls } = network
      const client = peerDeliverClient({ channelId, endpoints: [endpoint], signer, ...(clientTls && endpoint.tlsRoots && { clientTls }) })
      for await (const block of client.filteredBlocks('newest', { signal })) {
        begun[at]?.resolve()
        const found = block.transactions.find((transaction) => transaction.txId === txId)
        if (found !== undefined) return { address: endpoint.address, code: found.validationCode }
      }
      throw new Error(`${endpoint.address} tells of no more blocks`)
    })
    const found = Promise.all(waits).then(
      (each) => each.map(validAt),
      (error: unknown) => {
        if (network.signal.aborted)
          throw new StoppedError('stopped before the transaction was committed: it may be in a block all the same')
        if (!late.aborted) throw error
        throw new KumikoError('node/timeout', `timed out waiting for txid ${txId} on all peers: it may be in a block all the same`)
      },
    )
    found.catch(() => {})
    const waiting = new Waiting(found, ending)
    await Promise.race([Promise.all(begun.map(({ promise }) => promise)), found])
    return waiting
  }

  /** @returns Where it was committed. @throws KumikoError `node/invalid-transaction`, `node/timeout`. */
  async committed(): Promise<readonly string[]> {
    return await this.#found
  }

  end(): void {
    this.#ending.abort(new Error('nobody waits any more'))
  }
}

function validAt({ address, code }: { readonly address: string; readonly code: number }): string {
  if (code === 0) return address
  const name = validationCodeName(code) ?? `code ${code}`
  throw new KumikoError('node/invalid-transaction', `transaction invalidated with status (${name})`, { context: { address, code } })
}
