import type { PeerEvent } from '@kumiko/interface'
import type { Connection } from '@libp2p/interface'
import { describe, expect, it } from 'vitest'
import { addressOf, peer } from '../test/fixture.ts'
import { TestNode } from '../test/node.ts'

const tail = (n: number): string => peer(n).toString().slice(-4)

function started(...setup: ConstructorParameters<typeof TestNode>): TestNode {
  const node = new TestNode(...setup)
  node.manager.start()
  return node
}

describe('peers', () => {
  it('come with their first connection and go with their last', () => {
    const node = started()
    const events: PeerEvent[] = []
    node.manager.subscribe((event) => events.push(event))
    const rlpx = node.open(node.rlpx(peer(1)))
    const libp2p = node.open(node.libp2p(peer(1), 'outbound'), [])
    const use = { since: 1_000_000, openStreams: 0 }
    expect(node.manager.peers()).toEqual([
      expect.objectContaining({
        peerId: peer(1),
        since: 1_000_000,
        isTrusted: false,
        isStatic: false,
        connections: [
          { stack: 'rlpx', direction: 'inbound', address: rlpx.remoteAddr, protocols: ['/eth/69'], ...use },
          { stack: 'libp2p', direction: 'outbound', address: libp2p.remoteAddr, protocols: [], ...use },
        ],
      }),
    ])
    expect(node.manager.getConnectionsMap().get(peer(1))).toEqual([rlpx, libp2p])
    rlpx.end('remote', 'closed')
    libp2p.end('remote', 'closed')
    expect(node.told).toEqual([`connect ${tail(1)}`, `disconnect ${tail(1)}`])
    expect(events).toEqual([
      { type: 'add', peerId: peer(1), stack: 'rlpx', direction: 'inbound', address: rlpx.remoteAddr },
      { type: 'drop', peerId: peer(1) },
    ])
    expect([node.manager.peers(), node.manager.getConnections(), node.manager.getConnectionsMap().size]).toEqual([[], [], 0])
  })

  it('hear why they are dropped, where their connection can tell', async () => {
    const node = started()
    const drops: PeerEvent[] = []
    node.manager.subscribe((event) => event.type === 'drop' && drops.push(event))
    const rlpx = node.open(node.rlpx(peer(1)))
    const libp2p = node.open(node.libp2p(peer(1)), [])
    await node.manager.disconnect(peer(1), 'useless-peer')
    expect([rlpx.ended, libp2p.ended]).toEqual(['useless-peer', 'close'])
    expect(drops).toEqual([{ type: 'drop', peerId: peer(1), detail: 'useless-peer' }])
  })

  it('send and receive messages in the hearing of subscribers, where enabled', () => {
    const heard: PeerEvent['type'][] = []
    for (const enableMsgEvents of [true, false]) {
      const node = started({ enableMsgEvents })
      node.manager.subscribe(({ type }) => heard.push(type))
      const attempt = { direction: 'inbound', stack: 'rlpx', address: addressOf('10.0.0.1') } as const
      const ticket = node.manager.admission.begin(attempt)
      if ('reason' in ticket) throw new Error(ticket.code)
      expect(ticket.encrypted(peer(1)) ?? ticket.upgraded(['/eth/69'])).toBeUndefined()
      node.openUnasked(node.rlpx(peer(1)))
      ticket.traffic.message('sent', { name: 'eth', version: 69 }, 0, 10)
      ticket.traffic.message('received', { name: 'eth', version: 69 }, 0, 10)
      expect(node.manager.traffic()).toMatchObject({ messagesSent: 1, messagesReceived: 1 })
      expect(node.manager.peers()[0]?.traffic.capabilities['eth/69']?.bytesSent).toBe(10)
    }
    expect(heard).toEqual(['add', 'msgsend', 'msgrecv', 'add'])
  })

  it('are told to the other listeners when one throws', () => {
    const node = started()
    const heard: string[] = []
    node.manager.subscribe(() => {
      throw new Error('broken')
    })
    const cancel = node.manager.subscribe(({ type }) => heard.push(type))
    node.open(node.rlpx(peer(1))).end('remote', 'closed')
    cancel()
    node.open(node.rlpx(peer(1)))
    expect(heard).toEqual(['add', 'drop'])
  })
})

describe('bans', () => {
  it('drop who is connected, by peer and by network, and keep them out until they end', async () => {
    const node = started()
    const [one, two, three] = [1, 2, 3].map((n) => node.open(node.rlpx(peer(n), 'inbound', `10.0.${n}.1`)))
    node.manager.ban(peer(1), { durationMs: 1_000 })
    node.manager.ban('10.0.2.0/24')
    await node.clock.advance(0)
    expect([one?.ended, two?.ended, three?.ended]).toEqual(['useless-peer', 'useless-peer', undefined])
    expect(() => node.open(node.rlpx(peer(1)))).toThrow('connection-manager/banned')
    expect(() => node.open(node.rlpx(peer(5), 'inbound', '10.0.2.9'))).toThrow('connection-manager/banned')
    await node.clock.advance(1_000)
    expect(node.manager.isBanned(peer(1))).toBe(false)
    expect(node.manager.isBanned(addressOf('10.0.2.200'))).toBe(true)
    expect([node.manager.unban('10.0.2.0/24'), node.manager.unban('10.0.2.0/24')]).toEqual([true, false])
    node.open(node.rlpx(peer(1)))
  })

  it('of one address leave a peer whose other connection stays free to be pruned', async () => {
    const node = started()
    node.open(node.rlpx(peer(1), 'inbound', '10.0.1.1'))
    const other = node.open(node.libp2p(peer(1), 'inbound', '10.0.2.1'), [])
    node.manager.ban('10.0.1.1')
    await node.clock.advance(0)
    expect(node.told).toEqual([`connect ${tail(1)}`])
    node.manager.maxPeers = 0
    await node.settle()
    expect(other.ended).toBe('close')
  })

  it('want a network', () => {
    expect(() => started().manager.ban('nonsense')).toThrow(expect.objectContaining({ code: 'connection-manager/bad-target' }))
  })
})

describe('pruning', () => {
  it('drops the youngest that are neither trusted nor static, and tells of them', async () => {
    const node = started({ trusted: [peer(4)] }, { dialRatio: 0, isStatic: (peerId) => peerId.equals(peer(3)) })
    const open = [1, 2, 3, 4].map((n) => node.open(node.rlpx(peer(n), 'inbound', `10.0.${n}.1`)))
    node.manager.setMaxConnections(2)
    node.manager.maxPeers = 2
    await node.settle()
    expect(open.map(({ ended }) => ended)).toEqual([undefined, 'too-many-peers', undefined, undefined])
    expect(node.told.slice(-2)).toEqual([`disconnect ${tail(2)}`, 'prune 1'])
    node.manager.removeTrusted(peer(4))
    await node.settle()
    expect(open.map(({ ended }) => ended)).toEqual([undefined, 'too-many-peers', undefined, 'too-many-peers'])
  })

  it('asks the given function, and goes on where that throws', async () => {
    const excesses: number[] = []
    const node = started({
      prune: (peers, { excess }) => {
        excesses.push(excess)
        if (peers.length === 1) throw new Error('broken')
        return peers.slice(0, 1).map(({ peerId }) => peerId)
      },
    })
    const open = [1, 2].map((n) => node.open(node.rlpx(peer(n), 'inbound', `10.0.${n}.1`)))
    node.manager.maxPeers = 1
    await node.settle()
    expect(open.map(({ ended }) => ended)).toEqual(['too-many-peers', undefined])
    node.manager.maxPeers = 0
    await node.settle()
    expect(open.map(({ ended }) => ended)).toEqual(['too-many-peers', 'too-many-peers'])
    expect(excesses).toEqual([1, 1])
  })
})

describe('stop', () => {
  it('tells every peer, waits, cuts off who hangs, and gives all back', async () => {
    const node = started()
    const [rlpx, libp2p, stuck] = [node.open(node.rlpx(peer(1))), node.open(node.libp2p(peer(2)), []), node.open(node.rlpx(peer(3)))]
    stuck.hangs = true
    let isStopped = false
    const stop = Promise.resolve(node.manager.stop()).then(() => {
      isStopped = true
    })
    expect(() => node.open(node.rlpx(peer(4)))).toThrow('connection-manager/stopping')
    await node.clock.advance(1_999)
    expect([rlpx.ended, libp2p.ended, stuck.ended, isStopped]).toEqual(['client-quitting', 'close', undefined, false])
    await node.clock.advance(1)
    await stop
    expect([stuck.ended, node.manager.peers(), node.clock.pending]).toEqual(['abort', [], 0])
    expect(node.told.filter((what) => what.startsWith('disconnect'))).toHaveLength(3)
    await node.manager.stop()
  })
})

describe('connections without a ticket', () => {
  it('are taken in, or ended where that is refused', async () => {
    const node = started({ maxPeers: 1 })
    const first = node.openUnasked(node.libp2p(peer(1), 'outbound'))
    const second = node.openUnasked(node.libp2p(peer(2), 'outbound'))
    await node.clock.advance(0)
    expect([first.ended, second.ended]).toEqual([undefined, 'close'])
    expect(node.told).toEqual([`connect ${tail(1)}`])
    first.end('remote', 'closed')
    expect(node.openUnasked(node.libp2p(peer(2))).status).toBe('open')
    expect(node.manager.peers().map(({ peerId }) => peerId)).toEqual([peer(2)])
  })

  it('give their pending slot back when they are refused', async () => {
    const node = started({ maxPeers: 1, maxPendingPeers: 1 })
    const first = node.openUnasked(node.libp2p(peer(1), 'outbound'))
    const refused = [2, 3, 4].map((n) => node.openUnasked(node.libp2p(peer(n), 'inbound')))
    await node.clock.advance(0)
    expect(refused.map(({ ended }) => ended)).toEqual(['close', 'close', 'close'])
    first.end('remote', 'closed')
    expect(node.openUnasked(node.libp2p(peer(5), 'inbound')).status).toBe('open')
    expect(node.manager.peers()).toHaveLength(1)
  })

  it('hold their slot from accept on, once', () => {
    const node = started({ maxPendingPeers: 1 })
    const socket = (ip: string) => Object.assign(new EventTarget(), { remoteAddr: addressOf(ip, 'libp2p', 4001), status: 'open' })
    const [one, two] = [socket('10.0.0.1'), socket('10.0.0.2')]
    const accept = (each: typeof one): boolean => node.manager.acceptIncomingConnection(each as never)
    expect([accept(one), accept(two)]).toEqual([true, false])
    node.openUnasked(node.libp2p(peer(1), 'inbound', '10.0.0.1'))
    node.manager.afterUpgradeInbound()
    expect(node.manager.peers()).toHaveLength(1)
    expect(accept(two)).toBe(true)
    two.dispatchEvent(new Event('close'))
    expect(accept(two)).toBe(true)
    two.status = 'aborted'
    node.manager.afterUpgradeInbound()
    expect(accept(one)).toBe(true)
  })

  it('are not counted twice where the transport has taken a ticket', () => {
    const node = started({ maxPendingPeers: 1 })
    const address = addressOf('10.0.0.1')
    node.manager.admission.begin({ direction: 'inbound', stack: 'rlpx', address })
    const socket = Object.assign(new EventTarget(), { remoteAddr: address, status: 'open' })
    expect(node.manager.acceptIncomingConnection(socket as never)).toBe(true)
  })
})

describe('openStream and openConnection', () => {
  it('reuse a connection of the stack that serves the protocol, never the other', async () => {
    const dials: unknown[] = []
    const node = started(
      {},
      {
        dialRatio: 0,
        isStatic: () => false,
        dial: async (target, options) => {
          dials.push([target, options?.protocol])
          return node.open(node.libp2p(peer(1), 'outbound'), []).asConnection()
        },
      },
      ['/eth/69'],
    )
    const rlpx = node.open(node.rlpx(peer(1)))
    await node.manager.openStream(peer(1), ['/eth/69', '/ipfs/ping/1.0.0'])
    expect(rlpx.opened).toEqual([['/eth/69']])
    await node.manager.openStream(peer(1), '/ipfs/ping/1.0.0')
    expect(dials).toEqual([[peer(1), '/ipfs/ping/1.0.0']])
    const [, libp2p] = node.manager.getConnections(peer(1))
    expect(await node.manager.openConnection(peer(1))).toBe(libp2p)
    expect(await node.manager.openConnection(addressOf('10.0.0.1').encapsulate(`/p2p/${peer(1)}`))).toBe(rlpx as unknown as Connection)
    expect(dials).toHaveLength(1)
    await node.manager.openConnection(peer(1), { force: true })
    expect(dials).toHaveLength(2)
  })

  it('do not begin a dial that would be refused at its end', async () => {
    let dials = 0
    const dial = async (): Promise<Connection> => {
      dials++
      throw new Error('out of reach')
    }
    const node = started({ maxPeers: 1, limits: { perPeer: 1 } }, { dialRatio: 0, isStatic: () => false, dial })
    const refused = (cause: string) => ({ code: 'connection-manager/dial-failed', cause: { code: `connection-manager/${cause}` } })
    node.open(node.libp2p(peer(1)), [])
    await expect(node.manager.openConnection(peer(2))).rejects.toMatchObject(refused('too-many-peers'))
    await expect(node.manager.openConnection(peer(1), { force: true })).rejects.toMatchObject(refused('too-many-of-peer'))
    node.manager.ban(peer(3))
    await expect(node.manager.openStream(peer(3), '/chat/1.0.0')).rejects.toMatchObject(refused('banned'))
    expect([node.manager.dialRefusal(peer(1), 'rlpx'), dials]).toEqual([undefined, 0])
    node.manager.maxPeers = 2
    await expect(node.manager.openConnection(peer(2))).rejects.toThrow('out of reach')
  })

  it('refuse to dial ourselves, before the start, and after an abort', async () => {
    const node = new TestNode()
    await expect(node.manager.openConnection(peer(1))).rejects.toThrow(expect.objectContaining({ name: 'NotStartedError' }))
    node.manager.start()
    await expect(node.manager.openConnection(peer(9_999))).rejects.toThrow(expect.objectContaining({ name: 'InvalidPeerIdError' }))
    await expect(node.manager.openConnection(peer(1), { signal: AbortSignal.abort() })).rejects.toThrow(
      expect.objectContaining({ name: 'AbortError' }),
    )
  })
})

describe('options', () => {
  it('reads dialRatio from the dialer when it is asked', () => {
    const dialer = { dialRatio: 1, isStatic: () => false }
    const node = started({ maxPeers: 2 }, dialer)
    expect(() => node.open(node.rlpx(peer(1)))).toThrow('connection-manager/too-many-inbound')
    dialer.dialRatio = 3
    node.open(node.rlpx(peer(1)))
    expect(() => node.open(node.rlpx(peer(2)))).toThrow('connection-manager/too-many-inbound')
  })

  it.each([
    { maxPeers: -1 },
    { maxPeers: 1.5 },
    { maxPendingPeers: Number.NaN },
    { limits: { perIp: -2 } },
    { maxConnections: 3 },
    { limits: { perIP: 3 } },
    { inboundThrottleMs: 'x' },
    { closeTimeoutMs: -1 },
    { inboundRate: { perIP: { count: 1, intervalMs: 1 } } },
    { inboundRate: { perIp: { count: 1 } } },
    { inboundRate: { total: { count: -1, intervalMs: 1_000 } } },
    { limits: { perProtocol: { 'eth/69': -1 } } },
    { addressFilters: { default: 'deny' } },
    { addressFilters: { defaultAction: 'Deny' } },
    { addressFilters: { filters: [{ mask: '10.0.0.0/8', action: 'drop' }] } },
  ])('%o is misuse', (options: object) => {
    expect(() => new TestNode(options)).toThrow(expect.objectContaining({ code: 'connection-manager/bad-option' }))
  })
})
