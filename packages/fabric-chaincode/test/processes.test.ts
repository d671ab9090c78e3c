import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GrpcClient, GrpcListener } from '@kumiko/fabric-grpc'
import { ChaincodeId, ChaincodeMessage, ChaincodeMessageType } from '@kumiko/fabric-protocol'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { type ChaincodeAuthority, chaincodeAuthority, type KeyAndCertificate } from '../src/connectors/chaincode-authority.ts'
import { chaincodeServices } from '../src/connectors/chaincode-service.ts'
import { chaincodeSupport } from '../src/connectors/chaincode-support.ts'
import { readConnectionFile } from '../src/connectors/connection-file.ts'
import { registerMethod } from '../src/connectors/methods.ts'
import type { StreamingChaincodeRuntime } from '../src/runtime/chaincode-runtime.ts'
import type { ChaincodeConnector } from '../src/runtime/connector.ts'
import { PACKAGE_IDS, testChannel, testRuntime } from './peer.ts'
import { ShimProcess } from './shim-process.ts'
import { endorse, type TestChannel } from './transactions.ts'

const PACKAGE_ID = PACKAGE_IDS.golden

let channel: TestChannel & AsyncDisposable
let stack: AsyncDisposableStack

beforeAll(async () => {
  channel = await testChannel()
})
afterAll(() => channel[Symbol.asyncDispose]())
beforeEach(() => {
  stack = new AsyncDisposableStack()
})
afterEach(() => stack.disposeAsync())

/** A listener for chaincodes, with TLS or without. */
async function listenFor(runtime: StreamingChaincodeRuntime, authority?: ChaincodeAuthority): Promise<string> {
  const tls = authority && { ...authority.server, clientRootCas: [authority.certificate], requiresClientCertificate: true }
  const listener = new GrpcListener({ listen: '127.0.0.1:0', ...(tls && { tls }) }).add(...chaincodeSupport(runtime, authority))
  await listener.start()
  stack.defer(() => listener.stop(0))
  stack.defer(() => runtime.stop())
  return listener.address
}

/** The environment in which a peer starts a chaincode. */
async function environmentOf({ certificate, privateKey }: KeyAndCertificate, root: Uint8Array): Promise<Record<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), 'kumiko-chaincode-tls-'))
  stack.defer(() => rm(folder, { recursive: true }))
  const files = { root: join(folder, 'root.pem'), key: join(folder, 'key'), certificate: join(folder, 'certificate') }
  await writeFile(files.root, root)
  await writeFile(files.key, Buffer.from(privateKey).toString('base64'))
  await writeFile(files.certificate, Buffer.from(certificate).toString('base64'))
  return {
    CORE_PEER_TLS_ENABLED: 'true',
    CORE_PEER_TLS_ROOTCERT_FILE: files.root,
    CORE_TLS_CLIENT_KEY_PATH: files.key,
    CORE_TLS_CLIENT_CERT_PATH: files.certificate,
  }
}

it('starts a chaincode that dials it with a certificate of its own, and again after it was killed', async () => {
  const authority = await chaincodeAuthority({ hosts: ['127.0.0.1', 'localhost'] })
  const started: ShimProcess[] = []
  let address = ''
  const connector: ChaincodeConnector = {
    runs: (packageId) => packageId === PACKAGE_ID,
    launch: async (packageId, _, signal) => {
      const environment = await environmentOf(await authority.issue(packageId), authority.certificate)
      const shim = stack.use(ShimProcess.dial(address, packageId, environment))
      started.push(shim)
      signal.addEventListener('abort', () => void shim.kill())
      await shim.ended
    },
  }
  const runtime = await testRuntime(channel, { connectors: [connector] })
  // Node takes no IP address for a server's name, and gRPC of fabric-shim gives it one.
  address = (await listenFor(runtime, authority)).replace('127.0.0.1', 'localhost')
  expect(await endorse(runtime, channel, { args: ['read', 'a'] })).toMatchObject({ payload: '3' })
  await started[0]?.kill()
  await expect.poll(() => runtime.connected()).toEqual([])
  expect(await endorse(runtime, channel, { args: ['read', 'a'] })).toMatchObject({ payload: '3' })
  expect(started).toHaveLength(2)
})

it('lets a chaincode register under the name of its certificate alone', async () => {
  const authority = await chaincodeAuthority({ hosts: ['127.0.0.1'] })
  const runtime = await testRuntime(channel, { acceptsUnlaunched: true })
  const address = await listenFor(runtime, authority)
  const register = async (name: string, clientTls: KeyAndCertificate): Promise<unknown> => {
    using client = new GrpcClient({ address, tlsRoots: [authority.certificate] }, { clientTls })
    const stream = client.duplex(registerMethod)
    stream.send(ChaincodeMessage.create({ type: ChaincodeMessageType.register, payload: ChaincodeId.encode({ name }) }))
    for await (const { type } of stream.messages) return type
    return undefined
  }
  const mine = await authority.issue('mine:1')
  const other = await authority.issue('other:1')
  expect(await register('mine:1', mine)).toBe(ChaincodeMessageType.registered)
  await expect(register('mine:1', other)).rejects.toThrow(
    /^Chaincode mine:1 with given certificate hash \[[\d ]+\] belongs to a different chaincode$/,
  )
  await expect(register('mine:1', authority.server)).rejects.toThrow('not found in registry')
  const again = await authority.issue('mine:1')
  await expect(register('mine:1', mine)).rejects.toThrow('not found in registry')
  await expect.poll(() => register('mine:1', again)).toBe(ChaincodeMessageType.registered)
  const stranger = await chaincodeAuthority({ hosts: [] })
  await expect(register('mine:1', await stranger.issue('mine:1'))).rejects.toThrow()
  expect(authority.refuse('mine:1', undefined)).toBe("TLS is active but chaincode mine:1 didn't send certificate")
})

it('dials a chaincode again after it was lost in the midst of a transaction', async () => {
  const first = await ShimProcess.serve(PACKAGE_ID)
  stack.use(first.process)
  let { address } = first
  const runtime = await testRuntime(channel, {
    connectors: [chaincodeServices(async () => ({ endpoint: { address }, dialTimeoutMs: 500 }))],
  })
  stack.defer(() => runtime.stop())
  const never = expect(endorse(runtime, channel, { args: ['never'] })).rejects.toMatchObject({ code: 'fabric-chaincode/stream-terminated' })
  const exiting = expect.poll(() => runtime.connected()).toEqual([PACKAGE_ID])
  await exiting
  await first.process.line(/invoking transaction/)
  await first.process.kill()
  await never
  await expect(endorse(runtime, channel, { args: ['read', 'a'] })).rejects.toThrow(
    /could not launch chaincode golden:1.0: connection to golden:1.0 failed: error cannot create connection for golden:1.0: error creating grpc connection to 127.0.0.1:\d+: /,
  )
  const second = await ShimProcess.serve(PACKAGE_ID)
  stack.use(second.process)
  address = second.address
  expect(await endorse(runtime, channel, { args: ['read', 'a'] })).toMatchObject({ payload: '3' })
})

it('is served on when a chaincode ends its process, or is another one', async () => {
  const { process: shim, address } = await ShimProcess.serve('another:1')
  stack.use(shim)
  const runtime = await testRuntime(channel, { connectors: [chaincodeServices(async () => ({ endpoint: { address } }))] })
  stack.defer(() => runtime.stop())
  await expect(endorse(runtime, channel, { args: ['read', 'a'] })).rejects.toThrow('chaincode golden:1.0 says that it is another:1')
  const { process: ending, address: there } = await ShimProcess.serve(PACKAGE_ID)
  stack.use(ending)
  const other = await testRuntime(channel, { connectors: [chaincodeServices(async () => ({ endpoint: { address: there } }))] })
  stack.defer(() => other.stop())
  await expect(endorse(other, channel, { args: ['exit'] })).rejects.toMatchObject({ code: 'fabric-chaincode/stream-terminated' })
})

it('dials a chaincode with TLS, to which it shows a certificate', async () => {
  const authority = await chaincodeAuthority({ hosts: ['127.0.0.1'] })
  const folder = await mkdtemp(join(tmpdir(), 'kumiko-chaincode-tls-'))
  stack.defer(() => rm(folder, { recursive: true }))
  const files = { key: authority.server.privateKey, cert: authority.server.certificate, 'client-cacert': authority.certificate }
  const options: string[] = []
  for (const [name, bytes] of Object.entries(files)) {
    await writeFile(join(folder, name), bytes)
    options.push(`--chaincode-tls-${name}-file=${join(folder, name)}`)
  }
  const { process: shim, address } = await ShimProcess.serve(PACKAGE_ID, options)
  stack.use(shim)
  const pem = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
  const { certificate, privateKey } = await authority.issue('peer')
  const connection = { address, dial_timeout: '2s', tls_required: true, root_cert: pem(authority.certificate) }
  const mutual = { client_auth_required: true, client_key: pem(privateKey), client_cert: pem(certificate) }
  const over = async (fields: object): Promise<StreamingChaincodeRuntime> => {
    const server = readConnectionFile(JSON.stringify(fields))
    const runtime = await testRuntime(channel, { connectors: [chaincodeServices(async () => server)] })
    stack.defer(() => runtime.stop())
    return runtime
  }
  expect(await endorse(await over({ ...connection, ...mutual }), channel, { args: ['read', 'a'] })).toMatchObject({ payload: '3' })
  await expect(endorse(await over(connection), channel, { args: ['read', 'a'] })).rejects.toMatchObject({
    code: 'fabric-chaincode/not-launched',
  })
  const plain = await over({ address, dial_timeout: '1s' })
  await expect(endorse(plain, channel, { args: ['read', 'a'] })).rejects.toMatchObject({ code: 'fabric-chaincode/not-launched' })
})
