import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { virtualClock } from '@kumiko/testkit'
import { expect, it } from 'vitest'
import { devnet } from '../src/devnet.ts'
import type { ContractFailure } from '../src/observation.ts'
import { AssetContract } from './asset-contract.ts'

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

it('goes on in its folder, and takes what changed of its contracts', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kumiko-devnet-test-'))
  try {
    let height = 0n
    {
      await using net = await devnet({ folder, contracts: { assets: AssetContract } })
      const assets = await net.contract('assets')
      await assets.submitTransaction('create', 'car', 'alice')
      height = net.blocks.height
    }
    {
      await using net = await devnet({ folder, contracts: { assets: AssetContract } })
      expect(net.blocks.height).toBe(height)
      expect(text(await (await net.contract('assets')).evaluateTransaction('read', 'car'))).toBe('alice')
    }
    await using net = await devnet({ folder, contracts: { assets: { contract: AssetContract, version: '2.0' } } })
    expect(net.blocks.height).toBeGreaterThan(height)
    expect(text(await (await net.contract('assets')).evaluateTransaction('read', 'car'))).toBe('alice')
    await net.stop()
    await expect(devnet({ folder, orgs: 2 })).rejects.toThrow(`mychannel in ${folder} was made for Org1MSP, not Org1MSP, Org2MSP`)
    expect((await readdir(folder)).toSorted()).toEqual(['config', 'env', 'nodes', 'organizations', 'wallets'])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

it('takes no folder with files of others, and none that another network has', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kumiko-devnet-test-'))
  try {
    await writeFile(join(folder, 'mine.txt'), '')
    await expect(devnet({ folder })).rejects.toMatchObject({ code: 'fabric-peer/bad-folder', message: expect.stringContaining('mine.txt') })
    expect(await readdir(folder)).toEqual(['mine.txt'])
    await using _ = await devnet({ folder: join(folder, 'net') })
    await expect(devnet({ folder: join(folder, 'net') })).rejects.toMatchObject({
      code: 'fabric-ledger/in-use',
      message: expect.stringMatching(/^".*net.*" is in use by another process: stop that one, or choose another folder$/),
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

it('forks from its folder into memory, and from a fork again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kumiko-devnet-test-'))
  try {
    await using net = await devnet({ folder, contracts: { assets: AssetContract } })
    await (await net.contract('assets')).submitTransaction('create', 'car', 'alice')
    await using fork = await net.fork()
    await (await fork.contract('assets')).submitTransaction('transfer', 'car', 'bob')
    await using again = await fork.fork()
    const assets = await again.contract('assets')
    expect(text(await assets.submitTransaction('transfer', 'car', 'carol'))).toBe('bob')
    expect([net, fork, again].map(({ blocks }) => blocks.height - net.blocks.height)).toEqual([0n, 1n, 2n])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

it('tells what a contract fails of', async () => {
  const failures: ContractFailure[] = []
  await using net = await devnet({ contracts: { assets: AssetContract }, onFailure: (failure) => failures.push(failure) })
  const assets = await net.contract('assets')
  await expect(assets.evaluateTransaction('transfer', 'none', 'bob')).rejects.toThrow()
  expect(failures).toEqual([
    {
      contract: 'assets',
      channelId: 'mychannel',
      txId: expect.stringMatching(/^[0-9a-f]{64}$/),
      function: 'transfer',
      status: 500,
      message: expect.any(String),
      error: expect.objectContaining({ message: failures[0]?.message, stack: expect.stringContaining('asset-contract.ts') }),
    },
  ])
})

it('stands still with its clock, and cuts a block for each transaction', async () => {
  const clock = virtualClock(Date.now())
  await using net = await devnet({ clock, contracts: { assets: AssetContract } })
  const assets = await net.contract('assets')
  await assets.submitTransaction('create', 'car', 'alice')
  const { height } = net.blocks
  await assets.submitTransaction('transfer', 'car', 'bob')
  expect(net.blocks.height).toBe(height + 1n)
  net.faults.delayBlocks(30_000)
  const submitted = await assets.submitAsync('transfer', { arguments: ['car', 'carol'] })
  expect(net.blocks.height).toBe(height + 1n)
  const status = submitted.getStatus()
  const later = async (): Promise<bigint> => {
    await clock.advance(30_000)
    return net.blocks.height
  }
  await expect.poll(later).toBe(height + 2n)
  expect((await status).successful).toBe(true)
})

it('has the same keys for the same seed', async () => {
  const options = { seed: 'always', users: ['alice'] }
  await using one = await devnet(options)
  await using other = await devnet(options)
  const [a, b] = [await one.gateway('Org1', 'alice'), await other.gateway('Org1', 'alice')]
  expect(a.privateKey).toBe(b.privateKey)
  expect(a.identity).toEqual(b.identity)
})

it('has organisations, channel and policies as it is told', async () => {
  await using net = await devnet({
    channelId: 'trade',
    orgs: [{ name: 'Acme' }, { name: 'Bank', domain: 'bank.test', peers: 2, users: [] }],
    contracts: { assets: { contract: AssetContract, policy: "OR('BankMSP.peer')" } },
  })
  expect(net.peers).toEqual(['peer0.acme.example.com', 'peer0.bank.test', 'peer1.bank.test'])
  const assets = await net.contract('assets', { org: 'Acme' })
  await assets.submitTransaction('create', 'car', 'alice')
  const block = await net.blocks.get(net.blocks.height - 1n)
  expect(block?.transactions[0]?.call?.endorsers).toEqual(['BankMSP'])
  await expect(net.connect('Nobody')).rejects.toMatchObject({ code: 'fabric-devnet/no-organization' })
})

it('endorses private data only where as many peers have it as its collection requires', async () => {
  const collections = [{ name: 'secrets', policy: "OR('Org1MSP.member')", requiredPeerCount: 1 }]
  await using net = await devnet({ peersPerOrg: 2, contracts: { assets: { contract: AssetContract, collections } } })
  const assets = await net.contract('assets')
  const hide = { arguments: ['car'], transientData: { secret: 'hidden' } }
  await assets.submit('hide', hide)
  await net.faults.kill('peer1.org1.example.com')
  await expect(assets.submit('hide', hide)).rejects.toMatchObject({
    details: [{ message: expect.stringContaining('required to disseminate to at least 1 peers, but know of only 0 eligible peers') }],
  })
  await net.faults.revive('peer1.org1.example.com')
  await net.faults.kill('peer0.org1.example.com')
  const atOther = await net.contract('assets', { user: 'other' })
  expect(text(await atOther.evaluate('reveal', { arguments: ['car'] }))).toBe('hidden')
})

it('says what is wrong with a contract, and leaves nothing', async () => {
  const before = await readdir(tmpdir())
  const bad = { contract: AssetContract, policy: "OR('Nobody.member'" }
  await expect(devnet({ contracts: { assets: bad } })).rejects.toMatchObject({ code: 'fabric-msp/bad-policy-text' })
  await expect(devnet({ contracts: { 'a b': AssetContract } })).rejects.toMatchObject({ code: 'fabric-devnet/refused' })
  await expect(devnet({ channelId: 'No' })).rejects.toMatchObject({ code: 'fabric-msp/bad-profile' })
  const left = (await readdir(tmpdir())).filter((name) => name.startsWith('kumiko-') && !before.includes(name))
  expect(left.filter((name) => name.startsWith('kumiko-devnet-') && !name.startsWith('kumiko-devnet-test-'))).toEqual([])
})

it.each(['await net.stop()', 'process.exit()'])('leaves nothing, and lets its process end: %s', async (end) => {
  const script = `
    const { devnet } = await import(process.argv[1])
    const { AssetContract } = await import(process.argv[2])
    const net = await devnet({ orgs: 2, contracts: { assets: AssetContract } })
    await (await net.contract('assets')).submitTransaction('create', 'car', 'alice')
    console.log(net.folder)
    ${end}`
  const paths = ['../src/devnet.ts', './asset-contract.ts'].map((path) => join(import.meta.dirname, path))
  const args = ['--conditions=@kumiko/source', '--input-type=module', '--eval', script, ...paths]
  const folder = execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 120_000 }).trim()
  expect(folder).toContain('kumiko-devnet-')
  await expect(readdir(folder)).rejects.toMatchObject({ code: 'ENOENT' })
})
