import { bytes, int32, type Message, mapNested, message, repeatedNested, repeatedString, string, uint32 } from './message.ts'

/** A message that holds one name: `common.HashingAlgorithm`, `common.Consortium`. */
export interface NameMessage {
  readonly name: string
}

/** `common.HashingAlgorithm` on the wire. */
export const HashingAlgorithm: Message<NameMessage> = message<NameMessage>('common.HashingAlgorithm', { name: string(1) })

/** `common.Consortium` on the wire. */
export const ConsortiumMessage: Message<NameMessage> = message<NameMessage>('common.Consortium', { name: string(1) })

/** `common.BlockDataHashingStructure`. */
export interface BlockDataHashingStructure {
  readonly width: number
}

/** {@link BlockDataHashingStructure} on the wire. */
export const BlockDataHashingStructure: Message<BlockDataHashingStructure> = message<BlockDataHashingStructure>(
  'common.BlockDataHashingStructure',
  {
    width: uint32(1),
  },
)

/** `common.OrdererAddresses`, as `host:port`. */
export interface OrdererAddresses {
  readonly addresses: readonly string[]
}

/** {@link OrdererAddresses} on the wire. */
export const OrdererAddresses: Message<OrdererAddresses> = message<OrdererAddresses>('common.OrdererAddresses', {
  addresses: repeatedString(1),
})

/** `common.Consenter`: an orderer of a BFT channel. */
export interface Consenter {
  readonly id: number
  readonly host: string
  readonly port: number
  readonly mspId: string
  /** Certificates in PEM. */
  readonly identity: Uint8Array
  readonly clientTlsCert: Uint8Array
  readonly serverTlsCert: Uint8Array
}

/** `common.Orderers`. */
export interface Orderers {
  readonly consenterMapping: readonly Consenter[]
}

/** {@link Consenter} on the wire. */
export const Consenter: Message<Consenter> = message<Consenter>('common.Consenter', {
  id: uint32(1),
  host: string(2),
  port: uint32(3),
  mspId: string(4),
  identity: bytes(5),
  clientTlsCert: bytes(6),
  serverTlsCert: bytes(7),
})

/** {@link Orderers} on the wire. */
export const Orderers: Message<Orderers> = message<Orderers>('common.Orderers', { consenterMapping: repeatedNested(1, () => Consenter) })

/** `common.Capabilities`: their names are what counts. */
export interface Capabilities {
  readonly capabilities: ReadonlyMap<string, Capability>
}

/** `common.Capability`: empty. */
export type Capability = object

/** {@link Capability} on the wire. */
export const Capability: Message<Capability> = message<Capability>('common.Capability', {})

/** {@link Capabilities} on the wire. */
export const Capabilities: Message<Capabilities> = message<Capabilities>('common.Capabilities', {
  capabilities: mapNested(1, () => Capability),
})

/** `protos.AnchorPeer`. */
export interface AnchorPeer {
  readonly host: string
  readonly port: number
}

/** `protos.AnchorPeers`. */
export interface AnchorPeers {
  readonly anchorPeers: readonly AnchorPeer[]
}

/** {@link AnchorPeer} on the wire. */
export const AnchorPeer: Message<AnchorPeer> = message<AnchorPeer>('protos.AnchorPeer', { host: string(1), port: int32(2) })

/** {@link AnchorPeers} on the wire. */
export const AnchorPeers: Message<AnchorPeers> = message<AnchorPeers>('protos.AnchorPeers', {
  anchorPeers: repeatedNested(1, () => AnchorPeer),
})

/** `protos.APIResource`. */
export interface ApiResource {
  readonly policyRef: string
}

/** `protos.ACLs`: policies by the resource they guard. */
export interface Acls {
  readonly acls: ReadonlyMap<string, ApiResource>
}

/** {@link ApiResource} on the wire. */
export const ApiResource: Message<ApiResource> = message<ApiResource>('protos.APIResource', { policyRef: string(1) })

/** {@link Acls} on the wire. */
export const Acls: Message<Acls> = message<Acls>('protos.ACLs', { acls: mapNested(1, () => ApiResource) })
