import { createPrivateKey } from 'node:crypto'
import { createServer, connect as dial, type Socket } from 'node:net'
import { Client, credentials } from '@grpc/grpc-js'
import { connect, type Gateway as GatewayClient, hash, signers } from '@hyperledger/fabric-gateway'
import { type Gateway, gatewayService } from '@kumiko/fabric-gateway'
import { GrpcListener } from '@kumiko/fabric-grpc'
import { goldenFile } from '@kumiko/golden-channel'

const USER = 'crypto/peerOrganizations/org1.example.com/users/User1@org1.example.com/msp'

/** Of the recorded network. */
export const identity = { mspId: 'Org1MSP', credentials: goldenFile(`${USER}/signcerts/User1@org1.example.com-cert.pem`) }

export const signer = signers.newPrivateKeySigner(createPrivateKey(Buffer.from(goldenFile(`${USER}/keystore/priv_sk`))))

const open: (() => unknown)[] = []

/** A gateway, served on a port, and the unmodified client that is connected to it. */
export interface Served {
  readonly address: string
  readonly client: Client
  readonly gateway: GatewayClient
}

/** Serves a gateway; {@link closeAll} ends it. */
export async function served(gateway: Gateway, options: Parameters<typeof gatewayService>[1] = {}): Promise<Served> {
  const listener = new GrpcListener({ listen: '127.0.0.1:0' }).add(...gatewayService(gateway, options))
  await listener.start()
  open.push(() => listener.stop(100))
  return connected(listener.address)
}

/** Another connection to the same. */
export function connected(address: string): Served {
  const client = new Client(address, credentials.createInsecure())
  const gateway = connect({ client, identity, signer, hash: hash.sha256 })
  open.push(
    () => client.close(),
    () => gateway.close(),
  )
  return { address, client, gateway }
}

/** A wire to an address that can be cut: nobody says goodbye. */
export async function proxy(address: string): Promise<{ readonly address: string; cut(): void }> {
  const port = Number(address.slice(address.lastIndexOf(':') + 1))
  const sockets: Socket[] = []
  const server = createServer((near) => {
    const far = dial(port, '127.0.0.1')
    near.on('error', () => far.destroy()).pipe(far)
    far.on('error', () => near.destroy()).pipe(near)
    sockets.push(near, far)
  })
  const cut = (): void => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  open.push(cut)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()
  return { address: `127.0.0.1:${typeof bound === 'object' ? bound?.port : ''}`, cut }
}

/** Ends what was opened, the last first. */
export async function closeAll(): Promise<void> {
  for (const close of open.splice(0).reverse()) await close()
}

/** The first of a stream, which is then closed. */
export async function take<T>(events: AsyncIterable<T> & { close(): void }, count: number): Promise<T[]> {
  const taken: T[] = []
  for await (const event of events) if (taken.push(event) === count) break
  events.close()
  return taken
}
