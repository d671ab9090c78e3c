import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GOLDEN, GOLDEN_HEIGHT, goldenBlocks } from '@kumiko/golden-channel'
import { expect, test } from 'vitest'
import { cli, startCli, temporaryFolder } from './cli.ts'
import { startDeliverServer, TLS_CA } from './deliver-server.ts'

const PEER = join(GOLDEN, 'crypto/peerOrganizations/org1.example.com/peers/peer0.org1.example.com')
const GENESIS = join(GOLDEN, 'orderer-blocks/block_0.block')

/** What a peer needs to run beside others on one machine. */
const ENV = {
  CORE_PEER_MSPCONFIGPATH: join(PEER, 'msp'),
  CORE_PEER_LOCALMSPID: 'Org1MSP',
  CORE_PEER_LISTENADDRESS: '127.0.0.1:0',
  CORE_PEER_CHAINCODELISTENADDRESS: '127.0.0.1:0',
  CORE_OPERATIONS_LISTENADDRESS: '127.0.0.1:0',
  CORE_METRICS_PROVIDER: 'prometheus',
  CORE_PEER_VALIDATORPOOLSIZE: '1',
}

test('a peer starts from core.yaml, takes the blocks of its channels, tells of itself, and stops', async () => {
  await using folder = await temporaryFolder()
  await using orderer = await startDeliverServer('server')
  await writeFile(
    join(folder.path, 'core.yaml'),
    `peer:
  fileSystemPath: data
  tls: { enabled: true, cert: { file: ${PEER}/tls/server.crt }, key: { file: ${PEER}/tls/server.key } }
  deliveryclient:
    addressOverrides: [{ from: '127.0.0.1:7050', to: '${orderer.address}', caCertsFile: '${TLS_CA}' }]
`,
  )
  const env = { ...ENV, FABRIC_CFG_PATH: folder.path }
  expect((await cli(['channel', 'join', '-b', GENESIS], { env })).exitCode).toBe(0)
  const peer = startCli(['fabric', 'peer', 'start', '--json', '--rest', '--admin-service', '--event-hub'], { env })
  const started = await peer.event('started')
  expect(started).toMatchObject({ mspId: 'Org1MSP', tls: true, channels: [{ channel: 'mychannel', height: expect.any(Number) }] })
  const operations = `http://${started.operationsAddress}`
  expect(await (await fetch(`${operations}/healthz`)).json()).toMatchObject({ status: 'OK' })
  const height = async () =>
    /ledger_blockchain_height\{channel="mychannel"\} (\d+)/.exec(await (await fetch(`${operations}/metrics`)).text())?.[1]
  await expect.poll(height).toBe(String(GOLDEN_HEIGHT))
  expect(await (await fetch(`${operations}/chain`)).json()).toMatchObject({ height: GOLDEN_HEIGHT })
  expect(await (await fetch(`${operations}/chain/blocks/1`)).json()).toMatchObject({ header: { number: '1' } })
  expect(await (await fetch(`${operations}/network/peers`)).json()).toMatchObject({ peers: [{ ID: { name: 'Org1MSP' } }] })
  const there = { env: { ...env, CORE_OPERATIONS_LISTENADDRESS: String(started.operationsAddress) } }
  const logging = async (...args: readonly string[]) => {
    const { exitCode, stdout, stderr } = await cli(['fabric', 'logging', ...args], there)
    return exitCode === 0 ? stdout : stderr
  }
  expect(await logging('setlevel', 'kumiko.fabric-peer', 'warn')).toBe('kumiko.fabric-peer=warn:info\n')
  expect(await logging('getlevel', 'kumiko.fabric-peer.channel')).toBe('kumiko.fabric-peer.channel: warn\n')
  expect(await logging('setlogspec', 'loud')).toContain("400: invalid logging specification 'loud': bad segment 'loud'")
  expect(await logging('revertlevels')).toBe('info\n')
  const inUse = await cli(['fabric', 'node', 'rollback', '-c', 'mychannel', '-b', '1'], { env })
  expect([inUse.exitCode, inUse.stderr]).toEqual([1, expect.stringContaining('in use by another process')])
  const status = await cli(['fabric', 'node', 'status'], there)
  expect([status.exitCode, status.stdout]).toEqual([0, 'status:STARTED\n'])
  const { exitCode, stdout, stderr } = await peer.kill('SIGTERM')
  expect([exitCode, stderr, stdout]).toEqual([0, '', expect.stringContaining('"event":"stopped"')])
  const blocks = stdout.split('\n').filter((line) => line.startsWith('{"event":"block"'))
  const expected = goldenBlocks().map(({ number, commitHash, txFilter }) => ({
    channel: 'mychannel',
    number,
    commitHash,
    codes: [...Buffer.from(txFilter, 'hex')],
  }))
  expect(blocks.map((line) => JSON.parse(line))).toMatchObject(expected.slice(1))
  const info = await cli(['channel', 'getinfo', '-c', 'mychannel'], { env })
  const hash = Buffer.from(goldenBlocks().at(-1)?.headerHash ?? '', 'hex').toString('base64')
  expect(JSON.parse(info.stdout)).toMatchObject({ height: GOLDEN_HEIGHT, currentBlockHash: hash })
})

test('what is wrong with a configuration is said before anything is up', async () => {
  await using folder = await temporaryFolder()
  const start = async (env: Record<string, string>) => {
    const { exitCode, stderr, stdout } = await cli(['fabric', 'peer', 'start'], {
      env: { ...ENV, CORE_PEER_FILESYSTEMPATH: folder.path, ...env },
    })
    expect([exitCode, stdout]).toEqual([1, ''])
    return stderr
  }
  expect(await start({ CORE_PEER_FILESYSTEMPATH: '/proc/kumiko' })).toContain('data folder "/proc/kumiko" cannot be made or read')
  expect(await start({ CORE_PEER_FILESYSTEMPATH: GOLDEN })).toContain("has files that are not a peer's")
  expect(await start({ CORE_PEER_LOCALMSPTYPE: 'idemix' })).toContain('peer.localMspType is "idemix": a peer\'s MSP is of type bccsp')
  expect(await start({ CORE_PEER_MSPCONFIGPATH: '' })).toContain('a peer needs an identity')
  expect(await start({ CORE_PEER_TLS_ENABLED: 'true' })).toContain('peer.tls.enabled needs peer.tls.cert.file and peer.tls.key.file')
  const tls = (cert: string, key: string) => ({
    CORE_PEER_TLS_ENABLED: 'true',
    CORE_PEER_TLS_CERT_FILE: join(PEER, cert),
    CORE_PEER_TLS_KEY_FILE: join(PEER, key),
  })
  expect(await start(tls('tls/server.crt', 'msp/keystore/priv_sk'))).toMatch(
    /peer\.tls\.key\.file ".*priv_sk" is not the key of peer\.tls\.cert\.file ".*server\.crt": give the one that belongs to it/,
  )
  expect(await start(tls('tls/server.crt', 'tls/server.crt'))).toContain('server.crt" is no private key in PEM')
  expect(await start(tls('tls/server.key', 'tls/server.key'))).toContain('server.key" is no certificate in PEM')
  expect(await start({ CORE_PEER_MSPCONFIGPATH: PEER })).toMatch(
    /it has no folder cacerts: give the folder msp in it \(it is named by peer\.mspConfigPath, or CORE_PEER_MSPCONFIGPATH\)/,
  )
  expect(await start({ CORE_PEER_LISTENADDRESS: 'nowhere' })).toContain('nowhere is not host:port')
  expect(await start({ CORE_OPERATIONS_LISTENADDRESS: '127.0.0.1' })).toContain('want host:port')
  expect(await start({ FABRIC_LOGGING_SPEC: 'a=loud' })).toContain("bad segment 'a=loud'")
})

test('a channel is paused, resumed and unjoined', async () => {
  await using folder = await temporaryFolder()
  const env = { ...ENV, CORE_PEER_FILESYSTEMPATH: folder.path }
  const node = async (...args: string[]) => (await cli(['fabric', 'node', ...args], { env })).stdout
  await cli(['channel', 'join', '-b', GENESIS], { env })
  expect(await node('pause', '-c', 'mychannel')).toBe('mychannel: paused\n')
  const peer = startCli(['fabric', 'peer', 'start', '--json'], { env })
  expect((await peer.event('started')).channels).toEqual([])
  expect((await peer.kill('SIGTERM')).exitCode).toBe(0)
  expect(await node('resume', '-c', 'mychannel')).toBe('mychannel: resumed\n')
  const again = startCli(['fabric', 'peer', 'start', '--json'], { env: { ...env, CORE_PEER_LOCALMSPID: 'Org2MSP' } })
  expect((await again.event('started')).channels).toEqual([{ channel: 'mychannel', height: 1 }])
  const { exitCode, stderr } = await again.kill('SIGTERM')
  const warning =
    "kumiko: on channel mychannel the peer's certificate is of Org1MSP, not of Org2MSP: set peer.localMspId, or CORE_PEER_LOCALMSPID\n"
  expect([exitCode, stderr]).toEqual([0, warning])
  expect(await node('unjoin', '-c', 'mychannel')).toBe('mychannel: unjoined\n')
  expect((await cli(['channel', 'list'], { env })).stdout).toBe('no channels\n')
  const status = await cli(['fabric', 'node', 'status'], { env: { ...env, CORE_OPERATIONS_LISTENADDRESS: '127.0.0.1:9' } })
  expect(status.exitCode).toBe(1)
  expect(status.stdout).toMatch(/^status:UNKNOWN\nthe operations server at \S+ does not answer .+: see that the peer runs, .+\n$/)
})
