import type { ChaincodeConnector, ChaincodeDuplex, ChaincodeStreams } from '@kumiko/fabric-chaincode'
import { type ChaincodeMessage, ChaincodeMessageType, Response } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'

/** Makes chaincode of one peer answer otherwise than that of others: then their endorsements do not match. */
export class DifferentAnswers {
  #left = 0

  /** The next answers differ. */
  next(count: number): void {
    this.#left = count
  }

  /** A way to have chaincode running whose answers come by here. */
  guard(connector: ChaincodeConnector): ChaincodeConnector {
    return {
      runs: (packageId) => connector.runs(packageId),
      launch: (packageId, streams, signal) => connector.launch(packageId, this.#guarded(streams), signal),
    }
  }

  #guarded(streams: ChaincodeStreams): ChaincodeStreams {
    const change = (message: ChaincodeMessage): ChaincodeMessage => this.#changed(message)
    return {
      attach: (stream, refuse) => {
        const { messages } = stream
        const changed: ChaincodeDuplex = {
          messages: (async function* () {
            for await (const message of messages) yield change(message)
          })(),
          send: (message) => stream.send(message),
          drained: () => stream.drained(),
          end: () => stream.end(),
          fail: (error) => stream.fail(error),
        }
        return streams.attach(changed, refuse)
      },
    }
  }

  #changed(message: ChaincodeMessage): ChaincodeMessage {
    if (this.#left === 0 || message.type !== ChaincodeMessageType.completed) return message
    const response = Response.decode(message.payload)
    if (isFault(response)) return message
    this.#left--
    return { ...message, payload: Response.encode({ ...response, message: `${response.message}another answer` }) }
  }
}
