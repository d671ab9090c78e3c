import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { GrpcListener } from '@kumiko/fabric-grpc'
import { afterEach, expect, it } from 'vitest'
import { builtChaincodes } from '../src/builders/built-chaincodes.ts'
import { ChaincodeBuilds } from '../src/builders/chaincode-builds.ts'
import { externalBuilder } from '../src/builders/external-builder.ts'
import { chaincodeAuthority } from '../src/connectors/chaincode-authority.ts'
import { chaincodeSupport } from '../src/connectors/chaincode-support.ts'
import { inProcessChaincode } from '../src/connectors/in-process.ts'
import { InstallStore } from '../src/packages/install-store.ts'
import { packageInstaller } from '../src/packages/package-installer.ts'
import { packageChaincode } from '../src/packages/write-package.ts'
import { contracts, testChannel, testRuntime } from './peer.ts'
import { CHAINCODE, definitionsOf, endorse } from './transactions.ts'

const require = createRequire(import.meta.url)
const CLI = join(dirname(require.resolve('fabric-shim/package.json')), 'cli.js')
const MODULES = dirname(dirname(CLI))

const stack: (() => unknown)[] = []
afterEach(async () => {
  for (const close of stack.splice(0).reverse()) await close()
})

/** A builder for Node.js: the code is run as it is, by the `fabric-shim` that is here. */
async function nodeBuilder(folder: string): Promise<string> {
  const program = (lines: string) => `#!${process.execPath}\nconst [, , ...args] = process.argv\nconst fs = require('node:fs')\n${lines}\n`
  const steps = {
    detect: program("if (JSON.parse(fs.readFileSync(args[1] + '/metadata.json')).type !== 'node') process.exit(1)"),
    build: program(`
fs.cpSync(args[0] + '/src', args[2] + '/src', { recursive: true })
fs.symlinkSync(${JSON.stringify(MODULES)}, args[2] + '/src/node_modules')`),
    run: program(`
const told = JSON.parse(fs.readFileSync(args[1] + '/chaincode.json'))
const base64 = (name, pem) => (fs.writeFileSync(args[1] + name, Buffer.from(pem).toString('base64')), args[1] + name)
fs.writeFileSync(args[1] + '/root.pem', told.root_cert)
Object.assign(process.env, {
  CORE_PEER_LOCALMSPID: told.mspid,
  CORE_PEER_TLS_ENABLED: 'true',
  CORE_PEER_TLS_ROOTCERT_FILE: args[1] + '/root.pem',
  CORE_TLS_CLIENT_KEY_PATH: base64('/client.key', told.client_key),
  CORE_TLS_CLIENT_CERT_PATH: base64('/client.pem', told.client_cert),
})
const { spawn } = require('node:child_process')
const options = ['start', '--peer.address', told.peer_address, '--chaincode-id-name', told.chaincode_id, '--module-path', args[0] + '/src']
spawn(process.execPath, [${JSON.stringify(CLI)}, ...options], { stdio: 'inherit' }).on('exit', (status) => process.exit(status ?? 1))`),
  }
  const path = join(folder, 'builder')
  await mkdir(join(path, 'bin'), { recursive: true })
  for (const [name, text] of Object.entries(steps)) {
    await writeFile(join(path, 'bin', name), text)
    await chmod(join(path, 'bin', name), 0o700)
  }
  return path
}

it('runs an installed package by an external builder, over mutual TLS, with the same result as in this process', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kumiko-built-'))
  stack.push(() => rm(folder, { recursive: true, force: true }))
  const channel = await testChannel()
  stack.push(() => channel[Symbol.asyncDispose]())

  const store = await InstallStore.open({ folder: join(folder, 'packages') })
  const builder = externalBuilder({ name: 'node', path: await nodeBuilder(folder), mspId: 'Org1MSP' })
  const builds = await ChaincodeBuilds.open({ folder: join(folder, 'builds'), builders: [builder] })
  stack.push(() => builds.stop())
  const installer = packageInstaller({ store, build: (installed, package_) => builds.build(installed.packageId, package_) })
  const path = dirname(require.resolve('./contract/package.json'))
  const { packageId } = await installer.install((await packageChaincode({ label: 'golden_1', type: 'node', path })).bytes)

  const authority = await chaincodeAuthority({ hosts: ['127.0.0.1', 'localhost'] })
  const tls = { ...authority.server, clientRootCas: [authority.certificate], requiresClientCertificate: true }
  const listener = new GrpcListener({ listen: '127.0.0.1:0', tls })
  const connection = async (id: string) => ({
    // gRPC of Node.js takes no IP address for a TLS server's name.
    address: listener.address.replace('127.0.0.1', 'localhost'),
    tls: { client: await authority.issue(id), root: authority.certificate },
  })
  const definitions = definitionsOf({ [CHAINCODE]: packageId })
  const runtime = await testRuntime(channel, { definitions, connectors: [builtChaincodes({ store, builds, connection })] })
  listener.add(...chaincodeSupport(runtime, authority))
  await listener.start()
  stack.push(() => listener.stop(0))
  stack.push(() => runtime.stop())

  const about = { contracts, mspId: 'Org1MSP', title: 'test-contract', version: '1.2.3' }
  const here = await testRuntime(channel, { definitions, connectors: [inProcessChaincode({ ...about, packageId })] })
  stack.push(() => here.stop())
  const proposal = { args: ['fill', 'p-', '20'] }
  expect(await endorse(runtime, channel, proposal)).toEqual(await endorse(here, channel, proposal))
  expect(runtime.connected()).toEqual([packageId])
})
