import { join } from 'node:path'
import { expect, test } from 'vitest'
import { callNode } from '../src/control/client.ts'
import { cli, type RunningCli, startCli, temporaryFolder } from './cli.ts'

const startNode = (folder: string, ...args: string[]): RunningCli =>
  startCli([
    ...['node', 'start', '--data-dir', folder, '--listen-addr', '127.0.0.1:0', '--no-discovery', '--json'],
    ...['--libp2p', '--libp2p-listen', '/ip4/127.0.0.1/tcp/0', ...args],
  ])

async function json(folder: string, ...args: string[]): Promise<Record<string, unknown>[]> {
  const { exitCode, stdout, stderr } = await cli(['p2p', ...args, '--data-dir', folder, '--json'])
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  return stdout
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

const libp2pAddress = (started: Record<string, unknown>): string =>
  String((started.addresses as string[]).find((address) => !address.includes('/rlpx')))

test('three nodes: who they are, peers, dial, ping, and what one provides the others find', async () => {
  await using folder = await temporaryFolder()
  const [hubFolder, aFolder, bFolder] = ['hub', 'a', 'b'].map((name) => join(folder.path, name)) as [string, string, string]
  const hub = startNode(hubFolder)
  const hubStarted = await hub.event('started')
  const entry = libp2pAddress(hubStarted)
  const [a, b] = [startNode(aFolder, '--libp2p-bootstrap', entry), startNode(bFolder, '--libp2p-bootstrap', entry)]
  const aStarted = await a.event('started')
  for (const node of [a, b]) expect(await node.event('peer-added')).toMatchObject({ peerId: hubStarted.peerId, stack: 'libp2p' })

  const [id] = await json(aFolder, 'id')
  expect(id).toMatchObject({ peerId: aStarted.peerId, nodeId: aStarted.nodeId, addresses: [libp2pAddress(aStarted)], dht: 'server' })
  expect(id?.protocols).toEqual(expect.arrayContaining(['/ipfs/ping/1.0.0', '/ipfs/kad/1.0.0', '/ipfs/id/1.0.0']))
  expect(await json(aFolder, 'peers')).toMatchObject([
    { peerId: hubStarted.peerId, connections: [{ stack: 'libp2p', direction: 'outbound' }] },
  ])

  // The hub's table takes them once identify is through.
  const key = { key: 'coffee', isRendezvous: true, timeoutMs: 5_000 }
  const providers = async (): Promise<unknown[]> => {
    const found: unknown[] = []
    await callNode(aFolder, 'dht_provide', key)
    await callNode(bFolder, 'dht_findProviders', key, { onValue: (value) => found.push(value) }).catch(() => {})
    return found
  }
  const provider = { peerId: aStarted.peerId, addresses: expect.arrayContaining([libp2pAddress(aStarted)]) }
  await expect.poll(providers, { interval: 500 }).toContainEqual(provider)
  expect(await json(aFolder, 'dht', 'provide', 'coffee', '--rendezvous')).toEqual([{ cid: expect.stringMatching(/^bafkrei/) }])
  expect(await json(bFolder, 'dht', 'find-providers', 'coffee', '--rendezvous', '--count', '1')).toEqual([provider])
  const [found] = await json(bFolder, 'dht', 'find-peer', String(aStarted.peerId))
  expect(found).toMatchObject({ peerId: aStarted.peerId })

  expect(await json(bFolder, 'dial', String(aStarted.peerId))).toMatchObject([{ peerId: aStarted.peerId, encryption: '/noise' }])
  // Half a millisecond is no number of milliseconds to a timer.
  expect(await json(bFolder, 'ping', libp2pAddress(aStarted), '--count', '2', '--timeout', '30.0005')).toEqual([
    { target: libp2pAddress(aStarted), ms: expect.any(Number) },
    { target: libp2pAddress(aStarted), ms: expect.any(Number) },
  ])
  const text = await cli(['p2p', 'peers', '--data-dir', bFolder])
  expect(text.stdout).toMatch(new RegExp(`^${hubStarted.peerId}  outbound  ${entry}  kumiko/`, 'm'))
  expect(text.stdout).toMatch(new RegExp(`^${aStarted.peerId}  (?:out|in)bound +/ip4/127.0.0.1/tcp/\\d+/p2p/`, 'm'))
  for (const node of [a, b, hub]) expect(await node.kill('SIGINT')).toMatchObject({ exitCode: 0, stderr: '' })
})

test('what cannot be done is told in a line: no node, no peer, no DHT', async () => {
  await using folder = await temporaryFolder()
  const nobody = await cli(['p2p', 'peers', '--data-dir', folder.path])
  expect(nobody).toMatchObject({ exitCode: 1, stdout: '' })
  expect(nobody.stderr).toBe(
    `kumiko: no node runs on data folder "${folder.path}": start one with kumiko node start --data-dir, or name its folder\n`,
  )
  const node = startCli(['node', 'start', '--data-dir', folder.path, '--listen-addr', '127.0.0.1:0', '--no-discovery', '--json'])
  await node.event('started')
  const failing = async (...args: string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await cli(['p2p', ...args, '--data-dir', folder.path])
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
    return stderr
  }
  expect(await failing('dht', 'provide', 'coffee', '--rendezvous')).toBe('kumiko: the node runs no DHT: start it with --libp2p\n')
  expect(await failing('dht', 'provide', 'coffee')).toBe('kumiko: "coffee" is no CID: give one, or --rendezvous for a word\n')
  expect(await failing('ping', 'nobody')).toBe(
    'kumiko: "nobody" names no peer: want a peer id, an enode URL, an ENR, or a multiaddr that ends in /p2p/…\n',
  )
  expect(await failing('dial', '/ip4/127.0.0.1/tcp/1')).toMatch(/^kumiko: no address answered: .*ECONNREFUSED/)
  expect((await cli(['p2p', 'peers', '--data-dir', folder.path])).stdout).toBe('no peers\n')
  expect((await node.kill('SIGINT')).exitCode).toBe(0)
})
