import { tcp } from '@libp2p/tcp'
import { type Check, check, errorOf, until } from './check.ts'
import { addressOf, apart, connected, detailsOf, peek, roleOf, settle } from './stage.ts'

const LISTEN = { listen: ['/ip4/127.0.0.1/tcp/0'] }

export const LIMITS: readonly Check[] = [
  check('maxConnections: is told, and can be set while running', [4, 7], async (stage) => {
    const node = await stage.node({ connectionManager: { maxConnections: 4 }, services: { peek } })
    const { connectionManager } = node.services.peek.components
    const seen = [connectionManager.getMaxConnections()]
    connectionManager.setMaxConnections(7)
    return [...seen, connectionManager.getMaxConnections()]
  }),

  check('maxConnections: bounds those that come in', 2, async (stage) => {
    const hub = await stage.listener({ connectionManager: { maxConnections: 2 } })
    for (let index = 0; index < 4; index++) await (await stage.node()).dial(addressOf(hub)).catch(() => {})
    await until('those over it are gone', () => hub.getConnections().length <= 2)
    await settle()
    return hub.getConnections().length
  }),

  check('maxConnections: is never passed, whoever dials and whatever is in use', 4, async (stage) => {
    const hub = await stage.node({ connectionManager: { maxConnections: 4 } })
    let most = 0
    hub.addEventListener('connection:open', () => {
      most = Math.max(most, hub.getConnections().length)
    })
    for (let index = 0; index < 8; index++) {
      const peer = await stage.listener()
      await peer.handle('/tea/1.0.0', () => {})
      await hub.dialProtocol(addressOf(peer), '/tea/1.0.0').catch(() => {})
    }
    await settle()
    return Math.max(most, hub.getConnections().length)
  }),

  check('maxConnections: counts connections, not peers', 2, async (stage) => {
    const [hub, peer] = [await stage.node({ connectionManager: { maxConnections: 2 } }), await stage.listener()]
    for (let index = 0; index < 3; index++) await hub.dial(addressOf(peer), { force: true }).catch(() => {})
    await until('those over it are gone', () => hub.getConnections().length <= 2)
    await settle()
    return hub.getConnections().length
  }),

  check('pruning: spares peers whose tags are worth more', { kept: 'b', told: true }, async (stage) => {
    const [b, c] = [await stage.listener(), await stage.listener()]
    const a = await stage.node({ connectionManager: { maxConnections: 2 }, services: { peek } })
    const pruned = detailsOf(a, 'connection:prune')
    await a.peerStore.merge(b.peerId, { multiaddrs: b.getMultiaddrs(), tags: { tea: { value: 90 } } })
    // Who came last is not the one that goes: b is worth more.
    await a.dial(addressOf(c))
    await a.dial(addressOf(b))
    a.services.peek.components.connectionManager.setMaxConnections(1)
    if (a.getConnections().length === 2) await (await stage.node()).dial(addressOf(b))
    await settle()
    if (a.getConnections().length === 2) {
      const d = await stage.listener()
      await a.dial(addressOf(d)).catch(() => {})
    }
    await until('it has pruned', () => a.getConnections().length === 1)
    return { kept: roleOf(a.getPeers()[0], { a, b, c }), told: pruned.length > 0 }
  }),

  check('pruning: a full node can dial, one that came and is not in use goes', [2, 1], async (stage) => {
    const [hub, b] = [await stage.listener({ connectionManager: { maxConnections: 2 } }), await stage.listener()]
    for (let index = 0; index < 2; index++) await (await stage.node()).dial(addressOf(hub))
    await until('it is full', () => hub.getConnections().length === 2)
    await b.handle('/tea/1.0.0', () => {})
    await until('identify is over', () => hub.getConnections().every(({ streams }) => streams.length === 0))
    await hub.dialProtocol(addressOf(b), '/tea/1.0.0')
    await until('one has gone', () => hub.getConnections().length <= 2)
    await settle()
    return [hub.getConnections().length, hub.getConnections(b.peerId).length]
  }),

  check('deny: keeps an address from connecting', [0, 0], async (stage) => {
    const hub = await stage.node({ transports: [tcp()], addresses: LISTEN, connectionManager: { deny: ['/ip4/127.0.0.1'] } })
    const guest = await stage.node({ transports: [tcp()] })
    await guest.dial(addressOf(hub)).catch(() => {})
    await apart(hub, guest)
    return [hub.getConnections().length, guest.getConnections().length]
  }),

  check('allow: lets an address connect when the node is full', 2, async (stage) => {
    const hub = await stage.node({
      transports: [tcp()],
      addresses: LISTEN,
      connectionManager: { maxConnections: 1, allow: ['/ip4/127.0.0.1'] },
    })
    for (let index = 0; index < 2; index++) {
      const guest = await stage.node({ transports: [tcp()] })
      await guest.dial(addressOf(hub)).catch(() => {})
    }
    await settle()
    return hub.getConnections().length
  }),

  check('inboundConnectionThreshold: bounds how many one address opens in a second', { most: 2, refused: true }, async (stage) => {
    const hub = await stage.node({
      transports: [tcp()],
      addresses: LISTEN,
      connectionManager: { inboundConnectionThreshold: 2 },
    })
    const seen: string[] = []
    for (let index = 0; index < 4; index++) {
      const guest = await stage.node({ transports: [tcp()] })
      seen.push(await errorOf(guest.dial(addressOf(hub))))
    }
    await settle()
    return { most: Math.min(2, hub.getConnections().length), refused: hub.getConnections().length < 4 }
  }),

  check('maxIncomingPendingConnections: bounds the connections being set up', 1, async (stage) => {
    const gate = Promise.withResolvers<boolean>()
    let pending = 0
    let most = 0
    const hub = await stage.listener({
      connectionManager: { maxIncomingPendingConnections: 1 },
      connectionGater: {
        denyInboundConnection: async () => {
          pending += 1
          most = Math.max(most, pending)
          return await gate.promise
        },
      },
    })
    const dials = [0, 1, 2].map(async () => await (await stage.node()).dial(addressOf(hub)).catch(() => {}))
    await until('one is pending', () => pending > 0)
    await settle()
    gate.resolve(false)
    await Promise.all(dials)
    return most
  }),

  check('inboundUpgradeTimeout: ends a connection that is not ready in time', [0, true], async (stage) => {
    const hub = await stage.node({
      transports: [tcp()],
      addresses: LISTEN,
      connectionManager: { inboundUpgradeTimeout: 100 },
    })
    const { createConnection } = await import('node:net')
    const port = Number(
      addressOf(hub)
        .getComponents()
        .find(({ name }) => name === 'tcp')?.value,
    )
    const socket = createConnection(port, '127.0.0.1')
    const closed = new Promise<boolean>((resolve) => socket.on('close', () => resolve(true)).on('error', () => {}))
    socket.resume()
    const isClosed = await closed
    return [hub.getConnections().length, isClosed]
  }),

  check('connections: several to one peer are all of one peer', [3, 1], async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    for (let index = 0; index < 3; index++) await a.dial(addressOf(b), { force: true })
    await connected(a, b)
    return [a.getConnections(b.peerId).length, a.getPeers().length]
  }),
]
