import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { externalBuilder, packageChaincode } from '@kumiko/fabric-chaincode'
import { PROCESS_PROPOSAL } from '@kumiko/fabric-endorser'
import { GrpcClient } from '@kumiko/fabric-grpc'
import {
  ApproveChaincodeDefinitionForMyOrgArgs,
  buildProposal,
  DefinitionArgs,
  encodeUtf8,
  InstallChaincodeArgs,
  InstallChaincodeResult,
  SignedProposal,
  signProposal,
} from '@kumiko/fabric-protocol'
import { must } from '@kumiko/testkit'
import { afterEach, expect, it } from 'vitest'
import { FabricPeer } from '../src/fabric-peer.ts'
import { goldenBlock, goldenMsp } from './golden.ts'
import { Client, overridesTo, SoloOrderer } from './network.ts'

const SHIM = join(dirname(createRequire(import.meta.url).resolve('fabric-shim/package.json')), 'cli.js')

/** Packages of contracts are those of this repository. */
const NODE_MODULES = dirname(dirname(SHIM))

const CONTRACT = `'use strict'
const { Contract } = require('fabric-contract-api')
class Notes extends Contract {
  async write(context, text) {
    await context.stub.putState('note', Buffer.from(text))
  }
}
exports.contracts = [Notes]
`

/** Runs code by fabric-shim, with what the peer tells in chaincode.json: the address of its listener, and certificates. */
const RUN = `#!${process.execPath}
const { readFileSync, writeFileSync } = require('node:fs')
const { spawn } = require('node:child_process')
const { join } = require('node:path')
const [, , output, folder] = process.argv
const told = JSON.parse(readFileSync(join(folder, 'chaincode.json')))
const file = (name, text) => { writeFileSync(join(folder, name), text); return join(folder, name) }
const base64 = (text) => Buffer.from(text).toString('base64')
const child = spawn(process.execPath, [
  ${JSON.stringify(SHIM)}, 'start', '--peer.address', told.peer_address, '--chaincode-id-name', told.chaincode_id, '--module-path', output,
], { stdio: 'inherit', env: {
  ...process.env, NODE_PATH: ${JSON.stringify(NODE_MODULES)}, CORE_PEER_LOCALMSPID: told.mspid, CORE_PEER_TLS_ENABLED: 'true',
  CORE_PEER_TLS_ROOTCERT_FILE: file('root.pem', told.root_cert),
  CORE_TLS_CLIENT_CERT_PATH: file('cert.pem', base64(told.client_cert)), CORE_TLS_CLIENT_KEY_PATH: file('key.pem', base64(told.client_key)),
} })
child.on('exit', (code) => process.exit(code ?? 1))
process.on('SIGTERM', () => child.kill('SIGKILL'))
`

const cleanups: (() => Promise<unknown> | unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A builder that takes packages of type `plain` as they are. */
async function builderIn(folder: string) {
  const scripts = {
    detect: '#!/bin/sh\ngrep -q \'"type":"plain"\' "$2/metadata.json"\n',
    build: '#!/bin/sh\ncp -R "$1/." "$3"\n',
    run: RUN,
  }
  await mkdir(join(folder, 'bin'), { recursive: true })
  for (const [name, script] of Object.entries(scripts)) {
    await writeFile(join(folder, 'bin', name), script)
    await chmod(join(folder, 'bin', name), 0o700)
  }
  return externalBuilder({ name: 'plain', path: folder, mspId: 'Org1MSP' })
}

it('a package is installed over gRPC, built, run by its builder, and dials the peer with a certificate of its own', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kumiko-peer-'))
  cleanups.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const ordering = new SoloOrderer(join(folder, 'orderer'))
  cleanups.push(() => ordering.stop())
  const peer = new FabricPeer({
    msp: await goldenMsp('peers/peer0.org1.example.com'),
    folder: join(folder, 'peer'),
    ordererConnections: { overrides: await overridesTo(await ordering.start()) },
    chaincode: { listener: { listen: '127.0.0.1:0' }, hasTls: true, builders: [await builderIn(join(folder, 'builder'))] },
  })
  cleanups.push(() => peer.stop())
  await peer.start()
  await peer.join(goldenBlock(0))
  const admin = await goldenMsp('users/Admin@org1.example.com')
  const manifest = JSON.stringify({ name: 'notes', version: '1.0.0', main: 'index.js' })
  const files = new Map([
    ['index.js', CONTRACT],
    ['package.json', manifest],
  ])
  const { bytes, packageId } = await packageChaincode({ label: 'notes', type: 'plain', files })
  const install = InstallChaincodeArgs.encode({ chaincodeInstallPackage: bytes })
  const { proposal } = buildProposal(
    {
      channelId: '',
      chaincode: '_lifecycle',
      args: [encodeUtf8('InstallChaincode'), install],
      nonce: new Uint8Array(24).fill(7),
      timestamp: { seconds: BigInt(Math.floor(Date.now() / 1000)), nanos: 0 },
    },
    admin.creator,
  )
  using grpc = new GrpcClient({ address: peer.address })
  const { response } = await grpc.call(PROCESS_PROPOSAL, must(SignedProposal.decode(signProposal(proposal, admin))))
  expect(must(InstallChaincodeResult.decode(must(response).payload))).toEqual({ packageId, label: 'notes' })
  using client = new Client(peer.address, admin)
  const definition = DefinitionArgs.create({ name: 'notes', version: '1.0', sequence: 1n })
  const source = { unavailable: undefined, localPackage: { packageId } }
  const approval = ApproveChaincodeDefinitionForMyOrgArgs.encode({ ...definition, source })
  await client.submit('_lifecycle', ['ApproveChaincodeDefinitionForMyOrg', approval])
  await client.submit('_lifecycle', ['CommitChaincodeDefinition', DefinitionArgs.encode(definition)])
  expect(await client.submit('notes', ['write', 'hello'])).toMatchObject({ code: 0 })
  const query = await must(peer.channel('mychannel')).ledger.query()
  expect(Buffer.from(must(await query.getState('notes', 'note'))).toString()).toBe('hello')
  await query.close()
})
