import type { Connection } from '@libp2p/interface'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { peer } from '../test/fixture.ts'
import { type ReasonedConnection, type ScriptedConnection, TestNode } from '../test/node.ts'
import type { ConnectionManagerOptions } from './options.ts'
import { pruneByValue } from './prune.ts'

const BY_VALUE: ConnectionManagerOptions = { maxPeers: 2, atLimit: 'prune', prune: pruneByValue }

async function started(options: ConnectionManagerOptions): Promise<TestNode> {
  const node = new TestNode(options)
  await node.manager.start()
  await node.settle()
  return node
}

function opener(node: TestNode): (n: number, direction?: 'inbound' | 'outbound') => ScriptedConnection {
  return (n, direction = 'inbound') => node.open(node.libp2p(peer(n), direction, `10.0.${n}.1`), [])
}

describe('setMaxConnections', () => {
  it('drops peers and connections that are too many, by what the peer store says they are worth', async () => {
    const node = await started({ maxPeers: 9, limits: { total: 9 }, prune: pruneByValue })
    const open = opener(node)
    for (const [n, value] of [
      [1, 5],
      [2, 1],
      [3, 9],
    ] as const)
      await node.peerStore.merge(peer(n), { tags: { worth: { value } } })
    await node.peerStore.merge(peer(4), { tags: { 'keep-alive-chat': { value: 0 } } })
    const [one, two, three, kept] = [open(1), open(2), open(3), open(4)]
    const second = open(2)
    node.manager.setMaxConnections(3)
    await node.settle()
    expect([one, two, second, three, kept].map(({ ended }) => ended)).toEqual([undefined, 'close', 'close', undefined, undefined])
    expect([node.manager.getMaxConnections(), node.manager.limits.total]).toEqual([3, 3])
    expect(node.told.filter((what) => what.startsWith('prune'))).toEqual(['prune 2'])
  })

  it('drops no more than are too many while others are leaving', async () => {
    const node = await started({ maxPeers: 9, limits: { total: 9 } })
    const open = opener(node)
    const all = [1, 2, 3, 4].map((n) => open(n))
    for (const each of all) each.hangs = true
    node.manager.setMaxConnections(3)
    await node.settle()
    node.manager.setMaxConnections(2)
    node.manager.maxPeers = 2
    await node.settle()
    await node.clock.advance(2_000)
    await node.settle()
    expect(all.map(({ ended }) => ended)).toEqual([undefined, undefined, 'abort', 'abort'])
  })

  it('takes 1 or more, as in js-libp2p, and no limit in all where there is none', async () => {
    const node = await started({})
    expect(() => node.manager.setMaxConnections(0)).toThrow(expect.objectContaining({ name: 'InvalidParametersError' }))
    node.manager.setMaxConnections(7)
    expect([node.manager.maxPeers, node.manager.limits.total]).toEqual([7, undefined])
  })
})

describe('at the limit', () => {
  it('a newcomer is refused, unless others may go for it', async () => {
    const node = await started({ ...BY_VALUE, atLimit: 'refuse' })
    const open = opener(node)
    const [one] = [open(1), open(2)]
    expect(() => open(3)).toThrow('connection-manager/too-many-peers')
    expect(one.ended).toBeUndefined()
  })

  it('who is worth less goes first, then the newcomer is let in', async () => {
    const node = await started(BY_VALUE)
    const open = opener(node)
    await node.peerStore.merge(peer(1), { tags: { worth: { value: 5 } } })
    await node.peerStore.merge(peer(3), { tags: { worth: { value: 3 } } })
    const [one, two] = [open(1), open(2)]
    const three = open(3)
    expect([one.ended, two.ended, three.ended]).toEqual([undefined, 'abort', undefined])
    expect(node.told.filter((what) => !what.startsWith('connect'))).toEqual([`disconnect ${peer(2).toString().slice(-4)}`, 'prune 1'])
    expect(() => open(4)).toThrow('connection-manager/too-many-peers')
    await node.peerStore.merge(peer(4), { tags: { worth: { value: 4 } } })
    expect(open(4).ended).toBeUndefined()
    expect(node.manager.getConnections()).toHaveLength(2)
    await node.settle()
  })

  it('tags count as long as they last, those from before the start among them', async () => {
    const node = new TestNode(BY_VALUE)
    await node.peerStore.merge(peer(1), { tags: { worth: { value: 5 } } })
    await node.peerStore.merge(peer(2), { tags: { worth: { value: 9, ttl: 5 } } })
    await node.manager.start()
    await node.settle()
    const open = opener(node)
    const [one, two] = [open(1), open(2)]
    await node.clock.advance(Date.now() - node.clock.now() + 100)
    await node.peerStore.merge(peer(3), { tags: { worth: { value: 2 } } })
    expect([open(3).ended, two.ended, one.ended]).toEqual([undefined, 'abort', undefined])
    await node.settle()
  })

  it('strangers who come push nobody out, however silent, but those whom we dial take the place of one who came', async () => {
    const node = await started(BY_VALUE)
    const open = opener(node)
    const [came, dialed] = [open(1), open(2, 'outbound')]
    await node.clock.advance(3_600_000)
    expect(() => open(3)).toThrow('connection-manager/too-many-peers')
    expect([came.ended, dialed.ended]).toEqual([undefined, undefined])
    open(4, 'outbound')
    expect([came.ended, dialed.ended]).toEqual(['abort', undefined])
    expect(() => open(5, 'outbound')).toThrow('connection-manager/too-many-peers')
    await node.settle()
  })

  it('tags that change while the node is stopped count when it is started again', async () => {
    const node = await started(BY_VALUE)
    await node.peerStore.merge(peer(1), { tags: { worth: { value: 5 } } })
    await node.manager.stop()
    await node.peerStore.merge(peer(1), { tags: { worth: { value: 1 } } })
    await node.manager.start()
    await node.settle()
    const open = opener(node)
    await node.peerStore.merge(peer(2), { tags: { worth: { value: 2 } } })
    await node.peerStore.merge(peer(3), { tags: { worth: { value: 3 } } })
    const [one] = [open(1), open(2), open(3)]
    expect(one.ended).toBe('abort')
    await node.settle()
  })

  it('trusted, kept and static peers stay', async () => {
    const node = await started({ ...BY_VALUE, trusted: [peer(1)] })
    await node.peerStore.merge(peer(2), { tags: { 'keep-alive': {} } })
    await node.peerStore.merge(peer(3), { tags: { worth: { value: 99 } } })
    const open = opener(node)
    open(1)
    open(2)
    expect(() => open(3)).toThrow('connection-manager/too-many-peers')
  })

  it('nobody goes for one who would be refused all the same, nor at the dial', async () => {
    const node = await started({ ...BY_VALUE, limits: { perIp: 1, total: 2 } })
    const open = opener(node)
    const [one, two] = [open(1), open(2)]
    await node.peerStore.merge(peer(3), { tags: { worth: { value: 9 } } })
    expect(() => node.open(node.libp2p(peer(3), 'inbound', '10.0.1.1'), [])).toThrow('connection-manager/too-many-peers')
    const { remoteAddr: address } = node.libp2p(peer(3))
    const dial = node.manager.admission.begin({ direction: 'outbound', stack: 'libp2p', address, peerId: peer(3) })
    expect('reason' in dial).toBe(false)
    expect([one.ended, two.ended]).toEqual([undefined, undefined])
  })

  it('an RLPx peer hears why, and the newcomer waits at the second checkpoint until it has gone', async () => {
    const node = await started({ ...BY_VALUE, maxPeers: 1 })
    const leaving: ReasonedConnection = node.open(node.rlpx(peer(1)))
    await node.peerStore.merge(peer(2), { tags: { worth: { value: 9 } } })
    const { remoteAddr: address } = node.rlpx(peer(2), 'inbound', '10.0.2.1')
    const ticket = node.manager.admission.begin({ direction: 'inbound', stack: 'rlpx', address })
    if ('reason' in ticket) throw new Error(ticket.code)
    expect(ticket.encrypted(peer(2))).toBeUndefined()
    expect(ticket.upgraded(['/eth/69'])).toMatchObject({ code: 'connection-manager/too-many-peers' })
    await node.settle()
    expect(leaving.ended).toBe('too-many-peers')
    expect(ticket.upgraded(['/eth/69'])).toBeUndefined()
  })

  it('never passes its limits, whoever comes and goes, and tells of nothing but what has ended', async () => {
    const step = fc.record({
      peer: fc.nat({ max: 7 }),
      stack: fc.constantFrom('rlpx' as const, 'libp2p' as const),
      direction: fc.constantFrom('inbound' as const, 'outbound' as const),
      isEnd: fc.boolean(),
      isSettled: fc.boolean(),
      value: fc.nat({ max: 9 }),
    })
    let pruned = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), fc.integer({ min: 1, max: 4 }), async (steps, total) => {
        const node = await started({ maxPeers: 3, limits: { total }, atLimit: 'prune', prune: pruneByValue })
        node.events.addEventListener('connection:prune', ({ detail }: CustomEvent<Connection[]>) => {
          pruned += detail.length
          expect(detail.every(({ status }) => status === 'aborted' || status === 'closed')).toBe(true)
        })
        const open: ScriptedConnection[] = []
        for (const each of steps) {
          if (each.isEnd) open.at(each.peer % Math.max(1, open.length))?.end('remote', 'closed')
          else {
            await node.peerStore.merge(peer(each.peer), { tags: { worth: { value: each.value } } })
            try {
              open.push(node.open(node[each.stack](peer(each.peer), each.direction, `10.0.${each.peer}.1`)))
            } catch (error) {
              expect(String(error)).toMatch(/too-many-peers|limit-reached|already-connected/)
            }
          }
          expect(node.manager.getConnections().length).toBeLessThanOrEqual(total)
          expect(node.manager.peers().length).toBeLessThanOrEqual(3)
          if (each.isSettled) await node.settle()
        }
        await node.settle()
        await node.manager.stop()
        expect(node.manager.getConnections()).toEqual([])
      }),
      { numRuns: 60, seed: 20261121 },
    )
    expect(pruned).toBeGreaterThan(20)
  })
})
