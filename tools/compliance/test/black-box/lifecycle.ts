import { generateKeyPair } from '@libp2p/crypto/keys'
import { serviceCapabilities, serviceDependencies } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { type Check, check, errorOf, until } from './check.ts'
import { addressOf, connected, eventsOf, peek, starting } from './stage.ts'

/** A service that writes down what is asked of it. */
function diary(name: string, lines: string[]): () => object {
  const phase = (of: string) => async (): Promise<void> => {
    lines.push(`${name} ${of}`)
    await new Promise(setImmediate)
    lines.push(`${name} ${of} done`)
  }
  const phases = ['beforeStart', 'start', 'afterStart', 'beforeStop', 'stop', 'afterStop']
  return () => Object.fromEntries(phases.map((of) => [of, phase(of)]))
}

export const LIFECYCLE: readonly Check[] = [
  check('lifecycle: a node starts unless told not to', ['started', 'stopped'], async (stage) => {
    const nodes = [await stage.node(), await stage.node({ start: false })]
    return nodes.map(({ status }) => status)
  }),

  check('lifecycle: the status tells each step', ['stopped', 'starting', 'started', 'stopping', 'stopped'], async (stage) => {
    const node = await stage.node({ start: false })
    const seen: string[] = [node.status]
    const starting = node.start()
    seen.push(node.status)
    await starting
    seen.push(node.status)
    const stopping = node.stop()
    seen.push(node.status)
    await stopping
    return [...seen, node.status]
  }),

  check('lifecycle: start and stop are events that tell of the node', [true, true], async (stage) => {
    const node = await stage.node({ start: false })
    const seen: boolean[] = []
    node.addEventListener('start', ({ detail }) => void seen.push(detail.peerId.equals(node.peerId) && detail.status === 'started'))
    node.addEventListener('stop', ({ detail }) => void seen.push(detail.peerId.equals(node.peerId) && detail.status === 'stopped'))
    await node.start()
    await node.stop()
    return seen
  }),

  check('lifecycle: starting and stopping twice is as once', ['start', 'stop'], async (stage) => {
    const node = await stage.node({ start: false })
    const seen = eventsOf(node, 'start', 'stop')
    await node.start()
    await node.start()
    await node.stop()
    await node.stop()
    return seen
  }),

  check('lifecycle: stopping what never started does nothing', ['stopped', []], async (stage) => {
    const node = await stage.node({ start: false })
    const seen = eventsOf(node, 'start', 'stop')
    await node.stop()
    return [node.status, seen]
  }),

  check(
    'lifecycle: a stopped node starts again, and can be dialed as before',
    { events: 'start stop start', isSame: true, peers: 1 },
    async (stage) => {
      const [a, b] = [await stage.node(), await stage.listener({ start: false })]
      const seen = eventsOf(b, 'start', 'stop')
      await b.start()
      await b.stop()
      await b.start()
      const connection = await a.dial(addressOf(b))
      await connected(a, b)
      return { events: seen.join(' '), isSame: connection.remotePeer.equals(b.peerId), peers: b.getPeers().length }
    },
  ),

  check('lifecycle: handlers outlive a restart', '/kept/1.0.0', async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    await b.handle('/kept/1.0.0', () => {})
    await b.stop()
    await b.start()
    const stream = await a.dialProtocol(addressOf(b), '/kept/1.0.0')
    return stream.protocol
  }),

  check('lifecycle: a node that has restarted dials', 1, async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    await a.stop()
    await a.start()
    await a.dial(addressOf(b))
    return a.getPeers().length
  }),

  check('lifecycle: connections end with their node', { events: ['peer:disconnect'], status: 'closed' }, async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    const connection = await a.dial(addressOf(b))
    await connected(a, b)
    const events = eventsOf(b, 'peer:disconnect')
    await a.stop()
    await until('the other knows', () => b.getConnections().length === 0)
    return { events, status: connection.status }
  }),

  check('lifecycle: a stopped node dials nobody', 'NotStartedError', async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    await a.stop()
    return await errorOf(a.dial(addressOf(b)))
  }),

  check('lifecycle: a node that was never started dials nobody', 'NotStartedError', async (stage) => {
    const [a, b] = [await stage.node({ start: false }), await stage.listener()]
    return await errorOf(a.dial(addressOf(b)))
  }),

  check('lifecycle: a stopped node has no addresses', [0, 1, 0], async (stage) => {
    const node = await stage.listener({ start: false })
    const seen = [node.getMultiaddrs().length]
    await node.start()
    seen.push(node.getMultiaddrs().length)
    await node.stop()
    return [...seen, node.getMultiaddrs().length]
  }),

  check(
    'lifecycle: a service goes through its phases in order',
    ['beforeStart', 'start', 'afterStart', 'beforeStop', 'stop', 'afterStop'].flatMap((of) => [`one ${of}`, `one ${of} done`]),
    async (stage) => {
      const lines: string[] = []
      const node = await stage.node({ services: { one: diary('one', lines) } })
      await node.stop()
      return lines
    },
  ),

  check('lifecycle: no phase begins before all services are through with the one before', [2, 2, 2, 2, 2, 2], async (stage) => {
    const lines: string[] = []
    const node = await stage.node({ services: { one: diary('one', lines), two: diary('two', lines) } })
    await node.stop()
    const phases = ['beforeStart', 'start', 'afterStart', 'beforeStop', 'stop', 'afterStop']
    return phases.map((of, index) => lines.slice(index * 4, index * 4 + 4).filter((line) => line.endsWith(` ${of} done`)).length)
  }),

  check('lifecycle: what a service throws at its start is thrown, and the node is stopped', ['NoTeaError', 'stopped'], async (stage) => {
    const tealess = (): object => ({
      start: async () => {
        throw Object.assign(new Error('no tea'), { name: 'NoTeaError' })
      },
      stop: () => {},
    })
    const node = await stage.node({ start: false, services: { tealess } })
    return [await errorOf(starting(node)), node.status]
  }),

  check('services: are reached by name, by our caller and by each other', [7, 7], async (stage) => {
    interface Seven {
      value: number
    }
    const node = await stage.node({
      services: {
        seven: (): Seven => ({ value: 7 }),
        reader: (components: { seven: Seven }) => ({ read: (): number => components.seven.value }),
      },
    })
    return [node.services.seven.value, node.services.reader.read()]
  }),

  check('services: one whose need nobody meets is refused', 'UnmetServiceDependenciesError', async (stage) => {
    return await errorOf(stage.node({ services: { needy: () => ({ [serviceDependencies]: ['@test/tea'] }) } }))
  }),

  check('services: one whose need another meets is made', 'started', async (stage) => {
    const node = await stage.node({
      services: {
        needy: () => ({ [serviceDependencies]: ['@test/tea'] }),
        giver: () => ({ [serviceCapabilities]: ['@test/tea'] }),
      },
    })
    return node.status
  }),

  check('services: a transport may meet a need', 'started', async (stage) => {
    const { memory } = await import('@libp2p/memory')
    const node = await stage.node({
      transports: [(components) => Object.assign(memory()(components), { [serviceCapabilities]: ['@test/transport'] })],
      services: { needy: () => ({ [serviceDependencies]: ['@test/transport'] }) },
    })
    return node.status
  }),

  check('components: are there by the names of js-libp2p', [], async (stage) => {
    const node = await stage.node({ services: { peek } })
    const names = [
      'peerId',
      'privateKey',
      'nodeInfo',
      'logger',
      'events',
      'datastore',
      'peerStore',
      'registrar',
      'transportManager',
    ] as const
    const more = [
      'connectionManager',
      'connectionGater',
      'addressManager',
      'peerRouting',
      'contentRouting',
      'randomWalk',
      'upgrader',
    ] as const
    return [...names, ...more].filter((name) => node.services.peek.components[name] === undefined)
  }),

  check('components: one that is not there is an error, not undefined', 'MissingServiceError', async (stage) => {
    const node = await stage.node({ services: { peek } })
    return await errorOf((async () => Reflect.get(node.services.peek.components, 'tea'))())
  }),

  check('keys: each node has a fresh Ed25519 key by default', ['Ed25519', 'Ed25519', 'different'], async (stage) => {
    const [a, b] = [await stage.node({ start: false }), await stage.node({ start: false })]
    return [a.peerId.type, b.peerId.type, a.peerId.equals(b.peerId) ? 'same' : 'different']
  }),

  check('keys: Ed25519 and secp256k1 nodes are who their keys say, and connect', ['Ed25519', 'secp256k1', true, true], async (stage) => {
    const [ed, ec] = [await generateKeyPair('Ed25519'), await generateKeyPair('secp256k1')]
    const [a, b] = [await stage.node({ privateKey: ed }), await stage.listener({ privateKey: ec })]
    const { remotePeer } = await a.dial(addressOf(b))
    return [
      a.peerId.type,
      b.peerId.type,
      a.peerId.publicKey !== undefined && ed.publicKey.equals(a.peerId.publicKey),
      remotePeer.publicKey !== undefined && ec.publicKey.equals(remotePeer.publicKey),
    ]
  }),

  check('keys: an RSA node connects', 'RSA', async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener({ privateKey: await generateKeyPair('RSA', 2048) })]
    const { remotePeer } = await a.dial(addressOf(b))
    return remotePeer.type
  }),

  check('node info: is what was given, and the user agent is made of it', { name: 'tea', version: '7', agent: true }, async (stage) => {
    const node = await stage.node({ nodeInfo: { name: 'tea', version: '7' }, services: { peek } })
    const { name, version, userAgent } = node.services.peek.components.nodeInfo
    return { name, version, agent: userAgent.startsWith('tea/7 ') }
  }),

  check('node info: a user agent that was given is taken as it is', 'tea for two', async (stage) => {
    const node = await stage.node({ nodeInfo: { userAgent: 'tea for two' }, services: { peek } })
    return node.services.peek.components.nodeInfo.userAgent
  }),

  check('logger: the one given is that of the node and of its parts', [true, true, true], async (stage) => {
    const names: string[] = []
    const base = defaultLogger()
    const logger = {
      forComponent: (name: string) => {
        names.push(name)
        return base.forComponent(name)
      },
    }
    const node = await stage.node({ logger, services: { peek } })
    return [names.length > 0, node.logger === logger, node.services.peek.components.logger === logger]
  }),
]
