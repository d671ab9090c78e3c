import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import type { ConnectionGater, Libp2p, PeerId } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { type Check, check, errorOf, until } from './check.ts'
import { stranger } from './parts.ts'
import { addressOf, apart, eventsOf, placeOf, type Stage, settle, starting } from './stage.ts'

type Hook = keyof ConnectionGater

/** A gater that writes down which hooks are asked, and denies at one of them. */
function gater(asked: string[], denied?: Hook): ConnectionGater {
  const ask = (hook: Hook) => async (): Promise<boolean> => {
    asked.push(hook)
    return hook === denied
  }
  return Object.fromEntries(HOOKS.map((hook) => [hook, ask(hook)]))
}

const OUTBOUND: readonly Hook[] = [
  'denyDialPeer',
  'denyDialMultiaddr',
  'denyOutboundConnection',
  'denyOutboundEncryptedConnection',
  'denyOutboundUpgradedConnection',
]
const INBOUND: readonly Hook[] = ['denyInboundConnection', 'denyInboundEncryptedConnection', 'denyInboundUpgradedConnection']
const HOOKS: readonly Hook[] = [...OUTBOUND, ...INBOUND]

/** What follows when the dialing node denies at a hook. */
function denyOutbound(hook: Hook, error: string): Check {
  const until = OUTBOUND.slice(0, OUTBOUND.indexOf(hook) + 1)
  return check(`gater: ${hook} ends a dial`, { error, asked: until, connections: 0, events: [] }, async (stage) => {
    const asked: string[] = []
    const [a, b] = [await stage.node({ connectionGater: gater(asked, hook) }), await stage.listener()]
    const events = eventsOf(a, 'connection:open', 'peer:connect')
    return { error: await errorOf(a.dial(addressOf(b))), asked, connections: a.getConnections().length, events }
  })
}

/** What follows when the node that is dialed denies at a hook. */
function denyInbound(hook: Hook): Check {
  const upTo = INBOUND.slice(0, INBOUND.indexOf(hook) + 1)
  return check(`gater: ${hook} ends a connection that comes in`, { asked: upTo, connections: [0, 0], events: [] }, async (stage) => {
    const asked: string[] = []
    const [a, b] = [await stage.node(), await stage.listener({ connectionGater: gater(asked, hook) })]
    const events = eventsOf(b, 'connection:open', 'peer:connect')
    await a.dial(addressOf(b)).catch(() => {})
    await until('it was asked', () => asked.includes(hook))
    await apart(a, b)
    return { asked, connections: [a.getConnections().length, b.getConnections().length], events }
  })
}

interface Relayed {
  readonly relay: Libp2p
  readonly listener: Libp2p
  readonly dialer: Libp2p
}

/** A relay, a node that listens through it, and one that dials that node through it. */
async function relayed(stage: Stage, gaters: RelayGaters): Promise<Relayed> {
  const services = { identify: identify() }
  const transports = [tcp(), circuitRelayTransport()]
  const relay = await stage.node({
    transports: [tcp()],
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    services: { ...services, relay: circuitRelayServer() },
    connectionGater: gaters.relay ?? {},
  })
  const listener = await stage.node({
    transports,
    services,
    connectionGater: gaters.listener ?? {},
    start: false,
    addresses: { listen: [`${addressOf(relay)}/p2p-circuit`] },
  })
  return { relay, listener, dialer: await stage.node({ transports, services }) }
}

interface RelayGaters {
  readonly relay?: ConnectionGater
  readonly listener?: ConnectionGater
}

/** What a dial through the relay comes to, and how often the hook was asked that denies it. */
async function dialedInVain(stage: Stage, gatersOf: (deny: () => boolean) => RelayGaters): Promise<[ended: string, asked: number]> {
  let asked = 0
  const deny = (): boolean => {
    asked += 1
    return true
  }
  const { listener, dialer } = await relayed(stage, gatersOf(deny))
  await listener.start()
  await until('it has its address', () => listener.getMultiaddrs().length > 0)
  const ended = await errorOf(dialer.dial(addressOf(listener)))
  return [ended === 'no error' ? ended : 'failed', asked]
}

export const GATER: readonly Check[] = [
  check('gater: each hook is asked once, in its place', { outbound: OUTBOUND, inbound: INBOUND }, async (stage) => {
    const [outbound, inbound] = [[] as string[], [] as string[]]
    const [a, b] = [await stage.node({ connectionGater: gater(outbound) }), await stage.listener({ connectionGater: gater(inbound) })]
    await a.dial(addressOf(b))
    await until('the other has it', () => b.getConnections().length === 1)
    return { outbound, inbound }
  }),

  check('gater: hooks are told of whom and where', [true, true, true, true, true], async (stage) => {
    const b = await stage.listener()
    const seen: Partial<Record<Hook, boolean>> = {}
    const note = (hook: Hook, isRight: boolean): boolean => {
      seen[hook] = isRight
      return false
    }
    const isB = (peer: PeerId): boolean => peer.equals(b.peerId)
    const a = await stage.node({
      connectionGater: {
        denyDialPeer: (peer) => note('denyDialPeer', isB(peer)),
        denyDialMultiaddr: (address) => note('denyDialMultiaddr', address.equals(addressOf(b))),
        denyOutboundConnection: (peer, { remoteAddr }) =>
          note('denyOutboundConnection', isB(peer) && remoteAddr.toString().startsWith(placeOf(b).toString())),
        denyOutboundEncryptedConnection: (peer) => note('denyOutboundEncryptedConnection', isB(peer)),
        denyOutboundUpgradedConnection: (peer) => note('denyOutboundUpgradedConnection', isB(peer)),
      },
    })
    await a.dial(addressOf(b))
    return OUTBOUND.map((hook) => seen[hook])
  }),

  denyOutbound('denyDialPeer', 'DialDeniedError'),
  denyOutbound('denyDialMultiaddr', 'DialDeniedError'),
  denyOutbound('denyOutboundConnection', 'ConnectionInterceptedError'),
  denyOutbound('denyOutboundEncryptedConnection', 'ConnectionInterceptedError'),
  denyOutbound('denyOutboundUpgradedConnection', 'ConnectionInterceptedError'),
  ...INBOUND.map(denyInbound),

  check('gater: one address denied leaves the others', 1, async (stage) => {
    const b = await stage.node({ addresses: { listen: [stage.place(), stage.place()] } })
    const [denied] = b.getMultiaddrs()
    const a = await stage.node({ connectionGater: { denyDialMultiaddr: (address) => denied?.equals(address) === true } })
    const { remoteAddr } = await a.dial(b.getMultiaddrs())
    return b.getMultiaddrs().findIndex((address) => address.equals(remoteAddr))
  }),

  check('gater: filterMultiaddrForPeer keeps an address out of the peer store', 1, async (stage) => {
    const [kept, dropped] = [multiaddr(stage.place()), multiaddr(stage.place())]
    const node = await stage.node({ connectionGater: { filterMultiaddrForPeer: async (_, address) => !address.equals(dropped) } })
    const { addresses } = await node.peerStore.merge(await stranger(), { multiaddrs: [kept, dropped] })
    return addresses.length
  }),

  check(
    'relay: a node is reached through it, by a limited connection',
    { isLimited: true, direct: false, isThrough: true },
    async (stage) => {
      const { relay, listener, dialer } = await relayed(stage, {})
      await listener.start()
      await until('it has its address', () => listener.getMultiaddrs().length > 0)
      const { limits, direct, remoteAddr } = await dialer.dial(addressOf(listener))
      return { isLimited: limits !== undefined, direct, isThrough: remoteAddr.toString().includes(`${relay.peerId}/p2p-circuit`) }
    },
  ),

  check('gater: denyInboundRelayReservation keeps a relay from serving', { asked: true, addresses: 0 }, async (stage) => {
    let asked = 0
    const { listener } = await relayed(stage, {
      relay: {
        denyInboundRelayReservation: () => {
          asked += 1
          return true
        },
      },
    })
    const start = await errorOf(starting(listener))
    await until('it was asked', () => asked > 0 || start !== 'no error')
    await settle()
    return { asked: asked > 0, addresses: listener.getMultiaddrs().length }
  }),

  check('gater: denyOutboundRelayedConnection keeps a relay from passing on', ['failed', 1], async (stage) => {
    return await dialedInVain(stage, (deny) => ({ relay: { denyOutboundRelayedConnection: deny } }))
  }),

  check('gater: denyInboundRelayedConnection keeps a node from being reached', ['failed', 1], async (stage) => {
    return await dialedInVain(stage, (deny) => ({ listener: { denyInboundRelayedConnection: deny } }))
  }),
]
