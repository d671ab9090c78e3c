import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import { DeliverResponse, SeekInfo } from '@kumiko/fabric-deliver'
import { readEnvelope, readHeader, readPayload } from '@kumiko/fabric-protocol'
import { GOLDEN, GOLDEN_HEIGHT, ordererBlock } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'

const TLS = join(GOLDEN, 'crypto/ordererOrganizations/example.com/orderers/orderer.example.com/tls')

/** The CA of the server's certificate. */
export const TLS_CA = join(GOLDEN, 'crypto/ordererOrganizations/example.com/tlsca/tlsca.example.com-cert.pem')

/** An orderer that serves the golden channel's blocks. */
export interface DeliverServer extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly address: string
}

/** Listens on loopback. @param tls - `mutual`: asks for a certificate of the client, by the same CA. */
export async function startDeliverServer(tls: 'none' | 'server' | 'mutual'): Promise<DeliverServer> {
  const server = new Server()
  const path = '/orderer.AtomicBroadcast/Deliver'
  const same = (bytes: Buffer): Buffer => bytes
  const method = { path, requestStream: true, responseStream: true }
  const codec = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same }
  server.addService({ Deliver: { ...method, ...codec } }, { Deliver: serve })
  const pair = { cert_chain: readFileSync(join(TLS, 'server.crt')), private_key: readFileSync(join(TLS, 'server.key')) }
  const credentials =
    tls === 'none' ? ServerCredentials.createInsecure() : ServerCredentials.createSsl(readFileSync(TLS_CA), [pair], tls === 'mutual')
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  server.bindAsync('127.0.0.1:0', credentials, (error, port) => (error === null ? resolve(port) : reject(error)))
  return { address: `127.0.0.1:${await promise}`, [Symbol.asyncDispose]: async () => server.forceShutdown() }
}

function serve(stream: ServerDuplexStream<Buffer, Buffer>): void {
  stream.on('data', (bytes: Buffer) => {
    for (const response of answers(new Uint8Array(bytes))) stream.write(Buffer.from(DeliverResponse.encode(response)))
  })
  stream.on('end', () => stream.end())
}

function answers(bytes: Uint8Array): Partial<DeliverResponse>[] {
  const envelope = readEnvelope(bytes)
  const payload = isFault(envelope) ? envelope : readPayload(envelope.payload)
  const header = isFault(payload) ? payload : readHeader(payload)
  const seek = isFault(payload) ? payload : SeekInfo.decode(payload.data)
  if (isFault(header) || isFault(seek)) return [{ status: 400 }]
  if (header.channel.channelId !== 'mychannel') return [{ status: 404 }]
  const { start } = seek
  const number = start?.newest !== undefined ? GOLDEN_HEIGHT - 1 : Number(start?.specified?.number ?? 0)
  return number < GOLDEN_HEIGHT ? [{ block: ordererBlock(number) }, { status: 200 }] : [{ status: 404 }]
}
