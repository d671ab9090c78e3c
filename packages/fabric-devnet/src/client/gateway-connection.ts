import type { Gateway } from '@hyperledger/fabric-gateway'
import { KumikoError } from '@kumiko/interface'
import type { GatewayAccess } from './gateway-access.ts'

/** A gateway client with its connection. */
export interface GatewayConnection {
  readonly gateway: Gateway
  /** Ends both. */
  close(): void
}

/**
 * Connects `@hyperledger/fabric-gateway`, which must be installed beside us with `@grpc/grpc-js`.
 * @throws KumikoError `fabric-devnet/no-client` where it is not.
 */
export async function connectGateway({ endpoint, tlsRootCertificate, identity, signer, hash }: GatewayAccess): Promise<GatewayConnection> {
  const [{ Client, credentials }, { connect }] = await Promise.all([import('@grpc/grpc-js'), import('@hyperledger/fabric-gateway')]).catch(
    (cause: unknown) => {
      const message = 'cannot load the client: npm install @hyperledger/fabric-gateway @grpc/grpc-js'
      throw new KumikoError('fabric-devnet/no-client', message, { cause })
    },
  )
  const client = new Client(endpoint, credentials.createSsl(tlsRootCertificate))
  const gateway = connect({ client, identity, signer, hash })
  return {
    gateway,
    close: () => {
      gateway.close()
      client.close()
    },
  }
}
