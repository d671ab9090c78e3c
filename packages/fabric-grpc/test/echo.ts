import { bytes, int32, type Message, message, string } from '@kumiko/fabric-protocol'
import { goldenFile } from '@kumiko/golden-channel'
import type { ClientTls } from '../src/connection.ts'
import type { Endpoint } from '../src/endpoint.ts'
import type { ListenerTls } from '../src/listener.ts'
import { type DuplexMethod, duplex, type ServerStreamMethod, serverStream, type UnaryMethod, unary } from '../src/method.ts'

/** What the tests' service speaks. */
export interface Echo {
  readonly text: string
  readonly payload: Uint8Array
  readonly count: number
}

export const Echo: Message<Echo> = message<Echo>('test.Echo', { text: string(1), payload: bytes(2), count: int32(3) })

export const say: UnaryMethod<Echo, Echo> = unary('/test.Echo/Say', Echo, Echo)
export const repeat: ServerStreamMethod<Echo, Echo> = serverStream('/test.Echo/Repeat', Echo, Echo)
export const chat: DuplexMethod<Echo, Echo> = duplex('/test.Echo/Chat', Echo, Echo)

const PEER = 'crypto/peerOrganizations/org1.example.com/peers/peer0.org1.example.com/tls'
const USER = 'crypto/peerOrganizations/org1.example.com/users/User1@org1.example.com/tls'
const ORDERER = 'crypto/ordererOrganizations/example.com/orderers/orderer.example.com/tls'

/** A server's TLS, whose certificate is of `root`. */
export const serverTls: ListenerTls = { certificate: goldenFile(`${PEER}/server.crt`), privateKey: goldenFile(`${PEER}/server.key`) }
export const root: Uint8Array = goldenFile(`${PEER}/ca.crt`)
/** A client's, of `root` too. */
export const userTls: ClientTls = { certificate: goldenFile(`${USER}/client.crt`), privateKey: goldenFile(`${USER}/client.key`) }
/** Of another CA. */
export const strangerTls: ClientTls = { certificate: goldenFile(`${ORDERER}/server.crt`), privateKey: goldenFile(`${ORDERER}/server.key`) }

/** Where a listener of the tests is. */
export function endpointOf(address: string, isSecure: boolean): Endpoint {
  return isSecure ? { address, tlsRoots: [root] } : { address }
}

/** Resolves when what is asked is so; the test's time limit is the bound. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5))
}
