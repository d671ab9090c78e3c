import { once } from 'node:events'
import { credentials, Metadata, Server, ServerCredentials, type ServiceError, status } from '@grpc/grpc-js'
import fabric from '@hyperledger/fabric-protos'
import { bytes, type Message, message, nested, string } from '@kumiko/fabric-protocol'
import { afterEach, describe, expect, it } from 'vitest'
import { GrpcClient } from '../src/grpc-client.ts'
import { GrpcListener } from '../src/listener.ts'
import { duplex, serverStream, unary } from '../src/method.ts'
import { RpcError, RpcStatus } from '../src/rpc-error.ts'
import { serve } from '../src/serve.ts'
import { root, serverTls, until, userTls } from './echo.ts'

const { gateway, peer } = fabric

interface EvaluateRequest {
  readonly transactionId: string
  readonly channelId: string
}
interface Response {
  readonly message: string
  readonly payload: Uint8Array
}
interface EvaluateResponse {
  readonly result: Response | undefined
}

const EvaluateRequest: Message<EvaluateRequest> = message<EvaluateRequest>('gateway.EvaluateRequest', {
  transactionId: string(1),
  channelId: string(2),
})
const Response: Message<Response> = message<Response>('protos.Response', { message: string(2), payload: bytes(3) })
const EvaluateResponse: Message<EvaluateResponse> = message<EvaluateResponse>('gateway.EvaluateResponse', {
  result: nested(1, () => Response),
})
const ChatMessage: Message<{ readonly txid: string }> = message<{ readonly txid: string }>('protos.ChaincodeMessage', { txid: string(4) })
const Events: Message<{ readonly blockNumber: Uint8Array }> = message<{ readonly blockNumber: Uint8Array }>('gateway.Any', {
  blockNumber: bytes(1),
})

const evaluate = unary('/gateway.Gateway/Evaluate', EvaluateRequest, EvaluateResponse)
const events = serverStream('/gateway.Gateway/ChaincodeEvents', EvaluateRequest, Events)
const register = duplex('/protos.ChaincodeSupport/Register', ChatMessage, ChatMessage)

const details = [{ typeUrl: 'type.googleapis.com/gateway.ErrorDetail', value: Uint8Array.of(10, 1, 65) }]
const open: (() => unknown)[] = []

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

function chatOf(txid: string): InstanceType<typeof peer.ChaincodeMessage> {
  const message = new peer.ChaincodeMessage()
  message.setTxid(txid)
  return message
}

function resultOf(text: string): InstanceType<typeof gateway.EvaluateResponse> {
  const [response, result] = [new gateway.EvaluateResponse(), new peer.Response()]
  result.setMessage(text)
  response.setResult(result)
  return response
}

describe("grpc-js's clients", () => {
  async function start(): Promise<GrpcListener> {
    const listener = new GrpcListener({ listen: '127.0.0.1:0', tls: serverTls }).add(
      serve(evaluate, async ({ transactionId, channelId }) => {
        if (channelId === '') throw new RpcError(RpcStatus.failedPrecondition, 'no channel ☹', details)
        return { result: { message: `${transactionId} of ${channelId}`, payload: new Uint8Array(20_000) } }
      }),
      serve(events, async function* () {
        for (let n = 0; n < 100; n++) yield { blockNumber: new Uint8Array(20_000) }
        throw new RpcError(RpcStatus.aborted, 'enough')
      }),
      serve(register, async (stream) => {
        for await (const { txid } of stream.messages) stream.send({ txid: `${txid}!` })
      }),
    )
    await listener.start()
    open.push(() => listener.stop(0))
    return listener
  }

  const secure = credentials.createSsl(Buffer.from(root), Buffer.from(userTls.privateKey), Buffer.from(userTls.certificate))
  const options = { 'grpc.ssl_target_name_override': 'peer0.org1.example.com' }

  it('of the gateway get answers, and errors with details', async () => {
    const client = new gateway.GatewayClient((await start()).address, secure, options)
    open.push(() => client.close())
    const ask = (channelId: string): Promise<InstanceType<typeof gateway.EvaluateResponse>> => {
      const request = new gateway.EvaluateRequest()
      request.setTransactionId('a')
      request.setChannelId(channelId)
      return new Promise((resolve, reject) => client.evaluate(request, (error, answer) => (answer ? resolve(answer) : reject(error))))
    }
    expect((await ask('c')).getResult()?.getMessage()).toBe('a of c')
    const error: ServiceError = await ask('').then(
      () => undefined as never,
      (error) => error,
    )
    expect(error).toMatchObject({ code: status.FAILED_PRECONDITION, details: 'no channel ☹' })
    expect(error.metadata.get('grpc-status-details-bin')).toHaveLength(1)
  })

  it('hear a stream, and how it ended', async () => {
    const client = new gateway.GatewayClient((await start()).address, secure, options)
    open.push(() => client.close())
    const stream = client.chaincodeEvents(new gateway.SignedChaincodeEventsRequest())
    let count = 0
    stream.on('data', () => count++)
    const [error] = await once(stream, 'error')
    expect(error).toMatchObject({ code: status.ABORTED, details: 'enough' })
    expect(count).toBe(100)
  })

  it('of chaincode talk both ways', async () => {
    const client = new peer.ChaincodeSupportClient((await start()).address, secure, options)
    open.push(() => client.close())
    const stream = client.register(new Metadata())
    const heard: string[] = []
    stream.on('data', (message) => heard.push(message.getTxid()))
    for (let n = 0; n < 50; n++) stream.write(chatOf(String(n)))
    await until(() => heard.length === 50)
    stream.end()
    const [ended] = await once(stream, 'status')
    expect(ended).toMatchObject({ code: status.OK })
    expect(heard).toEqual([...Array(50).keys()].map((n) => `${n}!`))
  })
})

describe("grpc-js's servers", () => {
  async function start(): Promise<GrpcClient> {
    const server = new Server()
    server.addService(gateway.GatewayService, {
      evaluate: (call: { request: InstanceType<typeof gateway.EvaluateRequest> }, answer: (...answer: unknown[]) => void) => {
        const metadata = new Metadata()
        // A `google.rpc.Status` with one detail.
        metadata.set('grpc-status-details-bin', Buffer.from([26, 10, 10, 1, 116, 18, 5, 1, 2, 3, 4, 5]))
        if (call.request.getChannelId() === '') answer({ code: status.ABORTED, details: 'ü', metadata })
        else answer(null, resultOf(call.request.getChannelId()))
      },
    } as never)
    server.addService(peer.ChaincodeSupportService, {
      register: (call: {
        on: (name: string, on: (...values: never[]) => void) => void
        write: (value: unknown) => void
        end: () => void
      }) => {
        call.on('data', (message) => call.write(message))
        call.on('end', () => call.end())
      },
    } as never)
    const port = await new Promise<number>((resolve) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, port) => resolve(port)),
    )
    open.push(() => server.forceShutdown())
    const client = new GrpcClient({ address: `127.0.0.1:${port}` })
    open.push(() => client.close())
    return client
  }

  it('answer our client', async () => {
    const client = await start()
    expect(await client.call(evaluate, { channelId: 'c' })).toMatchObject({ result: { message: 'c' } })
    await expect(client.call(evaluate, {})).rejects.toMatchObject({
      status: RpcStatus.aborted,
      message: 'ü',
      details: [{ typeUrl: 't', value: Uint8Array.of(1, 2, 3, 4, 5) }],
    })
    await expect(client.call({ ...evaluate, path: '/gateway.Gateway/No' }, {})).rejects.toMatchObject({ status: RpcStatus.unimplemented })
    const stream = client.duplex(register)
    for (let n = 0; n < 50; n++) if (!stream.send({ txid: String(n) })) await stream.drained()
    stream.end()
    const heard: string[] = []
    for await (const { txid } of stream.messages) heard.push(txid)
    expect(heard).toEqual([...Array(50).keys()].map(String))
  })
})
