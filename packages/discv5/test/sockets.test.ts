import { networkInterfaces } from 'node:os'
import { createHost } from '@kumiko/host'
import type { Host } from '@kumiko/interface'
import { udpSocket } from '@kumiko/udp'
import { afterEach, describe, expect, it } from 'vitest'
import { type Discv5, discv5 } from '../src/discv5.ts'

type Node = Host<{ discv5: Discv5 }>

const nodes: Node[] = []
afterEach(async () => {
  await Promise.all(nodes.splice(0).map(async (node) => await node.stop()))
})

async function start(...hosts: readonly string[]): Promise<Node> {
  const node = await createHost({ services: { discv5: discv5({ udp: udpSocket({ port: 0, hosts }) }) }, start: true })
  nodes.push(node)
  return node
}

/** Where the second one sees the first. */
async function seenBy(from: Node, to: Node): Promise<string | undefined> {
  return (await from.services.discv5.ping(to.identity.record.node))?.endpoint.ip
}

const hasIp6 = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === '::1'))

describe.skipIf(!hasIp6)('over sockets of IPv6', () => {
  it('two ping each other, and tell of their records', async () => {
    const [one, other] = [await start('::1'), await start('::1')]
    expect(one.identity.record.node.endpoints).toEqual([{ host: '::1', udp: expect.any(Number) }])
    expect([await seenBy(one, other), await seenBy(other, one)]).toEqual(['::1', '::1'])
    expect((await one.services.discv5.requestEnr(other.identity.record.node))?.seq).toBe(other.identity.record.node.seq)
  })

  it('one that has both families serves others of either', async () => {
    const both = await start('127.0.0.1', '::1')
    const [four, six] = [await start('127.0.0.1'), await start('::1')]
    expect(both.identity.record.node.endpoints.map(({ host }) => host).sort()).toEqual(['127.0.0.1', '::1'])
    for (const [other, ip] of [
      [four, '127.0.0.1'],
      [six, '::1'],
    ] as const) {
      expect([await seenBy(other, both), await seenBy(both, other)]).toEqual([ip, ip])
    }
    expect(both.services.discv5.status()).toMatchObject({ sessions: 2, faults: {} })
  })
})
