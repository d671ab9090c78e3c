import { bootstrap } from '@libp2p/bootstrap'
import { identify } from '@libp2p/identify'
import { type PeerDiscovery, type PeerInfo, peerDiscoverySymbol, TypedEventEmitter } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { type Check, check, until } from './check.ts'
import { stranger } from './parts.ts'
import { addressOf, apart, connected, detailsOf, eventsOf, roleOf, settle } from './stage.ts'

/** A discovery that finds what it is told to. */
class Finder extends TypedEventEmitter<{ peer: CustomEvent<PeerInfo> }> implements PeerDiscovery {
  find(detail: PeerInfo): void {
    this.safeDispatchEvent('peer', { detail })
  }
}

const COMINGS = ['connection:open', 'peer:connect', 'connection:close', 'peer:disconnect'] as const

export const EVENTS: readonly Check[] = [
  check(
    'events: a peer connects as its connection opens, and disconnects as it closes, at both ends',
    [
      ['peer:connect', 'connection:open', 'peer:disconnect', 'connection:close'],
      ['peer:connect', 'connection:open', 'peer:disconnect', 'connection:close'],
    ],
    async (stage) => {
      const [a, b] = [await stage.node(), await stage.listener()]
      const seen = [eventsOf(a, ...COMINGS), eventsOf(b, ...COMINGS)]
      await a.dial(addressOf(b))
      await connected(a, b)
      await a.hangUp(b.peerId)
      await until('both were told of all', () =>
        seen.every((events) => events.includes('peer:disconnect') && events.includes('connection:close')),
      )
      return seen
    },
  ),

  check(
    'events: a peer connects once, however many connections it has',
    { 'connection:open': 2, 'peer:connect': 1, 'connection:close': 2, 'peer:disconnect': 1 },
    async (stage) => {
      const [a, b] = [await stage.node(), await stage.listener()]
      const seen = eventsOf(a, ...COMINGS)
      await a.dial(addressOf(b))
      await a.dial(addressOf(b), { force: true })
      for (const connection of a.getConnections()) await connection.close()
      await until('it is gone', () => seen.includes('peer:disconnect'))
      return Object.fromEntries(COMINGS.map((type) => [type, seen.filter((each) => each === type).length]))
    },
  ),

  check('events: a peer disconnects only with its last connection', [0, 1], async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    const seen = eventsOf(a, 'peer:disconnect')
    const [first, second] = [await a.dial(addressOf(b)), await a.dial(addressOf(b), { force: true })]
    await first.close()
    await until('one is left', () => a.getConnections().length === 1)
    await settle()
    const before = seen.length
    await second.close()
    await until('none is left', () => seen.length > 0)
    return [before, seen.length]
  }),

  check('events: of a connection tell which, and of a peer who', ['b', 'b', 'b', 'b'], async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    const [opened, closed] = [detailsOf(a, 'connection:open'), detailsOf(a, 'connection:close')]
    const [came, went] = [detailsOf(a, 'peer:connect'), detailsOf(a, 'peer:disconnect')]
    await a.dial(addressOf(b))
    await a.hangUp(b.peerId)
    await until('it is gone', () => went.length === 1)
    return [opened[0]?.remotePeer, came[0], closed[0]?.remotePeer, went[0]].map((peer) => roleOf(peer, { a, b }))
  }),

  check('events: a peer is known to be connected when its connection is told of', 1, async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    let seen = 0
    a.addEventListener('peer:connect', () => {
      seen = a.getConnections(b.peerId).length
    })
    await a.dial(addressOf(b))
    return seen
  }),

  check('events: identify comes after the connection', ['peer:connect', 'connection:open', 'peer:identify'], async (stage) => {
    const services = { identify: identify() }
    const [a, b] = [await stage.node({ services }), await stage.listener({ services })]
    const seen = eventsOf(a, 'connection:open', 'peer:connect', 'peer:identify')
    await a.dial(addressOf(b))
    await until('it is identified', () => seen.includes('peer:identify'))
    return seen
  }),

  check('events: a peer that comes back connects again', ['peer:connect', 'peer:disconnect', 'peer:connect'], async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    const seen = eventsOf(a, 'peer:connect', 'peer:disconnect')
    await a.dial(addressOf(b))
    await connected(a, b)
    await a.hangUp(b.peerId)
    await apart(a, b)
    await a.dial(addressOf(b))
    await until('it is back', () => seen.length === 3)
    return seen
  }),

  check('events: a listener that was removed hears nothing', 0, async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    let seen = 0
    const listener = (): void => {
      seen += 1
    }
    a.addEventListener('peer:connect', listener)
    a.removeEventListener('peer:connect', listener)
    await a.dial(addressOf(b))
    return seen
  }),

  check('discovery: a peer that the peer store learns of is told of once', 1, async (stage) => {
    const node = await stage.node()
    const [seen, peer] = [detailsOf(node, 'peer:discovery'), await stranger()]
    await node.peerStore.merge(peer, { multiaddrs: [multiaddr(stage.place())] })
    await node.peerStore.merge(peer, { multiaddrs: [multiaddr(stage.place())] })
    await settle()
    return seen.filter(({ id }) => id.equals(peer)).length
  }),

  check('discovery: what a module finds is stored and told of', { told: [true, 1], stored: 1 }, async (stage) => {
    const finder = new Finder()
    const node = await stage.node({ peerDiscovery: [() => finder] })
    const [seen, id] = [detailsOf(node, 'peer:discovery'), await stranger()]
    finder.find({ id, multiaddrs: [multiaddr(stage.place())] })
    await until('it is told of', () => seen.length > 0)
    const stored = await node.peerStore.get(id)
    return { told: [seen[0]?.id.equals(id), seen[0]?.multiaddrs.length], stored: stored.addresses.length }
  }),

  check('discovery: a service may be one', true, async (stage) => {
    const finder = new Finder()
    const node = await stage.node({ services: { finder: () => ({ [peerDiscoverySymbol]: finder }) } })
    const [seen, id] = [detailsOf(node, 'peer:discovery'), await stranger()]
    finder.find({ id, multiaddrs: [multiaddr(stage.place())] })
    await until('it is told of', () => seen.length > 0)
    return seen[0]?.id.equals(id)
  }),

  check('discovery: finding ourselves is nothing new', { told: 0, addresses: 0 }, async (stage) => {
    const finder = new Finder()
    const node = await stage.node({ peerDiscovery: [() => finder] })
    const seen = detailsOf(node, 'peer:discovery')
    finder.find({ id: node.peerId, multiaddrs: [multiaddr(stage.place())] })
    await settle()
    const own = await node.peerStore.get(node.peerId).catch(() => undefined)
    return { told: seen.length, addresses: own?.addresses.length ?? 0 }
  }),

  check('discovery: bootstrap finds its list, and tags it', { discovered: 'b', tags: ['bootstrap'] }, async (stage) => {
    const transports = [tcp()]
    const b = await stage.node({ transports, addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] } })
    const a = await stage.node({ transports, start: false, peerDiscovery: [bootstrap({ list: [addressOf(b).toString()], timeout: 10 })] })
    const seen = detailsOf(a, 'peer:discovery')
    await a.start()
    await until('it is found', () => seen.some(({ id }) => id.equals(b.peerId)))
    const { tags } = await a.peerStore.get(b.peerId)
    return {
      discovered: roleOf(seen.find(({ id }) => id.equals(b.peerId))?.id, { a, b }),
      tags: [...tags.keys()].filter((tag) => tag === 'bootstrap'),
    }
  }),

  check('peer:update: tells what a peer was and is', [[], ['/tea/1.0.0']], async (stage) => {
    const [node, peer] = [await stage.node(), await stranger()]
    await node.peerStore.merge(peer, { multiaddrs: [multiaddr(stage.place())] })
    const seen = detailsOf(node, 'peer:update')
    await node.peerStore.merge(peer, { protocols: ['/tea/1.0.0'] })
    await until('it is told', () => seen.length > 0)
    return [seen[0]?.previous?.protocols, seen[0]?.peer.protocols]
  }),

  check('self:peer:update: tells of our new protocol', true, async (stage) => {
    const node = await stage.node()
    const seen = detailsOf(node, 'self:peer:update')
    await node.handle('/tea/1.0.0', () => {})
    await until('it is told', () => seen.some(({ peer }) => peer.protocols.includes('/tea/1.0.0')))
    return seen.every(({ peer }) => peer.id.equals(node.peerId))
  }),
]
