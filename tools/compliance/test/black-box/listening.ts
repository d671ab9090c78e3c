import { FaultTolerance } from '@libp2p/interface'
import { memory } from '@libp2p/memory'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { type Check, check, errorOf, until } from './check.ts'
import { addressOf, connected, detailsOf, eventsOf, peek, starting } from './stage.ts'

const LOOPBACK = '/ip4/127.0.0.1/tcp/0'

/** Addresses without the peer at their end, and with no port that differs from run to run. */
function plain(addresses: readonly { toString(): string }[]): string[] {
  return addresses.map((address) =>
    address
      .toString()
      .replace(/\/p2p\/[^/]+$/, '')
      .replace(/tcp\/[1-9]\d*/, 'tcp/PORT'),
  )
}

export const LISTENING: readonly Check[] = [
  check('listening: an address ends in the peer id', true, async (stage) => {
    const place = stage.place()
    const node = await stage.node({ addresses: { listen: [place] } })
    return addressOf(node).toString() === `${place}/p2p/${node.peerId}`
  }),

  check(
    'listening: port 0 becomes the port taken, over TCP and WebSockets',
    ['/ip4/127.0.0.1/tcp/PORT', '/ip4/127.0.0.1/tcp/PORT/ws'],
    async (stage) => {
      const node = await stage.node({ transports: [tcp(), webSockets()], addresses: { listen: [LOOPBACK, `${LOOPBACK}/ws`] } })
      return plain(node.getMultiaddrs()).sort()
    },
  ),

  check('listening: on none, a node has no address and still dials', [0, 1], async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    await a.dial(addressOf(b))
    return [a.getMultiaddrs().length, a.getPeers().length]
  }),

  check('listening: each of several addresses takes connections', 2, async (stage) => {
    const [a, b] = [await stage.node(), await stage.node({ addresses: { listen: [stage.place(), stage.place()] } })]
    for (const address of b.getMultiaddrs()) await a.dial(address, { force: true })
    return a.getConnections(b.peerId).length
  }),

  check(
    'listening: each address is told of, before the start is',
    ['transport:listening', 'transport:listening', 'start'],
    async (stage) => {
      const node = await stage.node({ start: false, addresses: { listen: [stage.place(), stage.place()] } })
      const seen = eventsOf(node, 'transport:listening', 'start')
      await node.start()
      return seen
    },
  ),

  check('listening: the event has the listener, which has its addresses', 1, async (stage) => {
    const node = await stage.listener({ start: false })
    const seen = detailsOf(node, 'transport:listening')
    await node.start()
    return seen.flatMap((listener) => listener.getAddrs()).length
  }),

  check('listening: its end is told of, before the stop is', ['transport:close', 'stop'], async (stage) => {
    const node = await stage.listener()
    const seen = eventsOf(node, 'transport:close', 'stop')
    await node.stop()
    return seen
  }),

  check('listening: an address that no transport takes ends the start', ['UnsupportedListenAddressesError', 'stopped'], async (stage) => {
    const node = await stage.node({ start: false, addresses: { listen: [LOOPBACK] } })
    return [await errorOf(starting(node)), node.status]
  }),

  check('listening: one that is in use ends the start', 'UnsupportedListenAddressesError', async (stage) => {
    const place = stage.place()
    await stage.node({ addresses: { listen: [place] } })
    return await errorOf(stage.node({ addresses: { listen: [place] } }))
  }),

  check('listening: with fault tolerance, the others do', ['started', 1], async (stage) => {
    const place = stage.place()
    await stage.node({ addresses: { listen: [place] } })
    const node = await stage.node({
      addresses: { listen: [place, stage.place()] },
      transportManager: { faultTolerance: FaultTolerance.NO_FATAL },
    })
    return [node.status, node.getMultiaddrs().length]
  }),

  check('listening: with fault tolerance, none at all is well, too', ['started', 0], async (stage) => {
    const node = await stage.node({ addresses: { listen: [LOOPBACK] }, transportManager: { faultTolerance: FaultTolerance.NO_FATAL } })
    return [node.status, node.getMultiaddrs().length]
  }),

  check('listening: two transports by one name are refused', 'InvalidParametersError', async (stage) => {
    return await errorOf(stage.node({ transports: [memory(), memory()] }))
  }),

  check('addresses: announce takes the place of what is listened on', ['/dns4/tea.example/tcp/1'], async (stage) => {
    const node = await stage.listener({ addresses: { announce: ['/dns4/tea.example/tcp/1'] } })
    return plain(node.getMultiaddrs()).map((address) => address.replace('PORT', '1'))
  }),

  check('addresses: appendAnnounce comes beside it', 2, async (stage) => {
    const node = await stage.listener({ addresses: { listen: [stage.place()], appendAnnounce: ['/dns4/tea.example/tcp/1'] } })
    return node.getMultiaddrs().length
  }),

  check('addresses: announceFilter has the last word', ['/dns4/tea.example/tcp/PORT'], async (stage) => {
    const announceFilter = (all: ReturnType<typeof multiaddr>[]): ReturnType<typeof multiaddr>[] =>
      all.filter((address) => address.toString().includes('tea'))
    const node = await stage.listener({
      addresses: { listen: [stage.place()], appendAnnounce: ['/dns4/tea.example/tcp/1'], announceFilter },
    })
    return plain(node.getMultiaddrs())
  }),

  check('addresses: noAnnounce keeps an address to ourselves', 1, async (stage) => {
    const [told, kept] = [stage.place(), stage.place()]
    const node = await stage.node({ addresses: { listen: [told, kept], noAnnounce: [kept] } })
    return node.getMultiaddrs().length
  }),

  check('addresses: one that is said twice is told once', 1, async (stage) => {
    const node = await stage.node({ addresses: { announce: ['/dns4/tea.example/tcp/1', '/dns4/tea.example/tcp/1'] } })
    return node.getMultiaddrs().length
  }),

  check('addresses: ours are in our own entry of the peer store, and told of', [1, true], async (stage) => {
    const node = await stage.listener({ start: false })
    const seen = detailsOf(node, 'self:peer:update')
    await node.start()
    await until('the store has it', async () => (await node.peerStore.get(node.peerId).catch(() => undefined))?.addresses.length === 1)
    return [(await node.peerStore.get(node.peerId)).addresses.length, seen.some(({ peer }) => peer.addresses.length === 1)]
  }),

  check('addresses: one that was observed is told only when it is confirmed', [0, 1, 0], async (stage) => {
    const node = await stage.node({ services: { peek } })
    const { addressManager } = node.services.peek.components
    const observed = multiaddr('/ip4/93.184.216.34/tcp/4001')
    const count = (): number => node.getMultiaddrs().length
    addressManager.addObservedAddr(observed)
    const seen = [count()]
    addressManager.confirmObservedAddr(observed)
    seen.push(count())
    addressManager.removeObservedAddr(observed)
    return [...seen, count()]
  }),

  check('addresses: of metadata there is where an address comes from', ['transport', 'announce'], async (stage) => {
    const node = await stage.listener({
      addresses: { listen: [stage.place()], appendAnnounce: ['/dns4/tea.example/tcp/1'] },
      services: { peek },
    })
    return node.services.peek.components.addressManager.getAddressesWithMetadata().map(({ type }) => type)
  }),

  check('addresses: a public mapping is told once it is confirmed', ['/ip4/93.184.216.34/tcp/4001'], async (stage) => {
    const node = await stage.node({
      transports: [tcp()],
      addresses: { listen: [LOOPBACK] },
      services: { peek },
    })
    const { addressManager } = node.services.peek.components
    const port = Number(
      addressOf(node)
        .getComponents()
        .find(({ name }) => name === 'tcp')?.value,
    )
    addressManager.addPublicAddressMapping('127.0.0.1', port, '93.184.216.34', 4001, 'tcp')
    const mapped = multiaddr('/ip4/93.184.216.34/tcp/4001')
    addressManager.confirmObservedAddr(mapped)
    const told = node.getMultiaddrs().map((address) => address.toString().replace(/\/p2p\/.*/, ''))
    return told.filter((address) => !address.startsWith('/ip4/127'))
  }),

  check('transports: TCP, WebSockets and memory carry a connection', ['tcp', 'ws', 'memory'], async (stage) => {
    const transports = [tcp(), webSockets(), memory()]
    const [a, b] = [
      await stage.node({ transports }),
      await stage.node({ transports, addresses: { listen: [LOOPBACK, `${LOOPBACK}/ws`, stage.place()] } }),
    ]
    const seen: string[] = []
    for (const address of b.getMultiaddrs()) {
      const { remoteAddr } = await a.dial(address, { force: true })
      const names = remoteAddr.getComponents().map(({ name }) => name)
      seen.push(names.filter((name) => ['tcp', 'ws', 'memory'].includes(name)).at(-1) ?? 'none')
    }
    await connected(a, b)
    return seen
  }),
]
