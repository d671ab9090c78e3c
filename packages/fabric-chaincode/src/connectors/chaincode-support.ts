import { type BoundMethod, serve } from '@kumiko/fabric-grpc'
import type { ChaincodeStreams } from '../runtime/connector.ts'
import type { ChaincodeAuthority } from './chaincode-authority.ts'
import { registerMethod } from './methods.ts'

/**
 * The service `protos.ChaincodeSupport`, for a listener of its own: chaincodes that the peer, or in development their author, started dial it.
 * @param streams - The runtime.
 * @param authority - Without it the listener has no TLS, and a chaincode is who it says it is.
 * @see Fabric `core/chaincode/accesscontrol/access.go`
 */
export function chaincodeSupport(streams: ChaincodeStreams, authority?: Pick<ChaincodeAuthority, 'refuse'>): readonly BoundMethod[] {
  const register = serve(registerMethod, async (stream, { clientCertificateHash }) => {
    await streams.attach(stream, (name) => authority?.refuse(name, clientCertificateHash))
  })
  return [register]
}
