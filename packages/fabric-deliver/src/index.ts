export type { ClientTls, Endpoint } from '@kumiko/fabric-grpc'
export * from './block-verifier.ts'
export * from './deliver-client.ts'
export type { StreamBreak } from './delivery.ts'
export type { OrdererEndpointOptions } from './endpoint.ts'
export { ordererEndpoints } from './endpoint.ts'
export type { FetchedBlock } from './fetch.ts'
export type { BlockWithPrivateData, DeliveredPrivateData } from './intake.ts'
export { type AdminLogs, type AdminServiceOptions, adminService } from './legacy/admin-service.ts'
export type { RestChaincode } from './legacy/chaincode-rpc.ts'
export { type EventHubOptions, eventHub, INTERESTS_MAX } from './legacy/event-hub.ts'
export {
  type RestLedger,
  type RestPeer,
  type RestRequest,
  type RestResponse,
  type RestRoute,
  type RestViewOptions,
  restView,
} from './legacy/rest-view.ts'
export type { DeliverOptions } from './options.ts'
export * from './response.ts'
export * from './seek.ts'
export type { DeliverChannel, PeerDeliverChannel } from './server/deliver-channel.ts'
export * from './server/deliver-service.ts'
export { filterBlock } from './server/filtered-block.ts'
export { type RequestRules, readSeekRequest, type SeekRequest } from './server/seek-request.ts'
export {
  cancelSnapshot,
  generateSnapshot,
  type PendingSnapshots,
  queryPendingSnapshots,
  SignedSnapshotRequest,
  SnapshotQuery,
  SnapshotRequest,
} from './snapshot/snapshot-messages.ts'
export { type SnapshotChannel, type SnapshotServiceOptions, snapshotService } from './snapshot/snapshot-service.ts'
export { Status } from './status.ts'
