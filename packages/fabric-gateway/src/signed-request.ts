import { RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import { aclOf } from '@kumiko/fabric-msp'
import type { SignedData } from '@kumiko/fabric-protocol'
import type { GatewayOptions } from './contract.ts'

/**
 * Lets a client have what it asks for, or not.
 * @param resource - `gateway/CommitStatus` or `gateway/ChaincodeEvents`.
 * @throws RpcError PERMISSION_DENIED.
 * @see Fabric `core/policy/policy.go` CheckPolicyBySignedData
 */
export function assertAccess({ access, channel }: GatewayOptions, resource: string, channelId: string, signed: SignedData): void {
  const fault = access.check(resource, channelId, signed)
  if (fault === undefined) return
  const bundle = channel(channelId)?.bundle
  if (bundle === undefined) throw denied(`Failed to get policy manager for channel [${channelId}]`)
  const policy = aclOf(resource, bundle.application?.acls ?? new Map())?.policy ?? ''
  const place = `Failed evaluating policy on signed data during check policy on channel [${channelId}] with policy [${policy}]`
  throw denied(`${place}: [${fault.detail ?? fault.fault}]`)
}

function denied(message: string): RpcError {
  return new RpcError(RpcStatus.permissionDenied, message)
}
