import type { GatewayChannel } from '@kumiko/fabric-gateway'
import {
  type Block,
  ChaincodeAction,
  ChaincodeActionPayload,
  ChaincodeEvent,
  ChannelHeader,
  Envelope,
  Header,
  HeaderType,
  Payload,
  ProposalResponsePayload,
  Transaction,
} from '@kumiko/fabric-protocol'
import { News, raceAbort } from '@kumiko/interface'

/** A transaction of chaincode `cc`, with an event unless it says that it has none. */
export interface HandMadeTransaction {
  readonly txId: string
  readonly chaincode?: string
  readonly event?: string | undefined
  readonly code?: number
}

/** A channel whose blocks are made by hand. */
export class HandMadeChain implements GatewayChannel {
  readonly bundle: GatewayChannel['bundle']
  /** How often a block was read from the ledger. */
  reads = 0
  /** How many loops over commits are open, and how many there were. */
  followers = 0
  follows = 0
  readonly #blocks: Block[] = []
  #stateHeight = 0
  #end: Error | 'closed' | undefined
  readonly #news = new News()

  constructor(consensus = 'etcdraft') {
    // Of a channel's configuration, all that a gateway looks at.
    const orderer = { consensus: { type: consensus } } as unknown as GatewayChannel['bundle']['orderer']
    this.bundle = { orderer, application: undefined, msps: { msp: () => undefined } }
  }

  get height(): bigint {
    return BigInt(this.#stateHeight)
  }

  get ledger(): GatewayChannel['ledger'] {
    return {
      blocks: {
        block: async (number) => {
          this.reads++
          return this.#blocks[Number(number)]
        },
        transaction: async (txId) => {
          for (const { header, data, metadata } of this.#blocks) {
            const at = data.findIndex((bytes) => idOf(bytes) === txId)
            const validationCode = metadata[2]?.[at]
            if (validationCode !== undefined)
              return { blockNumber: header.number, transactionNumber: at, validationCode, envelope: data[at] ?? new Uint8Array() }
          }
          return
        },
      },
    }
  }

  /** Stores a block; the state follows when {@link catchUp} is called, or at once. */
  commit(transactions: readonly HandMadeTransaction[], { lags = false }: { readonly lags?: boolean } = {}): void {
    const header = { number: BigInt(this.#blocks.length), previousHash: new Uint8Array(), dataHash: new Uint8Array() }
    const codes = Uint8Array.from(transactions, ({ code = 0 }) => code)
    this.#blocks.push({ header, data: transactions.map(encode), metadata: [new Uint8Array(), new Uint8Array(), codes] })
    if (!lags) this.catchUp()
  }

  catchUp(): void {
    this.#stateHeight = this.#blocks.length
    this.#news.tell()
  }

  /** Ends the channel, or halts it. */
  end(with_: Error | 'closed'): void {
    this.#end = with_
    this.#news.tell()
  }

  async *commits(from: bigint, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<{ readonly block: Block }, void, undefined> {
    this.followers++
    this.follows++
    try {
      for (let number = Number(from); !signal.aborted; ) {
        const news = this.#news.next
        const block = number < this.#stateHeight ? this.#blocks[number] : undefined
        if (block !== undefined) {
          number++
          yield { block }
        } else if (this.#end instanceof Error) throw this.#end
        else if (this.#end === 'closed') return
        else await raceAbort(news, signal).catch(() => undefined)
      }
    } finally {
      this.followers--
    }
  }
}

function encode({ txId, chaincode = 'cc', event = 'e' }: HandMadeTransaction): Uint8Array {
  const events = ChaincodeEvent.encode({ chaincodeId: chaincode, txId, eventName: event, payload: new TextEncoder().encode(txId) })
  const extension = ChaincodeAction.encode({ events })
  const proposalResponsePayload = ProposalResponsePayload.encode({ extension })
  const payload = ChaincodeActionPayload.encode({ action: { proposalResponsePayload, endorsements: [] } })
  const header = Header.create({ channelHeader: ChannelHeader.encode({ type: HeaderType.endorserTransaction, txId }) })
  const data = Transaction.encode({ actions: [{ header: new Uint8Array(), payload }] })
  // The signature tells the id without decoding.
  return Envelope.encode({ payload: Payload.encode({ header, data }), signature: new TextEncoder().encode(txId) })
}

function idOf(bytes: Uint8Array): string | undefined {
  const envelope = Envelope.decode(bytes)
  return 'fault' in envelope ? undefined : new TextDecoder().decode(envelope.signature)
}
