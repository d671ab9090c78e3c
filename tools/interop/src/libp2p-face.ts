import type { Libp2pEvent } from './libp2p-event.ts'

/** One stream of bytes. */
export interface Bytes extends AsyncIterable<Uint8Array> {
  /** Waits where the stream is full. */
  send(data: Uint8Array): Promise<void>
  /** Ends our side: what the remote sends still comes. */
  closeWrite(): Promise<void>
  reset(): void
}

/** A connection as its node tells of it. */
export interface ConnectionFacts {
  readonly peer: string
  /** The remote's. */
  readonly address: string
  readonly direction: 'inbound' | 'outbound'
  readonly security: string
  readonly muxer: string
  /** It is relayed, within limits. */
  readonly limited: boolean
}

/** What identify has told of a peer. */
export interface PeerFacts {
  readonly protocols: readonly string[]
  readonly addresses: readonly string[]
  readonly agent: string
}

/** One node, with what its versions of js-libp2p do alike. Peers are given by their ids, as text. */
export interface Libp2pFace {
  readonly peer: string
  addresses(): readonly string[]
  protocols(): readonly string[]
  /** @returns The peer. */
  dial(address: string, signal: AbortSignal): Promise<string>
  connections(): readonly ConnectionFacts[]
  known(peer: string): Promise<PeerFacts>
  hangUp(peer: string): Promise<void>
  /** @returns Milliseconds. */
  ping(peer: string, signal: AbortSignal): Promise<number>
  /** Relayed connections serve, too. */
  open(peer: string, protocol: string, signal: AbortSignal): Promise<Bytes>
  /** Serves relayed connections, too. */
  handle(protocol: string, serve: (bytes: Bytes, peer: string) => Promise<void>): Promise<void>
  /** Asks a relay for a slot. @returns Where we are reached there. */
  reserve(address: string, signal: AbortSignal): Promise<string>
  readonly dht: DhtFace | undefined
  readonly pubsub: PubsubFace | undefined
  stop(): Promise<void>
}

/** A DHT. Keys of providers are texts, whose CID is version 1, raw, SHA-256: that of a rendezvous. */
export interface DhtFace {
  /** Ids. */
  routingTable(): readonly string[]
  provide(key: string, signal: AbortSignal): Promise<void>
  /** Ids, as they are found; bound by the signal. */
  findProviders(key: string, signal: AbortSignal): AsyncIterable<string>
  /** @returns Its addresses. */
  findPeer(peer: string, signal: AbortSignal): Promise<readonly string[]>
  put(key: string, value: Uint8Array, signal: AbortSignal): Promise<void>
  get(key: string, signal: AbortSignal): Promise<Uint8Array>
}

/** gossipsub. */
export interface PubsubFace {
  join(topic: string, tell: (event: Libp2pEvent & { readonly event: 'published' }) => void): void
  publish(topic: string, data: Uint8Array): Promise<void>
  /** Ids of those whom we know to have joined. */
  subscribers(topic: string): readonly string[]
}
