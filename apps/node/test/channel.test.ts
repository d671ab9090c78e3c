import { readFile, realpath, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { computeConfigUpdate, readConfigTransaction } from '@kumiko/fabric-msp'
import { Config, ConfigUpdate, readBlock } from '@kumiko/fabric-protocol'
import { GOLDEN, goldenFile, goldenJson } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { expect, test } from 'vitest'
import { cli, temporaryFolder } from './cli.ts'
import { startDeliverServer, TLS_CA } from './deliver-server.ts'

test('inspect shows a block as configtxlator does, with --json', async () => {
  const { stdout, exitCode } = await cli(['channel', 'inspect', join(GOLDEN, 'blocks/block_0.block'), '--json'])
  expect(exitCode).toBe(0)
  expect(JSON.parse(stdout)).toEqual(goldenJson('genesis.decoded.json'))
  expect(stdout.split('\n')).toHaveLength(2)
})

test('inspect tells a person what is in a block', async () => {
  const { stdout } = await cli(['channel', 'inspect', join(GOLDEN, 'blocks/block_52.block')])
  const lines = stdout.split('\n').map((line) => line.replace(/ {2,}/g, '|'))
  for (const line of [
    'kind|Block',
    'number|52',
    'last config|block 52',
    'signed by|OrdererMSP',
    'commit hash|c7c5d3003a3c32db8e6f73e96f0409aa9de0bbbdad5746dbcb08cadc5a9ee97a',
    '|0|VALID, CONFIG of OrdererMSP',
    'channel|mychannel',
    'sequence|1',
    'batch|20 transactions, 524288 bytes (at most 10485760), 500 ms',
    'organization|Org1 (Org1MSP), anchor 127.0.0.1:7051',
    "policy|/Channel/Application/Org1/Writers: OR('Org1MSP.admin', 'Org1MSP.client')",
  ])
    expect(lines).toContain(line)
})

/** The configuration that a block holds. */
function configOf(number: number) {
  const block = readBlock(goldenFile(`blocks/block_${number}.block`))
  const read = isFault(block) ? block : readConfigTransaction(block.data[0]!)
  if (isFault(read) || read.envelope.config === undefined) throw new Error('no configuration')
  return { config: read.envelope.config, envelope: isFault(block) ? new Uint8Array() : block.data[0]! }
}

test('inspect tells envelopes, configurations and updates apart, from stdin too', async () => {
  await using folder = await temporaryFolder()
  const [before, after] = [configOf(0), configOf(52)]
  const update = computeConfigUpdate('mychannel', before.config, after.config)
  const files = {
    envelope: after.envelope,
    config: Config.encode(after.config),
    update: ConfigUpdate.encode(update),
  }
  const shown: Record<string, string> = {}
  for (const [name, bytes] of Object.entries(files)) {
    const path = join(folder.path, name)
    await writeFile(path, bytes)
    shown[name] = (await cli(['channel', 'inspect', path])).stdout
  }
  expect(shown.envelope).toMatch(/kind +Envelope\ntype +CONFIG\nchannel +mychannel\n/)
  expect(shown.config).toMatch(/kind +Config\nsequence +1\n/)
  expect(shown.update).toMatch(/kind +ConfigUpdate\nchannel +mychannel\nchange +value \/Channel\/Orderer\/BatchSize: version 0 → 1\n$/s)
  expect(ConfigUpdate.decode(await readFile(join(folder.path, 'update')))).toMatchObject({ channelId: 'mychannel' })
})

const ORG1 = join(GOLDEN, 'crypto/peerOrganizations/org1.example.com')
const IDENTITY = { CORE_PEER_LOCALMSPID: 'Org1MSP', CORE_PEER_MSPCONFIGPATH: join(ORG1, 'users/Admin@org1.example.com/msp') }

test('fetch brings blocks from an orderer, with TLS of one side and of both, and without', async () => {
  await using folder = await temporaryFolder()
  const tls = join(GOLDEN, 'crypto/ordererOrganizations/example.com/orderers/orderer.example.com/tls')
  const ways = [
    { way: 'none', flags: [] },
    { way: 'server', flags: ['--tls', '--cafile', TLS_CA] },
    {
      way: 'mutual',
      flags: ['--tls', '--cafile', TLS_CA, '--clientauth', '--certfile', join(tls, 'server.crt'), '--keyfile', join(tls, 'server.key')],
    },
  ] as const
  for (const [index, { way, flags }] of ways.entries()) {
    await using server = await startDeliverServer(way)
    const [which, number] = (
      [
        ['newest', 53],
        ['config', 52],
        ['7', 7],
      ] as const
    )[index] ?? ['oldest', 0]
    const args = ['channel', 'fetch', which, '-c', 'mychannel', '-o', server.address, ...flags]
    const { stdout, stderr } = await cli([...args, '--json'], { env: IDENTITY, cwd: folder.path })
    expect(stderr).toBe('')
    const file = join(await realpath(folder.path), `mychannel_${which}.block`)
    expect(JSON.parse(stdout)).toEqual({ number, file })
    expect(new Uint8Array(await readFile(file))).toEqual(goldenFile(`orderer-blocks/block_${number}.block`))
  }
})

test('fetch tells what is wrong: no such block, no identity, no CA, nobody there', async () => {
  await using server = await startDeliverServer('server')
  const fetch = async (args: readonly string[], env: Readonly<Record<string, string>> = IDENTITY): Promise<string> => {
    const outcome = await cli(['channel', 'fetch', ...args, '-c', 'mychannel'], { env })
    expect(outcome.stderr.trim().split('\n')).toHaveLength(1)
    return `${outcome.exitCode} ${outcome.stderr.trim()}`
  }
  const tls = ['-o', server.address, '--tls', '--cafile', TLS_CA]
  expect(await fetch(['54', ...tls])).toMatch(/^1 kumiko: 127\.0\.0\.1:\d+ has no block 54 of channel "mychannel" yet, or no such channel$/)
  expect(await fetch(['0', ...tls], {})).toMatch(/^1 kumiko: no identity to ask with: .*CORE_PEER_MSPCONFIGPATH/)
  expect(await fetch(['0', '-o', server.address, '--tls'])).toMatch(/^2 kumiko: TLS needs the CA of the service/)
  expect(await fetch(['0', '-o', server.address, '--tls', '--cafile', 'nowhere.pem'])).toMatch(
    /^1 kumiko: cannot read "nowhere.pem" \(ENOENT\)/,
  )
  expect(await fetch(['0', '-o', '127.0.0.1:1'])).toMatch(
    /^1 kumiko: 127\.0\.0\.1:1: nobody answers there \(ECONNREFUSED\): see that it runs/,
  )
  expect(await fetch(['0', '-o', '127.0.0.1:99999'])).toMatch(/^2 kumiko: bad address "127\.0\.0\.1:99999": want host:port/)
  expect(await fetch(['last', ...tls])).toMatch(/^2 kumiko: bad block "last": want newest, oldest, config or a number$/)
  expect(await fetch(['0'])).toMatch(/^2 kumiko: want either --orderer or --peerAddress/)
})

const BAD: readonly (readonly [string, readonly string[], 1 | 2, RegExp])[] = [
  ['a missing file', ['channel', 'inspect', 'nowhere.block'], 1, /cannot read "nowhere\.block" \(ENOENT\)/],
  ['a folder', ['channel', 'inspect', GOLDEN], 1, /cannot read ".*" \(EISDIR\)/],
  ['something else', ['channel', 'inspect', join(GOLDEN, 'network.json')], 1, /neither block, envelope, configuration nor update of one/],
  ['nothing', ['channel', 'inspect', '-'], 1, /it is empty/],
  ['an unknown type', ['channel', 'inspect', '-', '--type', 'common.Blok'], 2, /unknown --type "common\.Blok": want one of common\.Block,/],
  [
    'another type than it is',
    ['channel', 'inspect', join(GOLDEN, 'network.json'), '--type', 'common.Block'],
    1,
    /no common\.Block: .*; correct the file or --type/,
  ],
]

test.concurrent.each(BAD)('%s: one line and exit code', async (_, args, exitCode, line) => {
  const outcome = await cli(args)
  expect(outcome).toMatchObject({ exitCode, stdout: '' })
  expect(outcome.stderr.trim().split('\n')).toEqual([expect.stringMatching(line)])
})

test('fetch names no file after what is no channel’s name', async () => {
  const { stderr, exitCode } = await cli(['channel', 'fetch', 'newest', '-c', '../x', '-o', '127.0.0.1:1'])
  expect(exitCode).toBe(2)
  expect(stderr).toContain('"../x" names no file')
})
