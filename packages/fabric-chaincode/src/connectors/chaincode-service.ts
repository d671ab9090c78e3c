import { GrpcClient } from '@kumiko/fabric-grpc'
import { raceAbort } from '@kumiko/interface'
import type { ChaincodeConnector, ChaincodeStreams } from '../runtime/connector.ts'
import type { ChaincodeServer } from './connection-file.ts'
import { connectMethod } from './methods.ts'

/** As Fabric's. */
const DIAL_TIMEOUT_MS = 3000

/**
 * Chaincode as a service: the peer dials where a chaincode serves, when a transaction first is for it, and again after a loss.
 * @param serverOf - Where a package's chaincode serves; undefined where it is not run so. Asked each time.
 * @see Fabric `core/chaincode/extcc/extcc_handler.go`
 */
export function chaincodeServices(serverOf: (packageId: string) => Promise<ChaincodeServer | undefined>): ChaincodeConnector {
  return {
    runs: async (packageId) => (await serverOf(packageId)) !== undefined,
    launch: async (packageId, streams, signal) => {
      const server = await serverOf(packageId)
      if (server === undefined) throw new Error(`chaincode ${packageId} has no address any more`)
      try {
        await connect(packageId, server, { streams, signal })
      } catch (error) {
        const words = error instanceof Error ? error.message : String(error)
        throw new Error(`connection to ${packageId} failed: ${words}`, { cause: error })
      }
    },
  }
}

async function connect(
  packageId: string,
  { endpoint, clientTls, dialTimeoutMs = DIAL_TIMEOUT_MS }: ChaincodeServer,
  { streams, signal }: { readonly streams: ChaincodeStreams; readonly signal: AbortSignal },
): Promise<void> {
  using client = new GrpcClient(endpoint, clientTls ? { clientTls } : {})
  try {
    await raceAbort(client.connect(dialTimeoutMs), signal)
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error)
    throw new Error(`error cannot create connection for ${packageId}: error creating grpc connection to ${endpoint.address}: ${words}`)
  }
  const stream = client.duplex(connectMethod, { signal })
  await streams.attach(stream, (name) => (name === packageId ? undefined : `chaincode ${packageId} says that it is ${name}`))
}
