import { execFile } from 'node:child_process'
import { cp, mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Channel, collectionPolicies } from '@kumiko/fabric-committer'
import { Ledger } from '@kumiko/fabric-ledger'
import { readBlock } from '@kumiko/fabric-protocol'
import { GOLDEN, goldenBlocks, goldenFile, goldenJson } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { expect, test } from 'vitest'
import { loadCoreConfig } from '../src/fabric/core-file.ts'
import { verifyLedger } from '../src/fabric/verify.ts'
import { cli, startCli, temporaryFolder } from './cli.ts'

const BLOCKS = join(GOLDEN, 'orderer-blocks')
const PRIVATE = join(GOLDEN, 'private-data.json')
const GENESIS = join(GOLDEN, 'mychannel.block')
const LAST = goldenBlocks().at(-1)

interface Version {
  readonly block: number
  readonly tx: number
}
interface Expected {
  readonly channelInfo: Readonly<Record<string, unknown>>
  readonly state: Readonly<Record<string, readonly { readonly key: string; readonly value: string; readonly version: Version }[]>>
  readonly privateStateHashes: Readonly<
    Record<string, readonly { readonly keyHex: string; readonly value: string; readonly version: Version }[]>
  >
}
const expected = goldenJson('expected.json') as Expected

function linesOf(stdout: string): Record<string, unknown>[] {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

/** Runs what must succeed. */
async function right(...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await cli(args)
  expect([stderr, exitCode]).toEqual(['', 0])
  return stdout
}

/** Runs what must fail. @returns The exit code and its one line. */
async function wrong(...args: readonly string[]): Promise<string> {
  const { exitCode, stderr } = await cli(args)
  expect(stderr.trim().split('\n')).toHaveLength(1)
  return `${exitCode} ${stderr.trim()}`
}

test.each([
  ['leveldb', '0'],
  ['leveldb', '2'],
  ['memory', '1'],
])('replay comes to what the real peer came to: state in %s, %s workers', async (database, workers) => {
  const flags = ['--blocks', BLOCKS, '--private', PRIVATE, '--state', '--state-database', database, '--workers', workers, '--json']
  const lines = linesOf(await right('ledger', 'replay', ...flags))
  const blocks = goldenBlocks().map(({ number, headerHash, commitHash, txFilter }) => {
    return { number, headerHash, commitHash, codes: [...Buffer.from(txFilter, 'hex')] }
  })
  expect(lines.slice(0, blocks.length)).toEqual(blocks)
  const state = new Map(lines.slice(blocks.length).map(({ namespace, key, value, version }) => [`${namespace} ${key}`, { value, version }]))
  for (const [namespace, entries] of Object.entries(expected.state))
    for (const { key, value, version } of entries) expect(state.get(`${namespace} ${key}`)).toEqual({ value, version })
  for (const [namespace, entries] of Object.entries(expected.privateStateHashes))
    for (const { keyHex, value, version } of entries) expect(state.get(`${namespace} ${keyHex}`)).toEqual({ value, version })
  const count = [...Object.values(expected.state), ...Object.values(expected.privateStateHashes)].flat().length
  expect([...state.keys()].filter((key) => !key.includes('$$p'))).toHaveLength(count)
})

test('who stops reading a replay ends it, and its temporary ledger is gone', async () => {
  await using folder = await temporaryFolder()
  const command = `"${process.execPath}" --conditions=@kumiko/source src/main.ts ledger replay --blocks "${BLOCKS}" --json | head -n 1`
  const options = { cwd: join(import.meta.dirname, '..'), env: { ...process.env, TMPDIR: folder.path } }
  const { stdout, stderr } = await promisify(execFile)('/bin/sh', ['-c', command], options)
  expect([stdout.split('\n').length, stderr]).toEqual([2, ''])
  expect(await readdir(folder.path)).toEqual([])
})

test('a channel is joined, imported, shown, verified, rolled back, imported again, and has the snapshot of the real peer', async () => {
  await using folder = await temporaryFolder()
  const at = ['--data-dir', folder.path]
  const channel = ['-c', 'mychannel', ...at]
  expect(await right('channel', 'list', ...at)).toBe('no channels\n')
  expect(await right('channel', 'join', '-b', GENESIS, ...at)).toBe('joined mychannel at height 1\n')
  const [imported] = linesOf(await right('ledger', 'import', '--blocks', BLOCKS, '--private', PRIVATE, '--json', ...channel))
  expect(imported).toEqual({ channel: 'mychannel', imported: 53, transactions: 69, height: 54, commitHash: LAST?.commitHash })
  expect(JSON.parse(await right('channel', 'getinfo', ...channel))).toEqual(expected.channelInfo)
  expect(await right('channel', 'list', ...at)).toBe('mychannel  54 blocks\n')
  expect(await right('ledger', 'import', '--blocks', BLOCKS, ...channel)).toMatch(/^mychannel: 0 blocks imported, .*; height 54\n$/)
  expect(linesOf(await right('ledger', 'verify', '--json', ...channel))).toEqual([
    { channel: 'mychannel', height: 54, from: 1, stateKeys: 40 },
  ])

  const { snapshotHash } = linesOf(await right('ledger', 'snapshot', '--to', join(folder.path, 'taken'), '--json', ...channel))[0] ?? {}
  expect(snapshotHash).toBe((goldenJson('snapshot/_snapshot_additional_metadata.json') as Record<string, string>).snapshot_hash)

  await right('ledger', 'rollback', '-b', '20', ...channel)
  expect(JSON.parse(await right('channel', 'getinfo', ...channel))).toMatchObject({ height: 21 })
  await right('ledger', 'snapshot', 'submitrequest', '-b', '53', ...channel)
  await right('ledger', 'snapshot', 'submitrequest', '-b', '30', ...channel)
  expect(await right('ledger', 'snapshot', 'listpending', ...channel)).toBe('Successfully got pending snapshot requests: [30 53]\n')
  await right('ledger', 'import', '--blocks', BLOCKS, '--private', PRIVATE, ...channel)
  expect(await right('ledger', 'snapshot', 'listpending', ...channel)).toBe('Successfully got pending snapshot requests: []\n')
  expect((await readdir(join(folder.path, 'snapshots/completed/mychannel'))).sort()).toEqual(['30', '53'])
  for (const name of await readdir(join(GOLDEN, 'snapshot')))
    expect(await readFile(join(folder.path, 'snapshots/completed/mychannel/53', name))).toEqual(Buffer.from(goldenFile(`snapshot/${name}`)))

  await right('ledger', 'rebuild', ...channel)
  expect(JSON.parse(await right('channel', 'getinfo', ...channel))).toEqual(expected.channelInfo)
  await right('ledger', 'reset', ...at)
  expect(JSON.parse(await right('channel', 'getinfo', ...channel))).toMatchObject({ height: 1 })
})

test("a channel is joined by the real peer's snapshot, and its folder is where core.yaml says", async () => {
  await using folder = await temporaryFolder()
  await writeFile(join(folder.path, 'core.yaml'), 'peer: { fileSystemPath: production, gossip: { bootstrap: x } }\n')
  const env = { FABRIC_CFG_PATH: folder.path }
  const joined = await cli(['channel', 'join', '--snapshotpath', join(GOLDEN, 'snapshot')], { env })
  expect(joined).toEqual({ exitCode: 0, stdout: 'joined mychannel at height 54\n', stderr: '' })
  expect(await readdir(join(folder.path, 'production/ledgers'))).toContain('mychannel')
  const { stdout, stderr } = await cli(['channel', 'getinfo', '-c', 'mychannel', '--verbose'], { env })
  expect(JSON.parse(stdout)).toEqual({ ...expected.channelInfo, bootstrappingSnapshotInfo: { lastBlockInSnapshot: 53 } })
  expect(stderr).toMatch(/core\.yaml: not used by kumiko: peer\.gossip\.bootstrap\n$/)
  const verified = await cli(['ledger', 'verify', '-c', 'mychannel'], { env })
  expect(verified).toMatchObject({
    exitCode: 0,
    stdout: 'mychannel is right: the hashes of its 0 blocks; it began with a snapshot, so its state cannot be done again\n',
  })
  const rolled = await cli(['ledger', 'rollback', '-c', 'mychannel', '-b', '20'], { env })
  expect(rolled).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/^kumiko: channel "mychannel" cannot go back to block 20: it began with a snapshot after block 53/),
  })
})

/** The blocks, where one is a pipe: who opens it to write knows that an import has come there. */
async function blocksWithPipe(folder: string, number: number): Promise<{ readonly path: string; readonly pipe: string }> {
  const path = join(folder, 'blocks')
  await cp(BLOCKS, path, { recursive: true })
  const pipe = join(path, `block_${number}.block`)
  await rm(pipe)
  await promisify(execFile)('mkfifo', [pipe])
  return { path, pipe }
}

test.skipIf(process.platform === 'win32')(
  'an import is killed, another stopped by ctrl-C, and goes on; meanwhile nobody else has the ledgers',
  async () => {
    await using folder = await temporaryFolder()
    const channel = ['-c', 'mychannel', '--data-dir', join(folder.path, 'data')]
    await right('channel', 'join', '-b', GENESIS, ...channel.slice(2))
    const { path, pipe } = await blocksWithPipe(folder.path, 30)

    const killed = startCli(['ledger', 'import', '--blocks', path, ...channel])
    await using first = await open(pipe, 'w')
    expect(await wrong('channel', 'getinfo', ...channel)).toMatch(
      /^1 kumiko: ".*ledgers" is in use by another process: stop that one, or choose another folder/,
    )
    expect(await killed.kill('SIGKILL')).toMatchObject({ exitCode: null })
    await first.close()
    const { height } = JSON.parse(await right('channel', 'getinfo', ...channel)) as { height: number }
    expect([29, 30]).toContain(height)

    const stopped = startCli(['ledger', 'import', '--blocks', path, ...channel])
    const second = await open(pipe, 'w')
    process.kill(stopped.pid, 'SIGINT')
    await second.writeFile(goldenFile('orderer-blocks/block_30.block'))
    await second.close()
    const { exitCode, stderr } = await stopped.ended
    expect([exitCode, stderr]).toEqual([3, expect.stringMatching(/^kumiko: stopped after block 29; run it again to go on\n$/)])

    const [report] = linesOf(await right('ledger', 'import', '--blocks', BLOCKS, '--json', ...channel))
    expect(report).toMatchObject({ imported: 24, height: 54, commitHash: LAST?.commitHash })
    await right('ledger', 'verify', ...channel)
  },
  60_000,
)

test('what is wrong with blocks is told in one line, and what was before it is kept', async () => {
  await using folder = await temporaryFolder()
  const blocks = join(folder.path, 'blocks')
  const replay = async (change: (path: (number: number) => string) => Promise<void>): Promise<string> => {
    await rm(blocks, { recursive: true, force: true })
    await mkdir(blocks)
    for (let number = 0; number < 8; number++) await cp(join(BLOCKS, `block_${number}.block`), join(blocks, `block_${number}.block`))
    await change((number) => join(blocks, `block_${number}.block`))
    return await wrong('ledger', 'replay', '--blocks', blocks, '--json')
  }
  expect(await replay((path) => rm(path(5)))).toMatch(
    /^1 kumiko: block 5 is missing: there is no block_5\.block in ".*", where the last is 7/,
  )
  expect(await replay((path) => rm(path(0)))).toMatch(/^1 kumiko: block 0 is missing/)
  expect(await replay((path) => cp(path(6), path(5)))).toMatch(/^1 kumiko: .*block_5\.block: it holds block 6, not 5/)
  expect(await replay(async (path) => await writeFile(path(5), (await readFile(path(5))).subarray(0, 100)))).toMatch(
    /^1 kumiko: .*block_5\.block: no whole block: /,
  )
  const flipped = await replay(async (path) => {
    const bytes = await readFile(path(5))
    const at = bytes.length - 1000
    bytes[at] = (bytes[at] ?? 0) ^ 1
    await writeFile(path(5), bytes)
  })
  expect(flipped).toMatch(/^1 kumiko: (block 5 is refused: .*; the 5 blocks before it are kept|.*block_5\.block: no whole block)/)
  expect(await replay((path) => writeFile(path(0), goldenFile('orderer-blocks/block_8.block')))).toMatch(
    /^1 kumiko: .*block_0\.block: it holds block 8/,
  )
  await rm(blocks, { recursive: true })
  await mkdir(blocks)
  expect(await wrong('ledger', 'replay', '--blocks', blocks)).toMatch(/^1 kumiko: no block in ".*": want files block_0\.block/)
  expect(await wrong('ledger', 'replay', '--blocks', join(blocks, 'x'))).toMatch(/^1 kumiko: cannot read folder ".*" \(ENOENT\)/)
  expect(await wrong('ledger', 'replay', '--blocks', BLOCKS, '--data-dir', folder.path)).toMatch(
    /^1 kumiko: folder ".*" is not empty: a replay begins/,
  )
  expect(await wrong('ledger', 'replay', '--blocks', BLOCKS, '--data-dir', join(BLOCKS, 'block_0.block'))).toMatch(
    /^1 kumiko: cannot use folder ".*" \(ENOTDIR\): choose another/,
  )
})

/** Stands for a folder of the test's own. */
const DATA = '<data>'

const BAD: readonly (readonly [string, readonly string[], 1 | 2, RegExp])[] = [
  ['no blocks named', ['ledger', 'replay'], 2, /required option '--blocks <folder>' not specified; see kumiko ledger replay --help/],
  ['a bad state database', ['ledger', 'replay', '--blocks', BLOCKS, '--state-database', 'x'], 2, /Allowed choices are memory, leveldb/],
  [
    'a private file that is none',
    ['ledger', 'replay', '--blocks', BLOCKS, '--private', join(GOLDEN, 'network.json')],
    1,
    /network\.json: blocks: .*; want \{"blocks"/,
  ],
  [
    'an unknown channel',
    ['ledger', 'import', '--blocks', BLOCKS, '-c', 'nope', '--data-dir', DATA],
    1,
    /no channel "nope" here \(there is none yet\): join it/,
  ],
  [
    'no genesis block',
    ['channel', 'join', '-b', join(BLOCKS, 'block_3.block'), '--data-dir', DATA],
    1,
    /block 0 does not begin a channel \(it is block 3\)/,
  ],
  ['nothing to join', ['channel', 'join'], 2, /want either --blockpath or --snapshotpath/],
  ['no snapshot', ['channel', 'join', '--snapshotpath', BLOCKS, '--data-dir', DATA], 1, /no snapshot in/],
  ['no channel to take a snapshot of', ['ledger', 'snapshot'], 2, /required option '-c, --channelID <name>' not specified/],
  ['a bad block number', ['ledger', 'rollback', '-c', 'x', '-b', '-1'], 2, /Want a whole number from 0 to/],
]

test.each(BAD)('%s: one line and exit code', async (_, args, exitCode, line) => {
  await using folder = await temporaryFolder()
  const outcome = await cli(args.map((arg) => (arg === DATA ? folder.path : arg)))
  expect(outcome).toMatchObject({ exitCode, stdout: '' })
  expect(outcome.stderr.trim().split('\n')).toEqual([expect.stringMatching(line)])
})

test('a private write set of no transaction is told of', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'private.json')
  await writeFile(file, JSON.stringify({ blocks: { 2: { 99: '' } } }))
  const outcome = await cli(['ledger', 'replay', '--blocks', BLOCKS, '--private', file, '--json'])
  expect(outcome.exitCode).toBe(1)
  expect(outcome.stderr).toContain('a write set for transaction 99 of block 2, which has 1: correct blocks.2.99')
})

test('a verification that was stopped goes on, and a ledger that is wrong is told of', async () => {
  await using folder = await temporaryFolder()
  const { config: core } = await loadCoreConfig({ env: {}, dataDir: folder.path })
  const policies = collectionPolicies({ channelId: 'mychannel' })
  const blockOf = (number: number) => {
    const block = readBlock(goldenFile(`orderer-blocks/block_${number}.block`))
    if (isFault(block)) throw new Error(block.detail)
    return block
  }
  const ledger = await Ledger.create({ folder: join(folder.path, 'ledger'), channelId: 'mychannel', genesis: blockOf(0), policies })
  const channel = await Channel.open({ ledger })
  for (let number = 1; number < 40; number++) await channel.store(blockOf(number))
  await channel.close()

  const stop = new AbortController()
  const options = { ledger, core, workers: 0 }
  const stopped = verifyLedger({ ...options, signal: stop.signal, onBlock: ({ number }) => number === 20n && stop.abort() })
  await expect(stopped).rejects.toThrow(/^stopped after block 2\d; run it again to go on$/)
  const seen: bigint[] = []
  const report = await verifyLedger({ ...options, signal: new AbortController().signal, onBlock: ({ number }) => seen.push(number) })
  expect(report).toMatchObject({ height: 40, from: Number(seen[0]) })
  expect([seen[0] ?? 0n, seen.at(-1)]).toEqual([expect.toSatisfy((first: bigint) => first > 20n), 39n])
  expect(await readdir(join(folder.path, 'verify'))).toEqual([])

  // As if a peer had judged a block otherwise than it should.
  const other = await Ledger.create({ folder: join(folder.path, 'other'), channelId: 'mychannel', genesis: blockOf(0), policies })
  for (let number = 1; number < 12; number++) {
    const block = blockOf(number)
    const codes = new Uint8Array(block.data.length).fill(number === 8 ? 255 : 0)
    await other.commit({ block: { ...block, metadata: [block.metadata[0]!, new Uint8Array(), codes] } })
  }
  const lie = verifyLedger({ ...options, ledger: other, signal: new AbortController().signal, onBlock: () => {} })
  await expect(lie).rejects.toThrow(
    /^block 8 of the ledger is wrong: its validation codes are 1 INVALID_OTHER_REASON, where 1 VALID is right/,
  )
  await other.close()
  await ledger.close()
})
