import { ChaincodeId, ChaincodeMessage, ChaincodeMessageType, Response } from '@kumiko/fabric-protocol'
import { messageLink } from '../src/connectors/message-link.ts'
import type { ChaincodeConnector, ChaincodeDuplex } from '../src/runtime/connector.ts'

/** Asks the peer for something. */
export type Ask = (type: number, payload: Uint8Array) => Promise<ChaincodeMessage>

/** What a chaincode does with a transaction. */
export type Script = (ask: Ask, transaction: ChaincodeMessage, link: ScriptedLink) => Promise<Partial<Response>>

/** The chaincode's end. */
export interface ScriptedLink {
  /** Sends what the chaincode likes. */
  send(message: Partial<ChaincodeMessage>): void
  /** Loses the stream. */
  lose(): void
}

/** A chaincode without a shim, that can do wrong. */
export class ScriptedChaincode implements ChaincodeConnector {
  readonly packageId: string
  readonly script: Script
  /** How often it was launched. */
  launches = 0
  /** All that the peer sent. */
  readonly received: ChaincodeMessage[] = []

  constructor(packageId: string, script: Script) {
    this.packageId = packageId
    this.script = script
  }

  runs(packageId: string): boolean {
    return packageId === this.packageId
  }

  async launch(packageId: string, streams: Parameters<ChaincodeConnector['launch']>[1], signal: AbortSignal): Promise<void> {
    this.launches++
    const { peer, link } = this.#link()
    signal.addEventListener('abort', link.lose)
    link.send({ type: ChaincodeMessageType.register, payload: ChaincodeId.encode({ name: packageId }) })
    await streams.attach(peer)
  }

  /** A stream of it that nobody launched. */
  dial(name: string): { readonly peer: ChaincodeDuplex; readonly link: ScriptedLink } {
    const linked = this.#link()
    linked.link.send({ type: ChaincodeMessageType.register, payload: ChaincodeId.encode({ name }) })
    return linked
  }

  #link(): { readonly peer: ChaincodeDuplex; readonly link: ScriptedLink } {
    const answers = new Map<string, (answer: ChaincodeMessage) => void>()
    const { peer, chaincode } = messageLink((message) => {
      this.received.push(message)
      if (message.type === ChaincodeMessageType.response || message.type === ChaincodeMessageType.error) {
        answers.get(message.channelId + message.txid)?.(message)
      } else if (message.type === ChaincodeMessageType.transaction || message.type === ChaincodeMessageType.init) void run(message)
    })
    const link: ScriptedLink = { send: (message) => chaincode.send(ChaincodeMessage.create(message)), lose: () => chaincode.end() }
    const run = async (transaction: ChaincodeMessage): Promise<void> => {
      const { txid, channelId } = transaction
      const ask: Ask = (type, payload) =>
        new Promise((resolve) => {
          answers.set(channelId + txid, resolve)
          link.send({ type, payload, txid, channelId })
        })
      const payload = Response.encode({ status: 200, ...(await this.script(ask, transaction, link)) })
      link.send({ type: ChaincodeMessageType.completed, payload, txid, channelId })
    }
    return { peer, link }
  }
}
