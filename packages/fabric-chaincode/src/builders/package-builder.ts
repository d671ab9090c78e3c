import type { ClientTls } from '@kumiko/fabric-grpc'

/** The folders that a builder works with, all of them its own. */
export interface BuildContext {
  readonly packageId: string
  /** The package's code, unpacked. */
  readonly sourceFolder: string
  /** With the package's `metadata.json`. */
  readonly metadataFolder: string
  /** What is built goes here. */
  readonly outputFolder: string
  /** What the peer is to know goes here: `chaincode/server/connection.json`, `statedb/couchdb/indexes/…`. */
  readonly releaseFolder: string
}

/** Where a chaincode that is run finds its peer: what its `chaincode.json` says. */
export interface PeerConnection {
  /** Of the peer's chaincode listener, `host:port`. */
  readonly address: string
  /** Undefined where the listener has no TLS. */
  readonly tls?: {
    /** What the chaincode shows. */
    readonly client: ClientTls
    /** In PEM: of the CA that vouches for the peer. */
    readonly root: Uint8Array
  }
}

/** Makes packages ready to run. What its methods throw is told to whoever installs. */
export interface PackageBuilder {
  /** Told in `build-info.json`: what was built stays with whom built it. */
  readonly name: string
  /** Whether it knows what to do with the package. It throws nothing. */
  detect(context: BuildContext, signal: AbortSignal): Promise<boolean>
  build(context: BuildContext, signal: AbortSignal): Promise<void>
  release(context: BuildContext, signal: AbortSignal): Promise<void>
  /**
   * Runs what was built until it ends; absent where that is not its matter.
   * @param signal - Ends it: it returns soon after.
   */
  run?(packageId: string, outputFolder: string, connection: PeerConnection, signal: AbortSignal): Promise<void>
}
