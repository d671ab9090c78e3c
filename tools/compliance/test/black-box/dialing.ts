import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { type Connection, KEEP_ALIVE } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { type Check, check, errorOf, until } from './check.ts'
import { aborted, guarded, router, stranger } from './parts.ts'
import { addressOf, apart, connected, placeOf, roleOf, settle } from './stage.ts'

/** What is told of a dial in any case, in this order. */
const PROGRESS: readonly string[] = [
  'dial-queue:add-to-dial-queue',
  'dial-queue:start-dial',
  'dial-queue:calculated-addresses',
  'transport-manager:selected-transport',
  'upgrader:encrypt-outbound-connection',
]

export const DIALING: readonly Check[] = [
  check('dial: an address with a peer id', 'b', async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    const { remotePeer } = await a.dial(addressOf(b))
    return roleOf(remotePeer, { a, b })
  }),

  check('dial: an address without a peer id', 'b', async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    const { remotePeer } = await a.dial(placeOf(b))
    return roleOf(remotePeer, { a, b })
  }),

  check('dial: several addresses of a peer, one of them good', 'b', async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    const bad = multiaddr(`${stage.place()}/p2p/${b.peerId}`)
    const { remotePeer } = await a.dial([bad, addressOf(b)])
    return roleOf(remotePeer, { a, b })
  }),

  check('dial: several addresses without a peer id', 'b', async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    const { remotePeer } = await a.dial([multiaddr(stage.place()), placeOf(b)])
    return roleOf(remotePeer, { a, b })
  }),

  check('dial: a peer id whose address is in the peer store', 'b', async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    await a.peerStore.merge(b.peerId, { multiaddrs: b.getMultiaddrs() })
    const { remotePeer } = await a.dial(b.peerId)
    return roleOf(remotePeer, { a, b })
  }),

  check('dial: a peer id that peer routing finds', ['b', 1], async (stage) => {
    const b = await stage.listener()
    const asked: string[] = []
    const a = await stage.node({ peerRouters: [router([{ id: b.peerId, multiaddrs: b.getMultiaddrs() }], asked) as never] })
    const { remotePeer } = await a.dial(b.peerId)
    return [roleOf(remotePeer, { a, b }), asked.length]
  }),

  check('dial: a /dnsaddr leads where its TXT records say', 'b', async (stage) => {
    const b = await stage.listener()
    const answer = { name: '_dnsaddr.tea.example', type: 16, TTL: 60, data: `dnsaddr=${addressOf(b)}` }
    const dns = {
      query: async () => ({ Status: 0, TC: false, RD: false, RA: false, AD: false, CD: false, Question: [], Answer: [answer] }),
    }
    const a = await stage.node({ dns: dns as never })
    const { remotePeer } = await a.dial(multiaddr(`/dnsaddr/tea.example/p2p/${b.peerId}`))
    return roleOf(remotePeer, { a, b })
  }),

  check('dial: an address that served is kept in the peer store', true, async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    await a.dial(addressOf(b))
    await until('it is stored', async () => (await a.peerStore.get(b.peerId).catch(() => undefined))?.addresses.length === 1)
    const { addresses } = await a.peerStore.get(b.peerId)
    return addresses.some(({ multiaddr: address }) => placeOf(b).equals(address))
  }),

  check('dial: an open connection is used again', 'same', async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    const [first, second, third] = [await a.dial(addressOf(b)), await a.dial(addressOf(b)), await a.dial(b.peerId)]
    return first === second && second === third ? 'same' : 'another'
  }),

  check('dial: an inbound connection is used, too', 'same', async (stage) => {
    const [a, b] = [await stage.listener(), await stage.listener()]
    await b.dial(addressOf(a))
    await connected(a, b)
    return (await a.dial(b.peerId)) === a.getConnections(b.peerId)[0] ? 'same' : 'another'
  }),

  check('dial: force makes another', [2, 1], async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    await a.dial(addressOf(b))
    await a.dial(addressOf(b), { force: true })
    return [a.getConnections(b.peerId).length, a.getPeers().length]
  }),

  check('dial: concurrent dials of one address are one', { isSame: true, connections: 1 }, async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    const dialed = await Promise.all([a.dial(addressOf(b)), a.dial(addressOf(b)), a.dial(addressOf(b))])
    return { isSame: new Set(dialed).size === 1, connections: a.getConnections(b.peerId).length }
  }),

  check('dial: concurrent dials of one peer by id and by address are one', 1, async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    await a.peerStore.merge(b.peerId, { multiaddrs: b.getMultiaddrs() })
    const dialed = await Promise.all([a.dial(b.peerId), a.dial(b.peerId), a.dial(addressOf(b))])
    return new Set(dialed).size
  }),

  check('dial: who leaves a joined dial leaves the others to it', ['AbortError', 'b'], async (stage) => {
    const b = await stage.listener()
    const gate = Promise.withResolvers<void>()
    const a = await stage.node({ transports: [guarded(async () => await gate.promise)] })
    const controller = new AbortController()
    const [leaver, stayer] = [a.dial(addressOf(b), { signal: controller.signal }), a.dial(addressOf(b))]
    const left = errorOf(leaver)
    await settle()
    controller.abort()
    const seen = await left
    gate.resolve()
    return [seen, roleOf((await stayer).remotePeer, { a, b })]
  }),

  check('dial: an address that fails does not keep the next from being dialed', 'b', async (stage) => {
    const b = await stage.node({ addresses: { listen: [stage.place(), stage.place()] } })
    const [bad] = b.getMultiaddrs()
    const a = await stage.node({
      transports: [
        guarded(async (address) => {
          if (bad?.equals(address) === true) throw new Error('no way through')
        }),
      ],
    })
    const { remotePeer } = await a.dial(b.getMultiaddrs())
    return roleOf(remotePeer, { a, b })
  }),

  check('dial: one stalled address costs less than its timeout', 'at once', async (stage) => {
    const b = await stage.node({ addresses: { listen: [stage.place(), stage.place()] } })
    const [stalled] = b.getMultiaddrs()
    const a = await stage.node({
      transports: [guarded(async (address, signal) => (stalled?.equals(address) === true ? await aborted(signal) : undefined))],
      connectionManager: { addressDialTimeout: 2_000 },
    })
    const begun = performance.now()
    await a.dial(b.getMultiaddrs())
    return performance.now() - begun < 1_500 ? 'at once' : 'after its timeout'
  }),

  check('dial: ourselves, by peer id', 'InvalidPeerIdError', async (stage) => {
    const a = await stage.listener()
    return await errorOf(a.dial(a.peerId))
  }),

  check('dial: ourselves, by address', 'InvalidPeerIdError', async (stage) => {
    const a = await stage.listener()
    return await errorOf(a.dial(addressOf(a)))
  }),

  check('dial: ourselves, by an address that does not say so', ['InvalidPeerIdError', 0], async (stage) => {
    const a = await stage.listener()
    return [await errorOf(a.dial(placeOf(a))), a.getConnections().length]
  }),

  check('dial: a peer of whom no address is known', 'NoValidAddressesError', async (stage) => {
    const a = await stage.node()
    return await errorOf(a.dial(await stranger()))
  }),

  check('dial: an address that no transport takes', 'NoValidAddressesError', async (stage) => {
    const a = await stage.node()
    return await errorOf(a.dial(multiaddr(`/ip4/127.0.0.1/tcp/1/p2p/${await stranger()}`)))
  }),

  check('dial: no addresses at all', 'NoValidAddressesError', async (stage) => {
    const a = await stage.node()
    return await errorOf(a.dial([]))
  }),

  check('dial: addresses of different peers', 'InvalidParametersError', async (stage) => {
    const a = await stage.node()
    const [one, two] = [await stranger(), await stranger()]
    return await errorOf(a.dial([multiaddr(`${stage.place()}/p2p/${one}`), multiaddr(`${stage.place()}/p2p/${two}`)]))
  }),

  check('dial: what is no target', 'TypeError', async (stage) => {
    const a = await stage.node()
    return await errorOf(a.dial('tea' as unknown as Multiaddr))
  }),

  check('dial: an address where another peer is', ['EncryptionFailedError', 0], async (stage) => {
    const transports = [tcp()]
    const [a, b] = [await stage.node({ transports }), await stage.node({ transports, addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] } })]
    const wrong = placeOf(b).encapsulate(`/p2p/${await stranger()}`)
    return [await errorOf(a.dial(wrong)), a.getConnections().length]
  }),

  check('dial: an address in memory where another peer is', ['EncryptionFailedError', 0], async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    const wrong = placeOf(b).encapsulate(`/p2p/${await stranger()}`)
    return [await errorOf(a.dial(wrong)), a.getConnections().length]
  }),

  check('dial: an address where nobody is', 'ConnectionFailedError', async (stage) => {
    const a = await stage.node()
    return await errorOf(a.dial(multiaddr(`${stage.place()}/p2p/${await stranger()}`)))
  }),

  check('dial: addresses that all fail, each for its own reason', ['AggregateError', 2], async (stage) => {
    const a = await stage.node()
    const peer = await stranger()
    const error: unknown = await a
      .dial([multiaddr(`${stage.place()}/p2p/${peer}`), multiaddr(`${stage.place()}/p2p/${peer}`)])
      .catch((thrown: unknown) => thrown)
    return [error instanceof Error ? error.name : 'none', error instanceof AggregateError ? error.errors.length : 0]
  }),

  check('dial: with a signal that has aborted', ['AbortError', 0], async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    return [await errorOf(a.dial(addressOf(b), { signal: AbortSignal.abort() })), a.getConnections().length]
  }),

  check('dial: with a signal that aborts meanwhile', ['AbortError', 0], async (stage) => {
    const b = await stage.listener()
    const a = await stage.node({ transports: [guarded(async (_, signal) => await aborted(signal))] })
    const controller = new AbortController()
    const seen = errorOf(a.dial(addressOf(b), { signal: controller.signal }))
    await settle()
    controller.abort()
    return [await seen, a.getConnections().length]
  }),

  check('dial: a stalled one ends after dialTimeout', 'TimeoutError', async (stage) => {
    const b = await stage.listener()
    const a = await stage.node({
      transports: [guarded(async (_, signal) => await aborted(signal))],
      connectionManager: { dialTimeout: 150 },
    })
    return await errorOf(a.dial(addressOf(b)))
  }),

  check('dial: a stalled address ends after addressDialTimeout', 'TimeoutError', async (stage) => {
    const b = await stage.listener()
    const a = await stage.node({
      transports: [guarded(async (_, signal) => await aborted(signal))],
      connectionManager: { addressDialTimeout: 150 },
    })
    return await errorOf(a.dial(addressOf(b)))
  }),

  check('dial: addressSorter says which address comes first', [1, 0], async (stage) => {
    const b = await stage.node({ addresses: { listen: [stage.place(), stage.place()] } })
    const order: number[] = []
    const indexOf = (address: Multiaddr): number => b.getMultiaddrs().findIndex((each) => each.equals(address))
    const a = await stage.node({
      transports: [
        guarded(async (address) => {
          order.push(indexOf(address))
          if (order.length === 1) throw new Error('not this one')
        }),
      ],
      connectionManager: { addressSorter: (x, y) => (indexOf(x.multiaddr) > indexOf(y.multiaddr) ? -1 : 1) },
    })
    await a.dial(b.getMultiaddrs())
    return order
  }),

  check('dial: maxPeerAddrsToDial bounds the addresses tried', [2, 'failed'], async (stage) => {
    const peer = await stranger()
    let tried = 0
    const a = await stage.node({
      transports: [
        guarded(async () => {
          tried += 1
          throw new Error('no way through')
        }),
      ],
      connectionManager: { maxPeerAddrsToDial: 2 },
    })
    const addresses = [0, 1, 2, 3].map(() => multiaddr(`${stage.place()}/p2p/${peer}`))
    const ended = await errorOf(a.dial(addresses))
    return [tried, ended === 'no error' ? ended : 'failed']
  }),

  check('dial: maxParallelDials bounds the dials under way', [2, 4], async (stage) => {
    const nodes = [await stage.listener(), await stage.listener(), await stage.listener(), await stage.listener()]
    let [open, most] = [0, 0]
    const a = await stage.node({
      transports: [
        guarded(async () => {
          open += 1
          most = Math.max(most, open)
          await settle()
          open -= 1
        }),
      ],
      connectionManager: { maxParallelDials: 2 },
    })
    await Promise.all(nodes.map(async (node) => await a.dial(addressOf(node))))
    return [most, a.getPeers().length]
  }),

  check('dial: one of higher priority goes first', ['first', 'high', 'low'], async (stage) => {
    const [first, low, high] = [await stage.listener(), await stage.listener(), await stage.listener()]
    const gate = Promise.withResolvers<void>()
    const order: string[] = []
    const nameAt = (address: Multiaddr): string =>
      addressOf(first).equals(address) ? 'first' : addressOf(high).equals(address) ? 'high' : 'low'
    const a = await stage.node({
      transports: [
        guarded(async (address) => {
          order.push(nameAt(address))
          await gate.promise
        }),
      ],
      connectionManager: { maxParallelDials: 1 },
    })
    const dials = [a.dial(addressOf(first))]
    await until('the first is under way', () => order.length === 1)
    dials.push(a.dial(addressOf(low), { priority: 10 } as never), a.dial(addressOf(high), { priority: 90 } as never))
    await settle()
    gate.resolve()
    await Promise.all(dials)
    return order
  }),

  check(
    'dial queue: has each dial until it is over',
    { before: 0, during: 1, status: 'active', peer: 'b', addresses: 1, after: 0 },
    async (stage) => {
      const b = await stage.listener()
      const gate = Promise.withResolvers<void>()
      let isDialing = false
      const a = await stage.node({
        transports: [
          guarded(async () => {
            isDialing = true
            await gate.promise
          }),
        ],
      })
      const before = a.getDialQueue().length
      const dial = a.dial(addressOf(b))
      await until('it dials', () => isDialing)
      const queue = a.getDialQueue()
      const [item] = queue
      const addresses = item?.multiaddrs.length
      gate.resolve()
      await dial
      await until('it is over', () => a.getDialQueue().length === 0)
      return {
        before,
        during: queue.length,
        status: item?.status,
        peer: roleOf(item?.peerId, { a, b }),
        addresses,
        after: a.getDialQueue().length,
      }
    },
  ),

  check('dial: tells of its progress', PROGRESS, async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    const seen: string[] = []
    await a.dial(addressOf(b), { onProgress: ({ type }) => void seen.push(type) })
    return seen.filter((type) => PROGRESS.includes(type))
  }),

  check('dial: tells that a connection is there already', ['dial-queue:already-connected'], async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    await a.dial(addressOf(b))
    const seen: string[] = []
    await a.dial(addressOf(b), { onProgress: ({ type }) => void seen.push(type) })
    return seen.filter((type) => type === 'dial-queue:already-connected')
  }),

  check('connection: is encrypted as both can, in the order of who dials', ['/tls/1.0.0', '/noise'], async (stage) => {
    const b = await stage.listener({ connectionEncrypters: [noise(), tls()] })
    const [first, second] = [await stage.node({ connectionEncrypters: [tls(), noise()] }), await stage.node()]
    return [(await first.dial(addressOf(b))).encryption, (await second.dial(addressOf(b))).encryption]
  }),

  check('connection: is none without an encryption that both can', ['failed', 0, 0], async (stage) => {
    const [a, b] = [await stage.node({ connectionEncrypters: [tls()] }), await stage.listener({ connectionEncrypters: [noise()] })]
    const ended = await errorOf(a.dial(addressOf(b)))
    await apart(a, b)
    return [ended === 'no error' ? ended : 'failed', a.getPeers().length, b.getPeers().length]
  }),

  check(
    'connection: tells what it is',
    {
      direction: ['outbound', 'inbound'],
      encryption: '/noise',
      multiplexer: '/yamux/1.0.0',
      status: 'open',
      direct: true,
      isLimited: false,
      isOpenSince: true,
      streams: 0,
      endsInPeer: [true, true],
    },
    async (stage) => {
      const [a, b] = [await stage.node(), await stage.listener()]
      const connection = await a.dial(placeOf(b))
      await connected(a, b)
      const [other] = b.getConnections(a.peerId)
      const { encryption, multiplexer, status, direct, limits, timeline, streams } = connection
      return {
        direction: [connection.direction, other?.direction],
        encryption,
        multiplexer,
        status,
        direct,
        isLimited: limits !== undefined,
        isOpenSince: Date.now() - timeline.open < 10_000,
        streams: streams.length,
        endsInPeer: [
          connection.remoteAddr.toString().endsWith(`/p2p/${b.peerId}`),
          other?.remoteAddr.toString().endsWith(`/p2p/${a.peerId}`),
        ],
      }
    },
  ),

  check('connection: closes', { status: ['closed', 'closed'], closed: true, left: [0, 0] }, async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    const connection = await a.dial(addressOf(b))
    await connected(a, b)
    const other = b.getConnections(a.peerId)[0] as Connection
    await connection.close()
    await apart(a, b)
    return {
      status: [connection.status, other.status],
      closed: typeof connection.timeline.close === 'number',
      left: [a.getPeers().length, b.getPeers().length],
    }
  }),

  check('connection: is aborted, and says why', { status: 'aborted', error: 'cold tea', local: true }, async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    const connection = await a.dial(addressOf(b))
    await connected(a, b)
    const closed = Promise.withResolvers<{ error: string | undefined; local: boolean | undefined }>()
    connection.addEventListener('close', ({ error, local }) => closed.resolve({ error: error?.message, local }))
    connection.abort(new Error('cold tea'))
    const { error, local } = await closed.promise
    await apart(a, b)
    return { status: connection.status, error, local }
  }),

  check('getConnections: of one peer, or of all; getPeers: each once', { all: 3, b: 2, c: 1, stranger: 0, peers: 2 }, async (stage) => {
    const [a, b, c] = [await stage.node(), await stage.listener(), await stage.listener()]
    await a.dial(addressOf(b))
    await a.dial(addressOf(b), { force: true })
    await a.dial(addressOf(c))
    return {
      all: a.getConnections().length,
      b: a.getConnections(b.peerId).length,
      c: a.getConnections(c.peerId).length,
      stranger: a.getConnections(await stranger()).length,
      peers: a.getPeers().length,
    }
  }),

  check('hangUp: by peer id ends all connections to a peer', [0, 1], async (stage) => {
    const [a, b, c] = [await stage.node(), await stage.listener(), await stage.listener()]
    await a.dial(addressOf(b))
    await a.dial(addressOf(b), { force: true })
    await a.dial(addressOf(c))
    await a.hangUp(b.peerId)
    await apart(a, b)
    return [a.getConnections(b.peerId).length, a.getConnections(c.peerId).length]
  }),

  check('hangUp: by address', 0, async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    await a.dial(addressOf(b))
    await connected(a, b)
    await a.hangUp(addressOf(b))
    await apart(a, b)
    return a.getPeers().length
  }),

  check('hangUp: of a peer that is not connected does nothing', 'no error', async (stage) => {
    const a = await stage.node()
    return await errorOf(a.hangUp(await stranger()))
  }),

  check('isDialable: where a transport takes one of the addresses', [true, false, true, false], async (stage) => {
    const a = await stage.node()
    const [yes, no] = [multiaddr(stage.place()), multiaddr('/ip4/127.0.0.1/tcp/1')]
    return [await a.isDialable(yes), await a.isDialable(no), await a.isDialable([no, yes]), await a.isDialable([])]
  }),

  check('isDialable: not over a relay where the connection is to be unlimited', [true, false], async (stage) => {
    const a = await stage.node({ transports: [tcp(), circuitRelayTransport()], services: { identify: identify() } })
    const relayed = multiaddr(`/ip4/127.0.0.1/tcp/1/p2p/${await stranger()}/p2p-circuit/p2p/${await stranger()}`)
    return [await a.isDialable(relayed), await a.isDialable(relayed, { runOnLimitedConnection: false })]
  }),

  check('isDialable: not where the gater denies it', false, async (stage) => {
    const a = await stage.node({ connectionGater: { denyDialMultiaddr: () => true } })
    return await a.isDialable(multiaddr(stage.place()))
  }),

  check('keep-alive: a peer so tagged is dialed again when it is gone', 'b', async (stage) => {
    const [a, b] = [await stage.node({ connectionManager: { reconnectRetryInterval: 10 } }), await stage.listener()]
    await a.dial(addressOf(b))
    await connected(a, b)
    await a.peerStore.merge(b.peerId, { multiaddrs: b.getMultiaddrs(), tags: { [`${KEEP_ALIVE}-tea`]: { value: 1 } } })
    await b.hangUp(a.peerId)
    await apart(a, b).catch(() => {})
    await connected(a, b)
    return roleOf(a.getPeers()[0], { a, b })
  }),

  check('keep-alive: a peer so tagged is dialed at the start', 'b', async (stage) => {
    const [a, b] = [await stage.node({ start: false }), await stage.listener()]
    await a.peerStore.merge(b.peerId, { multiaddrs: b.getMultiaddrs(), tags: { [KEEP_ALIVE]: { value: 1 } } })
    await a.start()
    await connected(a, b)
    return roleOf(a.getPeers()[0], { a, b })
  }),
]
