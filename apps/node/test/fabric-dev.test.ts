import { execFile } from 'node:child_process'
import { symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { cli, type RunningCli, startCli, temporaryFolder } from './cli.ts'

const ASSET = `
import { Object as ContractObject, Property } from 'fabric-contract-api'

@ContractObject()
export class Asset {
  @Property()
  public ID: string = ''
  @Property()
  public Size: number = 0
}
`

/** As in fabric-samples: decorators, parameters that are no strings, and an import without extension. */
const contractOf = (greeting: string): string => `
import { Context, Contract, Info, Returns, Transaction } from 'fabric-contract-api'
import { Asset } from './asset'

@Info({ title: 'AssetTransfer', description: 'assets' })
export class AssetTransferContract extends Contract {
  @Transaction()
  public async CreateAsset(ctx: Context, id: string, size: number): Promise<void> {
    const asset: Asset = { ID: id, Size: size + 1 }
    await ctx.stub.putState(id, Buffer.from(JSON.stringify(asset)))
    ctx.stub.setEvent('created', Buffer.from(id))
  }

  @Transaction(false)
  @Returns('string')
  public async Greet(): Promise<string> {
    return '${greeting}'
  }

  @Transaction()
  public async Fail(): Promise<void> {
    this.check()
  }

  private check(): void {
    throw new Error('no such asset')
  }
}
`

/** In the contract, from 1. */
function lineOf(text: string): number {
  return (
    contractOf('')
      .split('\n')
      .findIndex((line) => line.includes(text)) + 1
  )
}

async function withPackages(folder: string): Promise<void> {
  await symlink(join(import.meta.dirname, '../../../node_modules'), join(folder, 'node_modules'))
}

async function project(folder: string): Promise<string> {
  await withPackages(folder)
  await writeFile(join(folder, 'asset.ts'), ASSET)
  const path = join(folder, 'assets.ts')
  await writeFile(path, contractOf('hello'))
  return path
}

/** Runs what the command told to paste into a client, and then something. */
async function client(folder: string, lines: readonly string[], then: string): Promise<string> {
  const path = join(folder, 'client.mjs')
  await writeFile(path, [...lines, then, 'gateway.close()', 'client.close()', ''].join('\n'))
  return (await promisify(execFile)(process.execPath, [path])).stdout.trim()
}

async function pasted(running: RunningCli): Promise<string[]> {
  const lines = [await running.line(/^import /)]
  while (!lines.at(-1)?.startsWith('const contract')) lines.push(await running.line(/^/))
  return lines
}

test('runs a contract with decorators for a client that was pasted, loads it again when it changes, and shows blocks', async () => {
  await using folder = await temporaryFolder()
  await using clients = await temporaryFolder()
  await withPackages(clients.path)
  const path = await project(folder.path)
  // Beside the contract: what the network writes is no change of it.
  const dev = startCli(['fabric', 'dev', '--port', '0', '--contract', `assets=${path}`, '--data-dir', join(folder.path, 'data')])
  const lines = await pasted(dev)
  const submit = "await contract.submitTransaction('CreateAsset', 'car', '41')"
  await client(clients.path, lines, submit)
  expect(await dev.line(/^block 3 {2}/)).toMatch(/1 transaction$/)
  expect(await dev.line(/CreateAsset/)).toMatch(
    /^ {2}VALID {2}assets CreateAsset\(car, 41\) {2}[\da-f]{12} {2}User1@org1.example.com {2}1 write {2}event created$/,
  )
  const greet = "console.log(Buffer.from(await contract.evaluateTransaction('Greet')).toString())"
  expect(await client(clients.path, lines, greet)).toBe('hello')
  expect(await client(clients.path, lines, "await contract.submitTransaction('Fail').catch(({ code }) => console.log(code))")).toBe('10')
  expect(await dev.line(/^failed/)).toMatch(/^failed 500 {2}assets Fail: no such asset {2}[\da-f]{12}$/)
  const frame = (name: string) => `  at AssetTransferContract.${name} (${path}:${lineOf(name === 'Fail' ? 'this.check()' : 'throw new')}:`
  for (const name of ['check', 'Fail']) expect(await dev.line(/^ {2}at /)).toContain(frame(name))
  await writeFile(path, contractOf('good evening'))
  await dev.line(/^reloaded assets in \d+ ms$/)
  expect(await client(clients.path, lines, greet)).toBe('good evening')
  await writeFile(path, 'export const good = 1\nexport class {')
  expect(await dev.line(/assets stays as it was: /)).toMatch(/assets\.ts:2:15: /)
  await writeFile(path, contractOf('x').replace(/import \{([^}]*)\bContext\b/, 'import {$1type Context'))
  expect(await dev.line(/can not process pure Object types/)).toContain('import { Context }')
  expect(await client(clients.path, lines, greet)).toBe('good evening')
  const { exitCode, stderr, stdout } = await dev.kill('SIGINT')
  expect([exitCode, stderr, stdout.trimEnd().split('\n').at(-1)]).toEqual([0, '', 'stopped'])
  expect(stdout.match(/^reloaded/gm)).toHaveLength(1)
  expect(stdout).not.toContain('\x1b')
})

test('--json tells machines the same', async () => {
  await using folder = await temporaryFolder()
  const path = await project(folder.path)
  const args = ['fabric', 'dev', '--json', '--port', '0', '--orgs', '2', '--contract', `assets=${path}`, '--contract', 'others=dial']
  const dev = startCli(args)
  const started = await dev.event('started')
  expect(started).toMatchObject({
    channel: 'mychannel',
    peers: [
      {
        name: 'peer0.org1.example.com',
        mspId: 'Org1MSP',
        address: expect.stringMatching(/^localhost:\d+$/),
        chaincodeAddress: expect.any(String),
      },
      { name: 'peer0.org2.example.com', mspId: 'Org2MSP' },
    ],
    contracts: [
      { name: 'assets', kind: 'file', path },
      { name: 'others', kind: 'dial' },
    ],
  })
  const { exitCode, stdout } = await dev.kill('SIGTERM')
  expect([exitCode, JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')]).toEqual([0, { event: 'stopped', time: expect.any(String) }])
})

test.each([
  [['--contract', 'assets'], 2, '--contract assets: want name=value'],
  [['--policy', "assets=OR('Org1MSP.peer')"], 2, 'assets is no contract'],
  [['--contract', 'assets=./nowhere.ts'], 1, 'there is no such file or folder'],
  [['--data-dir', '/proc/kumiko'], 1, 'data folder "/proc/kumiko" cannot be made or read'],
  [['--data-dir', import.meta.dirname], 1, "has files that are not a development network's"],
  [['--orgs', '0'], 2, 'Want a whole number from 1 to 20'],
  [['--contract', 'a=dial', '--policy', "a=OR('Org1MSP.peer'"], 1, "policy lacks ')'"],
  [['--contract', 'a=dial', '--collections', 'a=/dev/null'], 2, '--collections /dev/null'],
])('%j is refused with a line that says why', async (flags, exitCode, words) => {
  const outcome = await cli(['fabric', 'dev', '--port', '0', ...flags])
  expect(outcome).toMatchObject({ exitCode, stdout: '', stderr: expect.stringContaining(words) })
  expect(outcome.stderr.trimEnd().split('\n')).toHaveLength(1)
})
