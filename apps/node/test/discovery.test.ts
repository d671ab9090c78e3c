import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { cli, type RunningCli, startCli, temporaryFolder } from './cli.ts'

const LOOPBACK = '127.0.0.1:0'
const running: RunningCli[] = []

/** Whatever came of the test, no process outlives it. */
afterEach(async () => {
  await Promise.all(running.splice(0).map((node) => node.kill('SIGKILL')))
})

function start(args: readonly string[]): RunningCli {
  const node = startCli(args)
  running.push(node)
  return node
}

async function startBootnode(folder: string): Promise<{ node: RunningCli; enode: string; enr: string; nodeId: string }> {
  const node = start(['bootnode', '--data-dir', join(folder, 'bootnode'), '--disc-addr', LOOPBACK, '--json'])
  const { enode, enr, nodeId } = await node.event('started')
  return { node, enode: String(enode), enr: String(enr), nodeId: String(nodeId) }
}

function startNode(folder: string, name: string, ...args: string[]): RunningCli {
  return start(['node', 'start', '--data-dir', join(folder, name), '--listen-addr', LOOPBACK, '--json', ...args])
}

async function crawl(folder: string, bootnode: string, ...args: string[]): Promise<{ exitCode: number | null; ids: string[] }> {
  const file = join(folder, 'nodes.json')
  const { exitCode } = await cli(['discover', 'crawl', file, '--bootnodes', bootnode, '--disc-addr', LOOPBACK, ...args])
  return { exitCode, ids: Object.keys(JSON.parse(await readFile(file, 'utf8'))) }
}

test('nodes that are given one bootnode find each other, and a crawl finds them all', async () => {
  await using folder = await temporaryFolder()
  const bootnode = await startBootnode(folder.path)
  const nodes = ['first', 'second', 'third'].map((name) => startNode(folder.path, name, '--bootnodes', bootnode.enode))
  const started = await Promise.all(nodes.map((node) => node.event('started')))
  await Promise.all(nodes.map((node) => node.event('peer-added')))
  const { exitCode, ids } = await crawl(folder.path, bootnode.enr)
  expect(exitCode).toBe(0)
  expect(ids).toEqual(expect.arrayContaining(started.map(({ nodeId }) => nodeId)))
  expect(ids).toHaveLength(4)
})

test('a node killed with -9 and started again without its bootnode is back in the network', async () => {
  await using folder = await temporaryFolder()
  const bootnode = await startBootnode(folder.path)
  const other = startNode(folder.path, 'other', '--bootnodes', bootnode.enode)
  const { nodeId } = await other.event('started')
  const node = startNode(folder.path, 'node', '--bootnodes', bootnode.enode)
  expect(await node.event('peer-added')).toMatchObject({ nodeId })
  // What is found is written down within seconds.
  await node.line(/"known":\{"discv4":2,"discv5":2\}/)
  await new Promise((resolve) => setTimeout(resolve, 5_000))
  await node.kill('SIGKILL')
  await bootnode.node.kill('SIGKILL')

  const again = startNode(folder.path, 'node')
  expect(await again.event('peer-added')).toMatchObject({ nodeId })
  await again.line(/"known":\{"discv4":1,"discv5":1\}/)
})

test('each of the commands that ask gets an answer by both protocols', async () => {
  await using folder = await temporaryFolder()
  const { enode, enr, nodeId } = await startBootnode(folder.path)
  const ask = async (...args: string[]): Promise<string[]> => {
    const { exitCode, stdout, stderr } = await cli(['discover', ...args, '--disc-addr', LOOPBACK, '--json'])
    expect({ args, exitCode, stderr }).toEqual({ args, exitCode: 0, stderr: '' })
    return stdout.trim().split('\n')
  }
  const pings = (await ask('ping', enode)).map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(pings).toEqual(
    ['discv4', 'discv5'].map((protocol) => expect.objectContaining({ protocol, isAlive: true, rttMs: expect.any(Number) })),
  )
  expect(JSON.parse((await ask('resolve', enode))[0] ?? '')).toMatchObject({ record: enr })
  for (const args of [
    ['lookup', enr],
    ['random', '--count', '1'],
  ]) {
    expect((await ask(...args, '--bootnodes', enode)).join('\n')).toContain(nodeId)
  }
  const listening = start(['discover', 'listen', '--bootnodes', enode, '--disc-addr', LOOPBACK, '--json'])
  await listening.event('listening')
  expect(await listening.line(/"nodeId"/)).toContain(nodeId)
  expect((await listening.kill('SIGINT')).exitCode).toBe(0)
  const silent = (await cli(['enode', 'make', '07'.repeat(32), '--host', '127.0.0.1', '--udp', '9'])).stdout.trim()
  const pinging = start(['discover', 'ping', silent, '--count', '9', '--disc-addr', LOOPBACK, '--json'])
  await pinging.line(/"discv4"/)
  expect(await pinging.kill('SIGINT')).toMatchObject({ exitCode: 0, stderr: '' })
})

test('who does not answer is told of, by the exit code too', async () => {
  const silent = (await cli(['enode', 'make', '07'.repeat(32), '--host', '127.0.0.1', '--udp', '9'])).stdout.trim()
  const { exitCode, stdout, stderr } = await cli(['discover', 'ping', silent, '--disc-addr', LOOPBACK])
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: 'discv4  no answer\ndiscv5  no answer\n' })
  expect(stderr).toBe('kumiko: nobody answered: is the network up, and UDP let through?\n')
})

test('a probe without a way in says what to name, and both protocols off is no discovery', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'nodes.json')
  for (const args of [['random'], ['lookup', '00'.repeat(32)], ['crawl', file]]) {
    const alone = await cli(['discover', ...args, '--disc-addr', LOOPBACK])
    expect(alone).toMatchObject({ exitCode: 1, stderr: 'kumiko: nowhere to begin: name --bootnodes or a --network\n' })
  }
  await expect(readFile(file)).rejects.toThrow('ENOENT')
  const stderr = 'kumiko: both discv4 and discv5 are switched off: leave one of them on\n'
  for (const args of [
    ['discover', 'random'],
    ['bootnode', '--data-dir', folder.path],
  ]) {
    const none = await cli([...args, '--disc-addr', LOOPBACK, '--discovery-v4', 'false', '--discovery-v5', 'false'])
    expect(none).toMatchObject({ exitCode: 1, stderr })
  }
})

test('nodes known by name are asked, by both families where a node listens on all addresses', async () => {
  await using folder = await temporaryFolder()
  const node = start(['bootnode', '--data-dir', join(folder.path, 'bootnode'), '--disc-addr', '[::]:0', '--json'])
  const { enode, discoveryAddresses } = await node.event('started')
  const port = /discport=(\d+)/.exec(String(enode))?.[1]
  expect(discoveryAddresses).toEqual([`/ip4/0.0.0.0/udp/${port}`, `/ip6/::/udp/${port}`])
  const url = (host: string): string => `${String(enode).split('@')[0]}@${host}:${port}`
  for (const host of ['127.0.0.1', '[::1]', 'localhost']) {
    expect(await cli(['discover', 'ping', url(host)])).toMatchObject({ exitCode: 0, stderr: '' })
  }
  expect((await crawl(folder.path, url('localhost'))).ids).toHaveLength(1)
})

test('bootnodes that are out of reach are told of', async () => {
  await using folder = await temporaryFolder()
  const enode = (await cli(['enode', 'make', '07'.repeat(32), '--host', '127.0.0.1', '--udp', '9'])).stdout.trim()
  const restricted = ['--bootnodes', enode, '--net-restrict', '10.0.0.0/8']
  const probe = await cli(['discover', 'random', '--disc-addr', LOOPBACK, ...restricted])
  expect(probe).toMatchObject({
    exitCode: 1,
    stderr: 'kumiko: all bootnodes are outside of --net-restrict 10.0.0.0/8: widen it, or name others\n',
  })
  const outside = startNode(folder.path, 'outside', ...restricted)
  const silent = startNode(folder.path, 'silent', '--bootnodes', enode)
  await Promise.all([outside, silent].map((node) => node.event('started')))
  await expect.poll(() => outside.stderr()).not.toBe('')
  await expect.poll(() => silent.stderr()).not.toBe('')
  expect((await outside.kill('SIGINT')).stderr).toBe('kumiko: all bootnodes are outside of netRestrict 10.0.0.0/8, and will not be asked\n')
  expect((await silent.kill('SIGINT')).stderr).toBe(
    'kumiko: the bootnode has not answered yet, and is asked again: is its URL right, is it up, and UDP let through?\n',
  )
})
