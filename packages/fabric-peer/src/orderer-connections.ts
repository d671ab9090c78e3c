import type { BlockSource } from '@kumiko/fabric-committer'
import {
  blockSource,
  blockVerifier,
  type DeliverOptions,
  deliverClient,
  type OrdererEndpointOptions,
  ordererEndpoints,
} from '@kumiko/fabric-deliver'
import type { BroadcastAnswer, Orderer } from '@kumiko/fabric-gateway'
import { type ClientTls, type Endpoint, GrpcClient, RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import type { ChannelBundle, X509Msp } from '@kumiko/fabric-msp'
import { BROADCAST } from '@kumiko/fabric-orderer'
import { readEnvelope, type Signer } from '@kumiko/fabric-protocol'
import { type Clock, isFault } from '@kumiko/interface'
import type { Logger } from '@libp2p/interface'
import type { SourceChannel } from './peer-channel.ts'

/** How a peer reaches orderers. */
export interface OrdererConnectionOptions extends OrdererEndpointOptions {
  /** The peer, who asks for blocks. */
  readonly signer: Signer
  /** Where orderers ask for our certificate. */
  readonly clientTls?: ClientTls | undefined
  /** As Fabric's `peer.deliveryclient`. */
  readonly deliver?: Partial<Pick<DeliverOptions, 'connectTimeoutMs' | 'retryMaxMs' | 'reconnectTotalMs' | 'silenceMaxMs'>>
  readonly clock: Clock
  readonly log: Logger | undefined
}

/** So many orderers stay connected; of more, the first that was reached is let go. */
const CONNECTIONS_MAX = 256

/**
 * The connections of a peer to the orderers of its channels: blocks come by them, and transactions go.
 * @see Fabric `internal/pkg/peer/orderers`, `internal/pkg/gateway/api.go` broadcast
 */
export class OrdererConnections {
  readonly #options: OrdererConnectionOptions
  /** By address and TLS CAs. At most {@link CONNECTIONS_MAX}. */
  readonly #clients = new Map<string, GrpcClient>()

  constructor(options: OrdererConnectionOptions) {
    this.#options = options
  }

  /** The blocks of a channel, from its orderers as its configuration names them. */
  source({ channelId, bundle }: SourceChannel): BlockSource {
    const { signer, clientTls, deliver, clock, log } = this.#options
    const client = deliverClient({
      ...deliver,
      channelId,
      endpoints: ordererEndpoints(bundle, this.#options),
      signer,
      ...(clientTls && { clientTls }),
      verifier: () => blockVerifier(bundle, this.#options),
      clock,
      onBreak: (broken) => log?.('the stream of channel %s broke: %j', channelId, broken),
    })
    return blockSource(client)
  }

  /** The orderers of a channel, for transactions. */
  orderers(bundle: Pick<ChannelBundle<X509Msp>, 'orderer' | 'ordererAddresses'>): readonly Orderer[] {
    const mspIds = mspIdsOf(bundle)
    return ordererEndpoints(bundle, this.#options).map((endpoint) => ({
      endpoint,
      mspId: mspIds.get(endpoint.address) ?? '',
      broadcast: (envelope, { signal }) => this.#broadcast(endpoint, envelope, signal),
    }))
  }

  /** Ends the connections for transactions. Sources end with their signals. */
  close(): void {
    for (const client of this.#clients.values()) client.close()
    this.#clients.clear()
  }

  async #broadcast(endpoint: Endpoint, bytes: Uint8Array, signal: AbortSignal): Promise<BroadcastAnswer> {
    const envelope = readEnvelope(bytes)
    if (isFault(envelope)) throw new RpcError(RpcStatus.invalidArgument, envelope.detail ?? envelope.fault)
    const stream = this.#client(endpoint).duplex(BROADCAST, { signal })
    stream.send(envelope)
    for await (const answer of stream.messages) return answer
    throw new RpcError(RpcStatus.unavailable, `${endpoint.address} gave no answer`)
  }

  #client(endpoint: Endpoint): GrpcClient {
    const id = JSON.stringify([endpoint.address, (endpoint.tlsRoots ?? []).map((root) => Buffer.from(root).toString('base64'))])
    const known = this.#clients.get(id)
    if (known !== undefined) return known
    for (const [oldest, client] of this.#clients) {
      if (this.#clients.size < CONNECTIONS_MAX) break
      client.close()
      this.#clients.delete(oldest)
    }
    const { clientTls } = this.#options
    const client = new GrpcClient(endpoint, { ...(clientTls && endpoint.tlsRoots && { clientTls }) })
    this.#clients.set(id, client)
    return client
  }
}

function mspIdsOf({ orderer }: Pick<ChannelBundle<X509Msp>, 'orderer'>): ReadonlyMap<string, string> {
  const organizations = [...(orderer?.organizations.values() ?? [])]
  return new Map(organizations.flatMap(({ endpoints, mspId }) => endpoints.map((address): [string, string] => [address, mspId])))
}
