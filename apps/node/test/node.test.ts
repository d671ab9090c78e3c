import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseNode } from '@kumiko/identity'
import { expect, test } from 'vitest'
import { cli, type RunningCli, startCli, temporaryFolder } from './cli.ts'

const startNode = (folder: string, ...args: string[]): RunningCli =>
  startCli(['node', 'start', '--data-dir', folder, '--listen-addr', '127.0.0.1:0', '--json', ...args])

test('two processes find each other by --static, and again after one was restarted', async () => {
  await using folder = await temporaryFolder()
  const first = startNode(join(folder.path, 'first'))
  const { enode, peerId } = await first.event('started')
  const second = startNode(join(folder.path, 'second'), '--static', String(enode))
  const started = await second.event('started')
  const protocols = ['/echo/1', '/pingpong/1']
  expect(await second.event('peer-added')).toMatchObject({ peerId, stack: 'rlpx', direction: 'outbound', protocols, peers: 1 })
  expect(await first.event('peer-added')).toMatchObject({ peerId: started.peerId, direction: 'inbound', protocols, peers: 1 })

  expect(await second.kill('SIGINT')).toMatchObject({ exitCode: 0, stderr: '' })
  expect(await first.event('peer-dropped')).toMatchObject({ peerId: started.peerId, peers: 0 })

  const again = startNode(join(folder.path, 'second'), '--static', String(enode))
  expect(await again.event('peer-added')).toMatchObject({ peerId, peers: 1 })
  expect(await first.event('peer-added')).toMatchObject({ peerId: started.peerId, peers: 1 })
  for (const node of [again, first]) expect((await node.kill('SIGTERM')).exitCode).toBe(0)
})

test('the log tells why a static node is not reached', async () => {
  await using folder = await temporaryFolder()
  const enode = (await cli(['enode', 'make', '07'.repeat(32), '--host', '127.0.0.1', '--tcp', '1'])).stdout.trim()
  const args = ['node', 'start', '--data-dir', folder.path, '--listen-addr', '127.0.0.1:0', '--json', '--static', enode]
  const node = startCli(args, { env: { DEBUG: 'kumiko:*' } })
  await node.event('started')
  await expect.poll(() => node.stderr()).toMatch(/kumiko:dialer dialed 16Uiu2\w+ in vain: .*ECONNREFUSED/)
  await node.kill('SIGINT')
})

test('kill -9 costs neither the key nor the sequence number', async () => {
  await using folder = await temporaryFolder()
  const seen: { peerId: unknown; seq: bigint }[] = []
  for (let round = 0; round < 3; round++) {
    const node = startNode(folder.path)
    const { peerId, enr } = await node.event('started')
    seen.push({ peerId, seq: parseNode(String(enr)).seq })
    await node.kill('SIGKILL')
  }
  expect(new Set(seen.map(({ peerId }) => peerId)).size).toBe(1)
  expect(seen[1]?.seq).toBeGreaterThan(seen[0]?.seq ?? 0n)
  expect(seen[2]?.seq).toBeGreaterThan(seen[1]?.seq ?? 0n)
})

test('kill -9 while it starts leaves a folder that can be used', async () => {
  await using folder = await temporaryFolder()
  for (const afterMs of [150, 300, 450]) {
    const node = startNode(folder.path)
    await new Promise((resolve) => setTimeout(resolve, afterMs))
    await node.kill('SIGKILL')
  }
  const node = startNode(folder.path)
  await node.event('started')
  expect((await node.kill('SIGINT')).exitCode).toBe(0)
})

test('a folder serves one process at a time; a busy port is named; what was there is left as it was', async () => {
  await using folder = await temporaryFolder()
  const first = startNode(join(folder.path, 'first'))
  const { enode } = await first.event('started')
  const key = await readFile(join(folder.path, 'first', 'nodekey'), 'utf8')

  const second = await startNode(join(folder.path, 'first')).ended
  expect(second).toMatchObject({ exitCode: 1, stdout: '' })
  expect(second.stderr).toMatch(
    /^kumiko: data folder ".*first" is in use by another process: stop that one, or choose another with --data-dir\n$/,
  )

  const port = parseNode(String(enode)).endpoints[0]?.tcp
  const busy = await cli(['node', 'start', '--data-dir', join(folder.path, 'busy'), '--listen-addr', `127.0.0.1:${port}`])
  expect(busy).toMatchObject({ exitCode: 1, stdout: '' })
  expect(busy.stderr).toBe(
    `kumiko: Cannot listen on /ip4/127.0.0.1/tcp/${port}/rlpx: EADDRINUSE, the port is in use: choose another port, or 0\n`,
  )

  const { exitCode, stdout } = await first.kill('SIGINT')
  expect(exitCode).toBe(0)
  expect(
    stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { event: string }).event),
  ).toEqual(['started', 'stopped'])
  expect(await readFile(join(folder.path, 'first', 'nodekey'), 'utf8')).toBe(key)
})

test('shows what it would run with, in a form that can be used as a file', async () => {
  await using folder = await temporaryFolder()
  const { stdout } = await cli(['node', 'config', '--max-peers', '7', '--libp2p-listen', '/ip4/127.0.0.1/tcp/0'], {
    env: { KUMIKO_NAT: 'extip:10.0.0.1' },
  })
  expect(stdout).toMatch(/^maxPeers: 7 +# --max-peers$/m)
  expect(stdout).toMatch(/^nat: "extip:10.0.0.1" +# KUMIKO_NAT$/m)
  const file = join(folder.path, 'kumiko.yaml')
  await writeFile(file, stdout)
  const json = async (...args: string[]): Promise<unknown> => {
    const values = JSON.parse((await cli(['node', 'config', '--json', ...args])).stdout) as Record<string, { value: unknown }>
    return Object.entries(values).map(([path, { value }]) => [path, value])
  }
  const direct = await json('--max-peers', '7', '--libp2p-listen', '/ip4/127.0.0.1/tcp/0', '--nat', 'extip:10.0.0.1')
  expect(await json('--config', file)).toEqual(direct)
})

test('maps no port of loopback, whatever is asked for', async () => {
  await using folder = await temporaryFolder()
  const node = startNode(folder.path, '--nat', 'any')
  const { enode } = await node.event('started')
  expect(enode).toMatch(/@127\.0\.0\.1:\d+/)
  const { exitCode, stderr } = await node.kill('SIGINT')
  expect([exitCode, stderr]).toEqual([0, ''])
})

test('serves libp2p beside RLPx, and tells its address as others see it', async () => {
  await using folder = await temporaryFolder()
  const node = startNode(folder.path, '--libp2p-listen', '/ip4/127.0.0.1/tcp/0', '--nat', 'extip:192.0.2.7')
  const { enode, addresses } = await node.event('started')
  expect(enode).toMatch(/@192\.0\.2\.7:\d+\?discport=\d+$/)
  expect((addresses as string[]).map((address) => address.includes('/rlpx/'))).toEqual([false, true])
  expect((await node.kill('SIGINT')).exitCode).toBe(0)
})
