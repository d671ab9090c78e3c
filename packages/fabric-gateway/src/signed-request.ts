import { RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import type { SignedData } from '@kumiko/fabric-protocol'
import type { GatewayOptions } from './contract.ts'

/**
 * Lets a client have what it asks for, or not.
 * @param resource - `gateway/CommitStatus` or `gateway/ChaincodeEvents`.
 * @throws RpcError PERMISSION_DENIED, with the words that access control has for it.
 */
export function assertAccess({ access }: GatewayOptions, resource: string, channelId: string, signed: SignedData): void {
  const fault = access.check(resource, channelId, signed)
  if (fault !== undefined) throw new RpcError(RpcStatus.permissionDenied, fault.detail ?? fault.fault)
}
