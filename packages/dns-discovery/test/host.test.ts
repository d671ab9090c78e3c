import { createHost } from '@kumiko/host'
import { rlpx } from '@kumiko/rlpx'
import { expect, test } from 'vitest'
import { dnsDiscovery } from '../src/dns-discovery.ts'
import { makeTree, signTree, toZone, urlOf } from '../src/tree.ts'

const capability = {
  name: 'echo',
  version: 1,
  length: 1,
  run: async (channel: AsyncIterable<unknown>) => {
    for await (const _ of channel);
  },
}

test('a Host dials what it finds in a tree', async () => {
  const node = { addresses: { listen: ['/ip4/127.0.0.1/tcp/0/rlpx'] }, transports: [rlpx({ capabilities: [capability] })] }
  const published = await createHost({ ...node, start: true })
  const tree = signTree(makeTree([published.identity.record.node], [], 1n), published.identity.secretKey)
  const zone = toZone(tree, 'nodes.test')
  const asked: string[] = []
  const resolve = async (name: string): Promise<string[][]> => {
    asked.push(name)
    const text = zone.get(name)
    if (text === undefined) throw new Error(`NXDOMAIN ${name}`)
    return [[text]]
  }
  const host = await createHost({ ...node, discovery: [dnsDiscovery({ trees: [urlOf(tree, 'nodes.test')], resolve })], start: true })
  try {
    await expect.poll(() => host.connectionManager.peers().map(({ peerId }) => peerId.toString())).toEqual([published.peerId.toString()])
    expect(asked[0]).toBe('nodes.test')
  } finally {
    for (const each of [host, published]) await each.stop()
  }
})
