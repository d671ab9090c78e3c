import type { DuplexStream } from '@kumiko/fabric-grpc'
import type { ChaincodeMessage } from '@kumiko/fabric-protocol'

/** A stream to a chaincode, seen from the peer, whoever dialed. */
export type ChaincodeDuplex = DuplexStream<ChaincodeMessage, ChaincodeMessage>

/** Takes streams of chaincodes. */
export interface ChaincodeStreams {
  /**
   * Serves a stream until it ends.
   * @param refuse - Says why the chaincode may not come under a name; undefined lets it. Default: it may.
   * @throws Error with Fabric's words where the peer ended it for a breach, or the stream failed.
   */
  attach(stream: ChaincodeDuplex, refuse?: (name: string) => string | undefined): Promise<void>
}

/** A way to have chaincodes running. */
export interface ChaincodeConnector {
  /** Whether this way leads to a chaincode. The first that says so is taken. @param packageId - `label:hash`, or `name:version`. */
  runs(packageId: string): boolean | Promise<boolean>
  /**
   * Has a chaincode running, and its stream attached: by this call, or by a listener of the peer's. Called when a transaction is for a
   * chaincode that is not connected, so again after a loss.
   * @param signal - Aborted when it took too long to register, and when the runtime stops.
   * @returns When it has ended, for whatever reason.
   * @throws Error where it cannot be had running, with Fabric's words.
   */
  launch(packageId: string, streams: ChaincodeStreams, signal: AbortSignal): Promise<void>
}
