import { randomBytes } from 'node:crypto'
import { cancelSnapshot, generateSnapshot, queryPendingSnapshots, SnapshotQuery, SnapshotRequest } from '@kumiko/fabric-deliver'
import { GrpcClient, type UnaryMethod } from '@kumiko/fabric-grpc'
import { KumikoError } from '@kumiko/interface'
import { UsageError } from '../failure.ts'
import type { FabricNetwork } from './network.ts'

/** A peer's snapshots, for its administrator. @throws All methods: KumikoError `node/refused` with the peer's words. */
export class SnapshotClient {
  readonly #network: FabricNetwork
  readonly #channelId: string

  constructor(network: FabricNetwork, channelId: string) {
    this.#network = network
    this.#channelId = channelId
  }

  /** Asks for a snapshot. @param blockNumber - That it is to end with; 0 for the last. */
  async submit(blockNumber: bigint): Promise<void> {
    await this.#call(generateSnapshot, SnapshotRequest.encode({ ...this.#query(), blockNumber }))
  }

  /** Takes a request back. */
  async cancel(blockNumber: bigint): Promise<void> {
    await this.#call(cancelSnapshot, SnapshotRequest.encode({ ...this.#query(), blockNumber }))
  }

  /** The blocks whose snapshots are still to be taken. */
  async pending(): Promise<readonly bigint[]> {
    const { blockNumbers } = await this.#call(queryPendingSnapshots, SnapshotQuery.encode(this.#query()))
    return blockNumbers
  }

  #query(): SnapshotQuery {
    return {
      signatureHeader: { creator: this.#network.signer.creator, nonce: new Uint8Array(randomBytes(24)) },
      channelId: this.#channelId,
    }
  }

  async #call<T extends object>(
    method: UnaryMethod<{ readonly request: Uint8Array; readonly signature: Uint8Array }, T>,
    request: Uint8Array,
  ): Promise<T> {
    const { signer, peers, clientTls, signal } = this.#network
    const [endpoint] = peers
    if (endpoint === undefined) throw new UsageError('no peer to ask: name it with CORE_PEER_ADDRESS, or --peerAddress')
    using client = new GrpcClient(endpoint, clientTls && endpoint.tlsRoots ? { clientTls } : {})
    try {
      return await client.call(method, { request, signature: signer.sign(request) }, { signal, timeoutMs: 30_000 })
    } catch (cause) {
      throw new KumikoError('node/refused', `${endpoint.address}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    }
  }
}
