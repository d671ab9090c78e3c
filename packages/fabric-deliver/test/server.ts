import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import fabric from '@hyperledger/fabric-protos'
import { GOLDEN_HEIGHT, goldenJson, ordererBlock, peerBlock } from '@kumiko/golden-channel'
import type { ServerTls } from './golden.ts'

const { common, ledger, orderer, peer } = fabric

/** The recorded private write sets in base64, by block and transaction. */
export const PRIVATE: Record<string, Record<string, string>> = (
  goldenJson('private-data.json') as { blocks: Record<string, Record<string, string>> }
).blocks

type Envelope = InstanceType<typeof common.Envelope>
/** A response of a service, or the bytes of one. */
type Answer = InstanceType<typeof orderer.DeliverResponse> | InstanceType<typeof peer.DeliverResponse> | Uint8Array
export type DeliverCall = ServerDuplexStream<Envelope, Answer>

/** What was asked for, as Fabric's own classes read it. */
export interface AskedSeek {
  readonly method: string
  readonly envelope: Envelope
  readonly channelHeader: InstanceType<typeof common.ChannelHeader>
  readonly signatureHeader: InstanceType<typeof common.SignatureHeader>
  readonly info: InstanceType<typeof orderer.SeekInfo>
  /** Undefined for a start that is a place. */
  readonly start: number | undefined
}

export type Serve = (call: DeliverCall, seek: AskedSeek) => void

export interface ServerOptions {
  readonly tls?: ServerTls
  /** Asks for clients' certificates of this CA. */
  readonly clientRoot?: Uint8Array
  readonly port?: number
}

/** A server of Fabric's deliver services, by the definitions that Fabric publishes. */
export class DeliverServer {
  readonly seeks: AskedSeek[] = []
  serve: Serve
  port = 0
  #server: Server

  private constructor(serve: Serve) {
    this.serve = serve
    this.#server = new Server({ 'grpc.max_send_message_length': -1 })
    const handler = (method: string) => (call: DeliverCall) => this.#answer(method, call)
    const { deliver } = orderer.AtomicBroadcastService
    this.#server.addService({ deliver: raw(deliver) }, { deliver: handler('orderer') })
    const service = peer.DeliverService
    const services = {
      deliver: raw(service.deliver),
      deliverFiltered: raw(service.deliverFiltered),
      deliverWithPrivateData: raw(service.deliverWithPrivateData),
    }
    this.#server.addService(services, {
      deliver: handler('peer'),
      deliverFiltered: handler('filtered'),
      deliverWithPrivateData: handler('private'),
    })
  }

  static async start(serve: Serve = serveOrderer(), { tls, clientRoot, port = 0 }: ServerOptions = {}): Promise<DeliverServer> {
    const server = new DeliverServer(serve)
    const pair = tls && { private_key: Buffer.from(tls.privateKey), cert_chain: Buffer.from(tls.certificate) }
    const credentials = pair
      ? ServerCredentials.createSsl(clientRoot ? Buffer.from(clientRoot) : null, [pair], clientRoot !== undefined)
      : ServerCredentials.createInsecure()
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    server.#server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) => (error ? reject(error) : resolve(bound)))
    server.port = await promise
    return server
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  /** The numbers that were asked for. */
  get starts(): readonly (number | undefined)[] {
    return this.seeks.map(({ start }) => start)
  }

  stop(): void {
    this.#server.forceShutdown()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop()
  }

  #answer(method: string, call: DeliverCall): void {
    call.on('error', () => {})
    call.on('end', () => call.end())
    call.on('data', (envelope: Envelope) => {
      const seek = readSeek(method, envelope)
      this.seeks.push(seek)
      this.serve(call, seek)
    })
  }
}

/** As an orderer with the recorded channel's blocks below a height: waits for more if so asked. */
export function serveOrderer(height = GOLDEN_HEIGHT): Serve {
  return (call, seek) => {
    const { from, to } = range(seek, height)
    for (let number = from; number <= Math.min(to, height - 1); number++) call.write(blockResponse(ordererBlock(number)))
    if (to < height) call.write(statusResponse(200))
    else if (seek.info.getBehavior() === orderer.SeekInfo.SeekBehavior.FAIL_IF_NOT_READY) {
      call.write(statusResponse(404))
      call.end()
    }
  }
}

/** The numbers that a seek asks for. */
export function range({ info }: AskedSeek, height: number): { from: number; to: number } {
  return { from: numberOf(info.getStart(), height), to: numberOf(info.getStop(), height) }
}

export function blockResponse(bytes: Uint8Array): InstanceType<typeof orderer.DeliverResponse> {
  const response = new orderer.DeliverResponse()
  response.setBlock(common.Block.deserializeBinary(bytes))
  return response
}

export function statusResponse(status: number): InstanceType<typeof orderer.DeliverResponse> {
  const response = new orderer.DeliverResponse()
  // What Fabric's servers send is among these.
  response.setStatus(status as 200)
  return response
}

export function peerBlockResponse(number: number): InstanceType<typeof peer.DeliverResponse> {
  const response = new peer.DeliverResponse()
  response.setBlock(common.Block.deserializeBinary(peerBlock(number)))
  return response
}

/** A block with the private data that the recorded peer had. @param entries - By transaction, each in base64. */
export function privateResponse(
  number: number,
  entries: Record<string, string> = PRIVATE[number] ?? {},
): InstanceType<typeof peer.DeliverResponse> {
  const both = new peer.BlockAndPrivateData()
  both.setBlock(common.Block.deserializeBinary(peerBlock(number)))
  for (const [index, set] of Object.entries(entries)) {
    both.getPrivateDataMapMap().set(Number(index), ledger.rwset.TxPvtReadWriteSet.deserializeBinary(Buffer.from(set, 'base64')))
  }
  const response = new peer.DeliverResponse()
  response.setBlockAndPrivateData(both)
  return response
}

function numberOf(position: InstanceType<typeof orderer.SeekPosition> | undefined, height: number): number {
  if (position?.hasOldest()) return 0
  if (position?.hasNewest()) return height - 1
  if (position?.hasNextCommit()) return height
  return position?.getSpecified()?.getNumber() ?? Number.NaN
}

function readSeek(method: string, envelope: Envelope): AskedSeek {
  const payload = common.Payload.deserializeBinary(envelope.getPayload_asU8())
  const info = orderer.SeekInfo.deserializeBinary(payload.getData_asU8())
  const header = payload.getHeader()
  return {
    method,
    envelope,
    info,
    channelHeader: common.ChannelHeader.deserializeBinary(header!.getChannelHeader_asU8()),
    signatureHeader: common.SignatureHeader.deserializeBinary(header!.getSignatureHeader_asU8()),
    start: info.getStart()?.getSpecified()?.getNumber(),
  }
}

/** The service with answers that may be bytes too: what no honest server can say. */
function raw<T extends { responseSerialize(value: never): Buffer }>(method: T): T {
  const { responseSerialize } = method
  return {
    ...method,
    responseSerialize: (value: never) => ((value as object) instanceof Uint8Array ? Buffer.from(value) : responseSerialize(value)),
  }
}
