import type { ChaincodeMessage } from '@kumiko/fabric-protocol'
import type { ChaincodeDuplex } from '../runtime/connector.ts'

/** The chaincode's end of a link in memory. */
export interface LinkedChaincode {
  /** Gives a message to the peer. After the link's end it is dropped. */
  send(message: ChaincodeMessage): void
  /** Ends the link. Calling it again does nothing. */
  end(): void
}

/** A link in memory. */
export interface MessageLink {
  /** The peer's end. */
  readonly peer: ChaincodeDuplex
  readonly chaincode: LinkedChaincode
}

/**
 * A chaincode's stream without a socket. Holds what the other end has not read yet: one request for each transaction that runs.
 * @param receive - Gets what the peer sends, one after the other, never before `send` has returned. Must not throw.
 */
export function messageLink(receive: (message: ChaincodeMessage) => void): MessageLink {
  const waiting: ChaincodeMessage[] = []
  let reader: PromiseWithResolvers<void> | undefined
  let isOver = false
  const wake = (): void => {
    reader?.resolve()
    reader = undefined
  }
  const end = (): void => {
    isOver = true
    wake()
  }
  async function* messages(): AsyncGenerator<ChaincodeMessage, void, undefined> {
    for (;;) {
      const message = waiting.shift()
      if (message !== undefined) yield message
      else if (isOver) return
      else {
        reader = Promise.withResolvers()
        await reader.promise
      }
    }
  }
  const send = (message: ChaincodeMessage): boolean => {
    if (isOver) return false
    queueMicrotask(() => receive(message))
    return true
  }
  const peer: ChaincodeDuplex = { messages: messages(), send, drained: async () => {}, end, fail: end }
  const fromChaincode = (message: ChaincodeMessage): void => {
    if (isOver) return
    waiting.push(message)
    wake()
  }
  return { peer, chaincode: { send: fromChaincode, end } }
}
