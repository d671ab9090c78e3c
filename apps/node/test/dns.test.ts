import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeRlp, nodeFromEnr, nodeFromParts, signEnr } from '@kumiko/identity'
import type { NodeRecord } from '@kumiko/interface'
import { type DnsServer, dnsServer } from '@kumiko/testkit'
import { expect, test } from 'vitest'
import { NodeSet } from '../src/node-set.ts'
import { cli, startCli, temporaryFolder } from './cli.ts'

const KEY = '07'.repeat(32)

function nodeOf(index: number, entries: Readonly<Record<string, unknown>> = {}): NodeRecord {
  const key = new Uint8Array(32).fill(1)
  key[31] = index
  const all = { ip: Uint8Array.of(127, 1, 0, index), tcp: 30303, udp: 30303, ...entries } as Record<string, Uint8Array | number>
  return nodeFromEnr(signEnr(key, 1n, Object.fromEntries(Object.entries(all).map(([name, value]) => [name, encodeRlp(value)]))))
}

async function nodeSet(path: string, nodes: readonly NodeRecord[]): Promise<string> {
  const set = await NodeSet.open(path)
  for (const node of nodes) set.put({ node, score: 1 })
  await set.save()
  return path
}

async function readJson(...path: readonly string[]): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(...path), 'utf8')) as Record<string, unknown>
}

/** Signs nodes for `nodes.test`. @returns The URL, and the zone to publish. */
async function sign(folder: string, ...args: readonly string[]): Promise<{ readonly url: string; readonly zone: Map<string, string> }> {
  const { stdout, stderr, exitCode } = await cli(['dns', 'sign', folder, '--key', KEY, '--domain', 'nodes.test', '--json', ...args])
  expect([exitCode, stderr]).toEqual([0, ''])
  const { url, zone } = JSON.parse(stdout) as { readonly url: string; readonly zone: string }
  return { url, zone: new Map(Object.entries(await readJson(zone)) as [string, string][]) }
}

async function idsIn(...path: readonly string[]): Promise<string[]> {
  return Object.keys(await readJson(...path))
}

/** As often as each name was asked for. */
function counts({ queries }: DnsServer): Map<string, number> {
  const found = new Map<string, number>()
  for (const { name } of queries) found.set(name, (found.get(name) ?? 0) + 1)
  return found
}

test('what is signed and published is what another reads, also after it changed', async () => {
  await using folder = await temporaryFolder()
  const [made, read] = [join(folder.path, 'made'), join(folder.path, 'read')]
  const nodes = Array.from({ length: 30 }, (_, i) => nodeOf(i + 1))
  const set = await NodeSet.open(await nodeSet(join(made, 'nodes.json'), nodes))
  const other = (await sign(made, '--out', join(folder.path, 'other'))).url
  const { url, zone } = await sign(made, '--links', other, '--zone')
  await using server = await dnsServer(zone)
  const sync = async (): Promise<Record<string, unknown>> => {
    const { stdout, stderr, exitCode } = await cli(['dns', 'sync', url, read, '--dns-server', server.address, '--rate', '500', '--json'])
    expect([exitCode, stderr]).toEqual([0, ''])
    return JSON.parse(stdout) as Record<string, unknown>
  }
  expect(await sync()).toMatchObject({ seq: '1', nodes: 30, links: [other], entries: zone.size - 1, lookups: zone.size })
  expect(await idsIn(read, 'nodes.json')).toEqual(await idsIn(made, 'nodes.json'))
  expect(await readJson(read, 'tree.json')).toEqual({ url, seq: '1', links: [other] })
  expect(await readJson(read, 'zone.json')).toEqual(Object.fromEntries(zone))
  expect((await readdir(read)).sort()).toEqual(['nodes.json', 'tree.json', 'zone.json'])
  const master = await readFile(join(made, 'nodes.test.zone'), 'utf8')
  expect(master.split('\n').filter((line) => line.includes(' IN TXT '))).toHaveLength(zone.size)

  const [gone] = nodes
  set.delete(gone?.nodeId ?? '')
  set.put({ node: nodeOf(99), score: 0 })
  await set.save()
  server.publish((await sign(made)).zone)
  const firstSeen = (await readJson(read, 'nodes.json'))[nodes[1]?.nodeId ?? '']
  const changed = await sync()
  expect(changed).toMatchObject({ seq: '2', nodes: 30 })
  expect(changed.lookups).toBeLessThan(10)
  expect(await idsIn(read, 'nodes.json')).toEqual(await idsIn(made, 'nodes.json'))
  const { lastSeen: _, ...rest } = firstSeen as Record<string, unknown>
  expect((await readJson(read, 'nodes.json'))[nodes[1]?.nodeId ?? '']).toMatchObject(rest)

  server.publish((await sign(made, '--out', join(folder.path, 'older'))).zone)
  const older = await cli(['dns', 'sync', url, read, '--dns-server', server.address, '--rate', '500'])
  expect(older).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('(dns-discovery/old-root): 1 after 2') })
  expect(await readJson(read, 'tree.json')).toMatchObject({ seq: '2' })
})

test.each(['SIGINT', 'SIGKILL'] as const)(
  'what was read before %s is not asked for again',
  async (signal) => {
    await using folder = await temporaryFolder()
    await nodeSet(
      join(folder.path, 'nodes.json'),
      Array.from({ length: 100 }, (_, i) => nodeOf(i + 1)),
    )
    const { url, zone } = await sign(folder.path)
    await using server = await dnsServer(zone)
    const read = join(folder.path, 'read')
    const args = ['dns', 'sync', url, read, '--dns-server', server.address, '--rate']
    const first = startCli([...args, '15'])
    await expect.poll(() => server.queries.length, { interval: 20 }).toBeGreaterThan(50)
    const { exitCode, stderr } = await first.kill(signal)
    if (signal === 'SIGINT') {
      expect([exitCode, stderr]).toEqual([
        1,
        expect.stringMatching(/^kumiko: stopped with \d+ entries read, which are kept: run it again to go on\n$/),
      ])
    }
    expect((await readdir(read)).filter((name) => !name.endsWith('.tmp')).sort()).toEqual(['partial.json', 'tree.json'])

    expect(await cli([...args, '500'])).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^nodes +100$/m), stderr: '' })
    expect(await idsIn(read, 'nodes.json')).toEqual(await idsIn(folder.path, 'nodes.json'))
    expect((await readdir(read)).filter((name) => !name.endsWith('.tmp')).sort()).toEqual(['nodes.json', 'tree.json', 'zone.json'])
    const again = [...counts(server)].filter(([name, count]) => name !== 'nodes.test' && count > 1)
    // Ctrl-C: but for the lookup under way. kill -9: but for those of the last two seconds.
    expect(again.length).toBeLessThanOrEqual(signal === 'SIGINT' ? 1 : 40)
  },
  60_000,
)

test('a server that fails, a name that does not exist and a tampered entry are told of, and what was read is kept', async () => {
  await using folder = await temporaryFolder()
  await nodeSet(
    join(folder.path, 'nodes.json'),
    Array.from({ length: 20 }, (_, i) => nodeOf(i + 1)),
  )
  const { url, zone } = await sign(folder.path)
  await using server = await dnsServer(zone)
  const [name = '', text = ''] = [...zone].find(([, each]) => each.startsWith('enr:')) ?? []
  const sync = () => cli(['dns', 'sync', url, join(folder.path, 'read'), '--dns-server', server.address, '--rate', '500'])
  server.answers.set(name.toLowerCase(), [`${text}A`])
  expect(await sync()).toMatchObject({ exitCode: 1, stdout: '', stderr: expect.stringContaining(`(dns-discovery/hash-mismatch): ${name}`) })
  server.answers.delete(name.toLowerCase())
  expect(await sync()).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/^kumiko: cannot read the tree \(dns-discovery\/no-entry\).*are kept.*\n$/),
  })
  server.answers.set(name.toLowerCase(), 'servfail')
  setTimeout(() => server.publish(zone), 1500)
  expect(await sync()).toMatchObject({ exitCode: 0, stderr: '' })
  server.answers.clear()
  expect(await sync()).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('(dns-discovery/no-root): nodes.test') })
})

test('a tree that cannot be reached says what to see to', async () => {
  await using folder = await temporaryFolder()
  const url = 'enrtree://AKA3AM6LPBYEUDMVNU3BSVQJ5AD45Y7YPOHJLEF6W26QOE4VTUDPE@nodes.test'
  const { exitCode, stderr } = await cli(['dns', 'sync', url, join(folder.path, 'read'), '--dns-server', '127.0.0.1:9', '--rate', '500'])
  expect(exitCode).toBe(1)
  expect(stderr).toMatch(
    /^kumiko: cannot read the tree \(dns-discovery\/lookup-failed\): .*; see that the domain is right and DNS can be reached, or name a server with --dns-server\n$/,
  )
})

test('folders with something else in them are left as they are', async () => {
  await using folder = await temporaryFolder()
  const url = 'enrtree://AKA3AM6LPBYEUDMVNU3BSVQJ5AD45Y7YPOHJLEF6W26QOE4VTUDPE@nodes.test'
  const path = join(folder.path, 'nodes.json')
  await nodeSet(path, [nodeOf(1)])
  const before = await readFile(path, 'utf8')
  const sync = () => cli(['dns', 'sync', url, folder.path, '--dns-server', '127.0.0.1:1'])
  expect(await sync()).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('holds nodes of another source') })
  await sign(folder.path)
  expect(await sync()).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('holds the tree enrtree://') })
  await writeFile(join(folder.path, 'tree.json'), '{"url": 1}')
  expect(await sync()).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('tree.json:1:1: want "url", "links"') })
  expect([await readFile(path, 'utf8'), await readFile(join(folder.path, 'tree.json'), 'utf8')]).toEqual([before, '{"url": 1}'])
})

test('records that cannot be in a tree, and older trees, are refused before anything is written', async () => {
  await using folder = await temporaryFolder()
  const refused = async (nodes: readonly NodeRecord[] | string, ...args: readonly string[]): Promise<string> => {
    const path = join(folder.path, `${Math.random()}`)
    await mkdir(path)
    if (typeof nodes === 'string') await writeFile(join(path, 'nodes.json'), nodes)
    else await nodeSet(join(path, 'nodes.json'), nodes)
    const { exitCode, stdout, stderr } = await cli(['dns', 'sign', path, '--key', KEY, '--domain', 'nodes.test', ...args])
    expect([exitCode, stdout, stderr.split('\n').length, await readdir(path)]).toEqual([1, '', 2, ['nodes.json']])
    return stderr
  }
  const { publicKey, nodeId } = nodeOf(1)
  const enode = nodeFromParts({ publicKey, endpoints: [{ host: '10.0.0.1', tcp: 30303 }] })
  expect(await refused([nodeOf(2), enode])).toContain(`node ${nodeId}: it has no record signed by itself, only an enode URL`)
  expect(await refused([nodeOf(1, { tcp: Uint8Array.of(1, 0, 0) })])).toContain(`node ${nodeId}: tcp is no port`)
  expect(await refused([nodeOf(1, { ip: Uint8Array.of(0, 0, 0, 0) })])).toContain(`node ${nodeId}: its record has no address`)
  expect(await refused(Array.from({ length: 5 }, (_, i) => nodeOf(i + 1, { ip: Uint8Array.of(0, 0, 0, 0) })))).toContain('; and 2 more')
  expect(await refused([])).toContain('holds no nodes, and there are no links')
  expect(await refused([nodeOf(1)], '--links', 'enrtree://x@y')).toContain('bad tree URL "enrtree://x@y"')
  const whole = await readFile(await nodeSet(join(folder.path, 'one', 'nodes.json'), [nodeOf(1)]), 'utf8')
  expect(await refused(whole.replace(/\n\}\n$/, `,\n${whole.slice(2)}`))).toContain(`nodes.json:7:3: node ${nodeId} is there twice`)
  expect(await refused(whole.slice(0, -3))).toContain('nodes.json:6:4: not valid JSON: it ends too early')

  const path = join(folder.path, 'one')
  await sign(path, '--seq', '5')
  expect(await cli(['dns', 'sign', path, '--key', KEY, '--domain', 'nodes.test', '--seq', '4'])).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('--seq 4 is less than that of the tree before, 5'),
  })
  await sign(path)
  expect(await readJson(path, 'tree.json')).toMatchObject({ seq: '6' })
  if (process.platform === 'win32' || process.getuid?.() === 0) return
  await chmod(path, 0o500)
  const { stderr } = await cli(['dns', 'sign', path, '--key', KEY, '--domain', 'nodes.test'])
  await chmod(path, 0o700)
  expect(stderr).toContain('cannot write')
})

const WRONG: readonly (readonly [string, readonly string[], 1 | 2, RegExp])[] = [
  ['no key', ['dns', 'sign', 'x', '--domain', 'n.test'], 2, /required option '--key <key>' not specified; see kumiko dns sign --help/],
  ['no such set', ['dns', 'sign', 'nowhere.json', '--key', KEY, '--domain', 'n.test'], 1, /there is no node set ".*nowhere\.json"/],
  ['a bad domain', ['dns', 'sign', 'x', '--key', KEY, '--domain', 'a b'], 2, /Want a DNS name/],
  ['a bad server', ['dns', 'sync', 'enrtree://x@y', '--dns-server', 'localhost:53'], 2, /Want IP or IP:PORT/],
  ['a bad URL', ['dns', 'sync', 'n.test'], 1, /bad tree URL "n\.test": no "enrtree:\/\/" in front; want enrtree:\/\/<key>@<domain>/],
]

test.concurrent.each(WRONG)('%s: one line and exit code', async (_, args, exitCode, line) => {
  const outcome = await cli(args)
  expect(outcome).toMatchObject({ exitCode, stdout: '' })
  expect(outcome.stderr.trim().split('\n')).toEqual([expect.stringMatching(line)])
})
