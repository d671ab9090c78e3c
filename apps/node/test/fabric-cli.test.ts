import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { type Devnet, devnet } from '@kumiko/fabric-devnet'
import { computeConfigUpdate, readConfigTransaction } from '@kumiko/fabric-msp'
import { buildEnvelope, Config, ConfigUpdate, ConfigUpdateEnvelope, HeaderType, readBlock } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import { freePorts, must } from '@kumiko/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cli, type RunningCli, startCli, temporaryFolder } from './cli.ts'

const require = createRequire(import.meta.url)
const SHIM = join(dirname(require.resolve('fabric-shim/package.json')), 'cli.js')
const CONTRACT = join(import.meta.dirname, 'contract')

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let network: Devnet
let peer: RunningCli
let admin: Readonly<Record<string, string>> = {}
let port = 0

/** Runs `kumiko fabric …` as the organisation's admin. @returns What it printed. */
async function fabric(...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await cli(['fabric', ...args], { env: admin, cwd: folder.path })
  if (exitCode !== 0) throw new Error(`${args.join(' ')}: ${exitCode} ${stderr}`)
  return stdout
}

beforeAll(async () => {
  folder = await temporaryFolder()
  network = await devnet({ folder: join(folder.path, 'network') })
  const organizations = join(network.folder, 'organizations')
  const home = join(organizations, 'peerOrganizations', 'org1.example.com')
  const node = join(home, 'peers', 'peer0.org1.example.com')
  const common = {
    CORE_PEER_LOCALMSPID: 'Org1MSP',
    CORE_PEER_TLS_ENABLED: 'true',
    CORE_PEER_TLS_CERT_FILE: join(node, 'tls/server.crt'),
    CORE_PEER_TLS_KEY_FILE: join(node, 'tls/server.key'),
    CORE_PEER_TLS_ROOTCERT_FILE: join(node, 'tls/ca.crt'),
  }
  port = must((await freePorts(1))[0])
  peer = startCli(['fabric', 'peer', 'start', '--json'], {
    env: {
      ...common,
      CORE_PEER_MSPCONFIGPATH: join(node, 'msp'),
      CORE_PEER_FILESYSTEMPATH: join(folder.path, 'data'),
      CORE_PEER_LISTENADDRESS: '127.0.0.1:0',
      CORE_PEER_CHAINCODELISTENADDRESS: '127.0.0.1:0',
      CORE_OPERATIONS_LISTENADDRESS: '127.0.0.1:0',
    },
  })
  const { address } = await peer.event('started')
  admin = { ...common, CORE_PEER_MSPCONFIGPATH: join(home, 'users/Admin@org1.example.com/msp'), CORE_PEER_ADDRESS: String(address) }
})

afterAll(async () => {
  await peer?.kill('SIGTERM')
  await network?.stop()
  await folder?.[Symbol.asyncDispose]()
})

test('a channel is fetched, joined, listed and updated', async () => {
  const [orderer] = network.network.orderers
  const cafile = join(network.folder, 'organizations/ordererOrganizations/example.com/tlsca/tlsca.example.com-cert.pem')
  const tls = ['-o', orderer?.address ?? '', '--tls', '--cafile', cafile]
  expect(await fabric('channel', 'fetch', '0', 'genesis.block', '-c', 'mychannel', ...tls)).toContain('block 0: ')
  expect(await fabric('channel', 'join', '-b', 'genesis.block')).toBe('Successfully submitted proposal to join channel\n')
  expect(await fabric('channel', 'list')).toBe('Channels peers has joined: \nmychannel\n')
  expect(JSON.parse(await fabric('channel', 'getinfo', '-c', 'mychannel', '--json'))).toMatchObject({ height: expect.any(Number) })
  expect(await fabric('snapshot', 'submitrequest', '-c', 'mychannel', '-b', '1000')).toBe('Snapshot request submitted successfully\n')
  expect(await fabric('snapshot', 'listpending', '-c', 'mychannel')).toBe('Successfully got pending snapshot requests: [1000]\n')
  expect(await fabric('snapshot', 'cancelrequest', '-c', 'mychannel', '-b', '1000')).toBe('Snapshot request cancelled successfully\n')
  expect(await fabric('channel', 'joinbysnapshotstatus')).toBe('No joinbysnapshot operation is in progress\n')
  await expect(fabric('channel', 'join', '-b', 'genesis.block')).rejects.toThrow('ledger [mychannel] already exists')
  await writeFile(join(folder.path, 'anchors.tx'), await anchorPeerUpdate(join(folder.path, 'genesis.block')))
  expect(await fabric('channel', 'signconfigtx', '-f', 'anchors.tx')).toContain('signed: anchors.tx')
  const before = network.blocks.height
  expect(await fabric('channel', 'update', '-c', 'mychannel', '-f', 'anchors.tx')).toBe('Successfully submitted channel update\n')
  await expect.poll(() => network.blocks.height).toBe(before + 1n)
  expect(await fabric('channel', 'fetch', 'config', '-c', 'mychannel')).toContain(`block ${before}: `)
})

test('why nobody can be asked is said in a line', async () => {
  const address = admin.CORE_PEER_ADDRESS ?? ''
  const other = join(network.folder, 'organizations/ordererOrganizations/example.com/tlsca/tlsca.example.com-cert.pem')
  const plain = createServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(0, '127.0.0.1')
  await once(plain, 'listening')
  const bound = plain.address()
  const plainAddress = `127.0.0.1:${typeof bound === 'object' ? bound?.port : ''}`
  const failed = async (env: Readonly<Record<string, string>>): Promise<string> => {
    const { exitCode, stderr } = await cli(['fabric', 'channel', 'list'], { env: { ...admin, ...env }, cwd: folder.path })
    expect(exitCode).toBe(1)
    return stderr
  }
  try {
    expect(await failed({ CORE_PEER_TLS_ENABLED: 'false' })).toContain(`${address}: it wants TLS: set CORE_PEER_TLS_ENABLED=true`)
    expect(await failed({ CORE_PEER_ADDRESS: plainAddress })).toContain(`${plainAddress}: it has no TLS: set CORE_PEER_TLS_ENABLED=false`)
    expect(await failed({ CORE_PEER_ADDRESS: '127.0.0.1:1' })).toContain('127.0.0.1:1: nobody answers there (ECONNREFUSED)')
    expect(await failed({ CORE_PEER_TLS_ROOTCERT_FILE: other })).toMatch(
      /its certificate is of "tlsca\.org1\.example\.com", which is not vouched for/,
    )
    expect(await failed({ CORE_PEER_TLS_SERVERHOSTOVERRIDE: 'other' })).toMatch(
      /its certificate is for DNS:.*, not for other: use such a name/,
    )
    expect(await failed({ CORE_PEER_LOCALMSPID: 'Org2MSP' })).toMatch(
      /access denied.*asked as a member of Org2MSP: see that CORE_PEER_LOCALMSPID/,
    )
  } finally {
    plain.close()
  }
})

test('chaincode goes through its life: packaged, installed, approved, committed, invoked', async () => {
  const source = join(folder.path, 'ccaas')
  await mkdir(source)
  await writeFile(
    join(source, 'connection.json'),
    JSON.stringify({ address: `127.0.0.1:${port}`, dial_timeout: '10s', tls_required: false }),
  )
  const lifecycle = (...args: readonly string[]) => fabric('lifecycle', 'chaincode', ...args)
  const made = await lifecycle('package', 'basic.tar.gz', '--path', source, '--lang', 'ccaas', '--label', 'basic_1.0')
  const [, packageId = ''] = /identifier: (basic_1\.0:[0-9a-f]{64})\n/.exec(made) ?? []
  expect(await lifecycle('calculatepackageid', 'basic.tar.gz')).toBe(`${packageId}\n`)
  expect(await lifecycle('install', 'basic.tar.gz')).toBe(`Chaincode code package identifier: ${packageId}\n`)
  expect(await lifecycle('queryinstalled')).toBe(`Installed chaincodes on peer:\nPackage ID: ${packageId}, Label: basic_1.0\n`)
  await mkdir(join(folder.path, 'got'))
  await lifecycle('getinstalledpackage', '--package-id', packageId, '--output-directory', 'got')
  const got = await readFile(join(folder.path, 'got', `${packageId.replace(':', '.')}.tar.gz`))
  expect(got.equals(await readFile(join(folder.path, 'basic.tar.gz')))).toBe(true)
  const definition = ['-C', 'mychannel', '-n', 'basic', '--version', '1.0', '--sequence', '1', '--signature-policy', "OR('Org1MSP.peer')"]
  expect(await lifecycle('checkcommitreadiness', ...definition)).toContain('\nOrg1MSP: false\n')
  expect(await lifecycle('approveformyorg', ...definition, '--package-id', packageId)).toContain('committed with status (VALID) at')
  expect(JSON.parse(await lifecycle('checkcommitreadiness', ...definition, '-O', 'json'))).toMatchObject({ approvals: { Org1MSP: true } })
  expect(await lifecycle('queryapproved', '-C', 'mychannel', '-n', 'basic')).toContain(
    `sequence: 1, version: 1.0, init-required: false, package-id: ${packageId}`,
  )
  expect(await lifecycle('commit', ...definition)).toContain('committed with status (VALID) at')
  expect(await lifecycle('querycommitted', '-C', 'mychannel')).toBe(
    "Committed chaincode definitions on channel 'mychannel':\nName: basic, Version: 1.0, Sequence: 1, Endorsement Plugin: escc, Validation Plugin: vscc\n",
  )
  expect(await lifecycle('querycommitted', '-C', 'mychannel', '-n', 'basic')).toContain('Approvals: [Org1MSP: true]\n')
  const chaincode = spawn(
    process.execPath,
    [SHIM, 'server', `--chaincode-address=127.0.0.1:${port}`, `--chaincode-id=${packageId}`, '--module-path', CONTRACT],
    {
      stdio: 'ignore',
    },
  )
  try {
    const call = ['-C', 'mychannel', '-n', 'basic']
    const invoked = () => fabric('chaincode', 'invoke', ...call, '-c', '{"Args":["put","a","1"]}', '--waitForEvent')
    await expect
      .poll(async () => await invoked().catch(String), { interval: 500 })
      .toContain('Chaincode invoke successful. result: status:200')
    expect(await fabric('chaincode', 'query', ...call, '-c', '{"function":"get","Args":["a"]}')).toBe('1\n')
    expect(await fabric('chaincode', 'query', ...call, '-c', '{"Args":["get","a"]}', '-x')).toBe('31\n')
    await expect(fabric('chaincode', 'query', ...call, '-c', '{"Args":["fail"]}')).rejects.toThrow(
      'endorsement failure during query. response: status:500',
    )
    await expect(fabric('chaincode', 'query', ...call, '-c', '{"Args":[1]}')).rejects.toThrow(': 2 kumiko: --ctor: want')
    await expect(fabric('chaincode', 'instantiate', '-C', 'mychannel')).rejects.toThrow(
      'use kumiko fabric lifecycle chaincode approveformyorg',
    )
  } finally {
    chaincode.kill('SIGKILL')
  }
  const endorsers = JSON.parse(await fabric('discover', 'endorsers', '--channel', 'mychannel', '--chaincode', 'basic'))
  expect(endorsers).toMatchObject([{ Chaincode: 'basic', Layouts: [{ quantities_by_group: { G0: 1 } }] }])
  expect(JSON.parse(await fabric('discover', 'peers', '--channel', 'mychannel'))).toMatchObject([
    { MSPID: 'Org1MSP', Chaincodes: ['_lifecycle', 'basic'] },
  ])
  expect(JSON.parse(await fabric('discover', 'config', '--channel', 'mychannel'))).toMatchObject({ orderers: { OrdererMSP: {} } })
})

/** An update that makes another peer the organisation's anchor. */
async function anchorPeerUpdate(genesis: string): Promise<Uint8Array> {
  const block = readBlock(new Uint8Array(await readFile(genesis)))
  const read = isFault(block) ? block : readConfigTransaction(block.data[0] ?? new Uint8Array())
  if (isFault(read) || read.envelope.config === undefined) throw new Error('no configuration')
  const config = read.envelope.config
  const changed = Config.decode(Config.encode(config))
  if (isFault(changed)) throw new Error(changed.fault)
  const [organization] = changed.channelGroup?.groups.get('Application')?.groups.values() ?? []
  const value = organization?.values.get('AnchorPeers')
  if (organization === undefined || value === undefined) throw new Error('no anchor peers')
  // Its protobuf is AnchorPeers { anchor_peers: { host: "other", port: 1 } }.
  const anchor = new Uint8Array([10, 9, 10, 5, 111, 116, 104, 101, 114, 16, 1])
  Reflect.set(organization, 'values', new Map([...organization.values, ['AnchorPeers', { ...value, value: anchor }]]))
  const update = ConfigUpdate.encode(computeConfigUpdate('mychannel', config, changed))
  const nobody = { creator: new Uint8Array(), sign: () => new Uint8Array() }
  const data = ConfigUpdateEnvelope.encode({ configUpdate: update, signatures: [] })
  return buildEnvelope({ type: HeaderType.configUpdate, channelId: 'mychannel' }, data, new Uint8Array(24), nobody)
}
