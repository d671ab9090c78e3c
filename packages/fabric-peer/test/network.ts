import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GatewayMethods } from '@kumiko/fabric-gateway'
import { GrpcClient, GrpcListener } from '@kumiko/fabric-grpc'
import { type LocalMsp, loadLocalMsp } from '@kumiko/fabric-msp'
import { type Orderer, orderer, ordererServices, solo } from '@kumiko/fabric-orderer'
import { buildProposal, CommitStatusRequest, encodeUtf8, SignedProposal, signProposal } from '@kumiko/fabric-protocol'
import { GOLDEN } from '@kumiko/golden-channel'
import { must } from '@kumiko/testkit'
import { goldenBlock } from './golden.ts'

/** The recorded channel's name. */
export const CHANNEL = 'mychannel'

/** Of the recorded organisation. */
export const ORGANIZATION: string = join(GOLDEN, 'crypto/peerOrganizations/org1.example.com')
const ORDERERS = join(GOLDEN, 'crypto/ordererOrganizations/example.com')
const ORDERER = join(ORDERERS, 'orderers/orderer.example.com')

/** A file. */
export async function pem(path: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(path))
}

/** A solo orderer of the recorded channel, whose address stays when it is started again. */
export class SoloOrderer {
  readonly #folder: string
  #address = '127.0.0.1:0'
  #running: { readonly node: Orderer; readonly listener: GrpcListener } | undefined

  constructor(folder: string) {
    this.#folder = folder
  }

  async start(): Promise<string> {
    const signer = await loadLocalMsp(join(ORDERER, 'msp'), { mspId: 'OrdererMSP' })
    const node = orderer({ folder: this.#folder, signer, consenter: solo() })
    await node.start()
    if (node.channels().length === 0) await node.join(goldenBlock(0))
    const tls = { certificate: await pem(join(ORDERER, 'tls/server.crt')), privateKey: await pem(join(ORDERER, 'tls/server.key')) }
    const listener = new GrpcListener({ listen: this.#address, tls }).add(...ordererServices(node))
    await listener.start()
    this.#running = { node, listener }
    this.#address = listener.address
    return this.#address
  }

  async stop(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    await running?.listener.stop(0)
    await running?.node.stop()
  }
}

/** How a peer finds the orderer: the configuration names the address that the recording was made at. */
export async function overridesTo(address: string) {
  const tlsRoots = [await pem(join(ORDERERS, 'tlsca/tlsca.example.com-cert.pem'))]
  return new Map([['127.0.0.1:7050', { address, tlsRoots }]])
}

/** A client of the gateway that needs nothing else: endorse, sign, submit, wait. */
export class Client implements Disposable {
  readonly #grpc: GrpcClient
  readonly #signer: LocalMsp

  constructor(address: string, signer: LocalMsp) {
    this.#grpc = new GrpcClient({ address })
    this.#signer = signer
  }

  /** @returns The validation code, and what was answered. */
  async submit(chaincode: string, args: readonly (string | Uint8Array)[]): Promise<{ readonly code: number; readonly block: bigint }> {
    const { proposal, txId: transactionId } = buildProposal(
      {
        channelId: CHANNEL,
        chaincode,
        args: args.map((each) => (typeof each === 'string' ? encodeUtf8(each) : each)),
        nonce: new Uint8Array(randomBytes(24)),
        timestamp: { seconds: BigInt(Math.floor(Date.now() / 1000)), nanos: 0 },
      },
      this.#signer.creator,
    )
    const proposedTransaction = must(SignedProposal.decode(signProposal(proposal, this.#signer)))
    const endorsed = await this.#grpc.call(GatewayMethods.endorse, { transactionId, channelId: CHANNEL, proposedTransaction })
    const { payload } = must(endorsed.preparedTransaction)
    const preparedTransaction = { payload, signature: this.#signer.sign(payload) }
    await this.#grpc.call(GatewayMethods.submit, { transactionId, channelId: CHANNEL, preparedTransaction })
    const request = CommitStatusRequest.encode({ transactionId, channelId: CHANNEL, identity: this.#signer.creator })
    const status = await this.#grpc.call(
      GatewayMethods.commitStatus,
      { request, signature: this.#signer.sign(request) },
      { timeoutMs: 20_000 },
    )
    return { code: status.result, block: status.blockNumber }
  }

  [Symbol.dispose](): void {
    this.#grpc.close()
  }
}
